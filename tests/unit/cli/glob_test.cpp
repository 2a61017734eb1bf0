#include "cli/glob.h"

#include <gtest/gtest.h>

#include <string>

namespace keyrewind::cli {
namespace {

using namespace std::string_view_literals;

TEST(Glob, MatchesAllOfTheText) {
  EXPECT_TRUE(matches_glob("user", "user"));
  EXPECT_FALSE(matches_glob("user", "users"));
  EXPECT_FALSE(matches_glob("user", "use"));
  EXPECT_FALSE(matches_glob("user", "User"));
  EXPECT_TRUE(matches_glob("", ""));
  EXPECT_FALSE(matches_glob("", "a"));
}

TEST(Glob, HasStarsForAnythingAndQuestionMarksForOneByte) {
  EXPECT_TRUE(matches_glob("user:*", "user:"));
  EXPECT_TRUE(matches_glob("user:*", "user:1/2\n\0\xff"sv));
  EXPECT_TRUE(matches_glob("*", ""));
  EXPECT_TRUE(matches_glob("***", "a"));
  EXPECT_TRUE(matches_glob("*:*:end", "a:b:c:end"));
  EXPECT_FALSE(matches_glob("*:*:end", "a:end"));
  EXPECT_TRUE(matches_glob("a*b*c", "abbbcbc"));
  EXPECT_TRUE(matches_glob("u?er", "user"));
  EXPECT_FALSE(matches_glob("u?er", "uer"));
  EXPECT_TRUE(matches_glob("?", "/"));
}

TEST(Glob, HasClasses) {
  EXPECT_TRUE(matches_glob("h[ae]llo", "hello"));
  EXPECT_FALSE(matches_glob("h[ae]llo", "hillo"));
  EXPECT_TRUE(matches_glob("h[^e]llo", "hallo"));
  EXPECT_FALSE(matches_glob("h[^e]llo", "hello"));
  EXPECT_TRUE(matches_glob("h[a-c]llo", "hbllo"));
  EXPECT_TRUE(matches_glob("h[c-a]llo", "hbllo"));
  EXPECT_TRUE(matches_glob("[a-]", "-"));
  EXPECT_TRUE(matches_glob("[\\]]", "]"));
  EXPECT_TRUE(matches_glob("x[!a]", "x!"));
  EXPECT_FALSE(matches_glob("[]", "a"));
  EXPECT_TRUE(matches_glob("[ab", "b"));
  EXPECT_TRUE(matches_glob("[\x80-\xff]", "\xc3"));
}

TEST(Glob, TakesWhatABackslashStandsBeforeLiterally) {
  EXPECT_TRUE(matches_glob("a\\*", "a*"));
  EXPECT_FALSE(matches_glob("a\\*", "ab"));
  EXPECT_TRUE(matches_glob("a\\", "a\\"));
}

TEST(Glob, DoesNotTakeForeverOverManyStars) {
  std::string pattern;
  for (int i = 0; i < 500; ++i) {
    pattern += "a*";
  }

  EXPECT_FALSE(matches_glob(pattern + "b", std::string(20'000, 'a')));
}

}  // namespace
}  // namespace keyrewind::cli
