#include "base/log.h"

#include "base/clock.h"
#include "base/log_scope.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstdint>
#include <limits>
#include <string>
#include <thread>

namespace keyrewind::log {
namespace {

using testing::internal::CaptureStderr;
using testing::internal::GetCapturedStderr;

/// What `write` puts on stderr.
template <typename Write>
std::string logged(const Write& write) {
  CaptureStderr();
  write();
  return GetCapturedStderr();
}

/// A line without the time it begins with, which must be one.
std::string after_time(const std::string& line) {
  const std::size_t space = line.find(' ');
  EXPECT_TRUE(from_rfc3339(line.substr(0, space)).has_value()) << line;
  return line.substr(space + 1);
}

class LogTest : public testing::Test {
 protected:
  void TearDown() override { configure(Level::info, Format::text); }
};

TEST_F(LogTest, WritesOneLineWithItsFields) {
  configure(Level::info, Format::text);

  const std::string line = logged([] {
    info("part uploaded",
         {{"object", "a/b.zst"}, {"bytes", 8388608}, {"ratio", 0.5}, {"last", true}});
  });

  EXPECT_EQ(after_time(line),
            "info  part uploaded object=a/b.zst bytes=8388608 ratio=0.5 last=true\n");
}

TEST_F(LogTest, KeepsWhateverAFieldHoldsInOneWord) {
  configure(Level::info, Format::text);

  const std::string line = logged([] {
    warn("odd", {{"spaces", "a b"},
                 {"quotes", "a\"b"},
                 {"newline", "a\nb=c"},
                 {"empty", ""},
                 {"escape", "\x1b[31m"},
                 {"not_utf8", std::string("\xff", 1)}});
  });

  EXPECT_EQ(after_time(line),
            "warn  odd spaces=\"a b\" quotes=\"a\\\"b\" newline=\"a\\nb=c\" empty=\"\" "
            "escape=\"\\u001b[31m\" not_utf8=\"\\ufffd\"\n");
}

TEST_F(LogTest, WritesJsonThatKeepsTheTypes) {
  configure(Level::info, Format::json);

  const std::string line = logged([] {
    error("it\nbroke", {{"text", "a \"b\"\n"},
                        {"negative", std::int64_t{-1}},
                        {"large", std::numeric_limits<std::uint64_t>::max()},
                        {"ratio", 0.5},
                        {"flag", false}});
  });

  EXPECT_EQ(line.find('\n'), line.size() - 1);
  const nlohmann::json json = nlohmann::json::parse(line);
  EXPECT_TRUE(from_rfc3339(json.at("time").get<std::string>()).has_value());
  EXPECT_EQ(json.at("level"), "error");
  EXPECT_EQ(json.at("message"), "it\nbroke");
  EXPECT_EQ(json.at("text"), "a \"b\"\n");
  EXPECT_EQ(json.at("negative"), -1);
  EXPECT_EQ(json.at("large"), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(json.at("ratio"), 0.5);
  EXPECT_EQ(json.at("flag"), false);
}

TEST_F(LogTest, WritesBytesThatAreNoUtf8AsJson) {
  configure(Level::info, Format::json);

  const std::string line = logged([] { info("odd", {{"bytes", std::string("a\xff", 2)}}); });

  EXPECT_EQ(nlohmann::json::parse(line).at("bytes"), "a\xef\xbf\xbd");
}

TEST_F(LogTest, LeavesOutWhatIsBelowItsLevel) {
  configure(Level::warn, Format::text);

  const std::string lines = logged([] {
    debug("debugged");
    info("informed");
    warn("warned");
    error("failed");
  });

  EXPECT_THAT(lines, testing::HasSubstr("warned"));
  EXPECT_THAT(lines, testing::HasSubstr("failed"));
  EXPECT_THAT(lines, testing::Not(testing::HasSubstr("informed")));
  EXPECT_THAT(lines, testing::Not(testing::HasSubstr("debugged")));
}

TEST_F(LogTest, AddsTheFieldsOfItsScopes) {
  configure(Level::info, Format::text);

  const Scope story({"backup", "b1"});
  EXPECT_EQ(after_time(logged([] {
              info("started", {{"keys", 7}});
            })),
            "info  started keys=7 backup=b1\n");
  {
    const Scope inner({"part", 2});
    EXPECT_EQ(after_time(logged([] { info("stored"); })), "info  stored part=2 backup=b1\n");
    EXPECT_EQ(after_time(logged([] {
                info("moved", {{"backup", "b2"}});
              })),
              "info  moved backup=b2 part=2\n")
        << "the line itself knows best";
  }
  EXPECT_EQ(after_time(logged([] { info("finished"); })), "info  finished backup=b1\n");
}

TEST_F(LogTest, KeepsAScopeToItsThread) {
  configure(Level::info, Format::json);
  const Scope story({"backup", "b1"});

  const std::string line = logged([] { std::jthread([] { info("elsewhere"); }).join(); });

  EXPECT_FALSE(nlohmann::json::parse(line).contains("backup")) << line;
}

}  // namespace
}  // namespace keyrewind::log
