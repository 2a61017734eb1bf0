#include "config/suggest.h"

#include <gtest/gtest.h>

#include <array>

namespace keyrewind::config {
namespace {

constexpr std::array<std::string_view, 4> kWords{"name", "address", "username", "password_file"};

TEST(EditDistance, CountsInsertionsRemovalsReplacementsAndSwaps) {
  EXPECT_EQ(edit_distance("name", "name"), 0U);
  EXPECT_EQ(edit_distance("nam", "name"), 1U);
  EXPECT_EQ(edit_distance("namee", "name"), 1U);
  EXPECT_EQ(edit_distance("nome", "name"), 1U);
  EXPECT_EQ(edit_distance("nmae", "name"), 1U);
  EXPECT_EQ(edit_distance("", "name"), 4U);
  EXPECT_EQ(edit_distance("NAME", "name"), 0U);
}

TEST(Nearest, FindsTheWordThatWasMeant) {
  EXPECT_EQ(nearest("adress", kWords), "address");
  EXPECT_EQ(nearest("Username", kWords), "username");
  EXPECT_EQ(nearest("passwordfile", kWords), "password_file");
}

TEST(Nearest, DoesNotGuess) {
  EXPECT_EQ(nearest("timeout", kWords), "");
  EXPECT_EQ(nearest("", kWords), "");
  EXPECT_EQ(nearest(std::string(100000, 'a'), kWords), "");
}

TEST(InQuotes, KeepsAMessageOneShortLine) {
  EXPECT_EQ(in_quotes("a\nb\x1b\x7f"), "'a\\x0ab\\x1b\\x7f'");
  EXPECT_EQ(in_quotes(std::string(81, 'a')), "'" + std::string(80, 'a') + "…'");
}

TEST(InQuotes, DoesNotCutACharacterInTwo) {
  EXPECT_EQ(in_quotes(std::string(79, 'a') + "äz"), "'" + std::string(79, 'a') + "…'");
}

}  // namespace
}  // namespace keyrewind::config
