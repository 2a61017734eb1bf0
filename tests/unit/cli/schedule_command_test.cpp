#include "base/error.h"
#include "cli/commands.h"
#include "support/temp_dir.h"

#include <CLI/CLI.hpp>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <fstream>
#include <string>
#include <utility>

namespace keyrewind::cli {
namespace {

using testing::HasSubstr;

class ScheduleCommand : public testing::Test {
 protected:
  /// Runs `keyrewind <line>`, returns what is printed.
  std::string run(const std::string& line, bool json = false) const {
    Invocation invocation;
    invocation.global.config_file = file_;
    invocation.global.json = json;
    CLI::App app;
    add_schedule_command(app, invocation);
    testing::internal::CaptureStdout();
    try {
      app.parse(line);
    } catch (...) {
      testing::internal::GetCapturedStdout();
      throw;
    }
    return testing::internal::GetCapturedStdout();
  }

  std::pair<ErrorKind, std::string> failure_of(const std::string& line) const {
    try {
      return {ErrorKind::internal, run(line)};
    } catch (const Error& error) {
      return {error.kind(), error.what()};
    }
  }

  void write(const std::string& snapshots) const {
    std::ofstream(file_) << "version: 1\nsource: {name: orders, address: 'valkey://h'}\n"
                            "repository: {url: 'file:///r'}\nsnapshots: "
                         << snapshots << '\n';
  }

  const test::TempDir dir_;
  const std::string file_ = dir_ / "c.yaml";
};

TEST_F(ScheduleCommand, ListsTheSchedulesWithTheirNextRuns) {
  write(
      "{time_zone: Asia/Tokyo, jitter: 0s, schedules: [{name: nightly, cron: '0 3 * * *'}, "
      "{name: often, cron: '@every 6h', time_zone: UTC}]}");

  const auto rows = nlohmann::json::parse(run("schedule list", true))["schedules"];

  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0]["name"], "nightly");
  EXPECT_EQ(rows[0]["cron"], "0 3 * * *");
  EXPECT_EQ(rows[0]["time_zone"], "Asia/Tokyo");
  EXPECT_THAT(rows[0]["next"].get<std::string>(), HasSubstr("T18:00:00.000Z"));
  EXPECT_THAT(rows[0]["next_local"].get<std::string>(), HasSubstr("T03:00:00+09:00"));
  EXPECT_EQ(rows[1]["time_zone"], "UTC");
  EXPECT_THAT(run("schedule list"), HasSubstr("nightly              0 3 * * *            Asia/"));
}

TEST_F(ScheduleCommand, ShowsTheNextRunsOfAllTogether) {
  write("{jitter: 0s, schedules: [{name: a, cron: '0 * * * *'}, {name: b, cron: '30 * * * *'}]}");

  const auto rows = nlohmann::json::parse(run("schedule next --count 6", true))["runs"];

  ASSERT_EQ(rows.size(), 6U);
  for (std::size_t i = 1; i < rows.size(); ++i) {
    EXPECT_GT(rows[i]["at"], rows[i - 1]["at"]);
    EXPECT_NE(rows[i]["schedule"], rows[i - 1]["schedule"]);
    EXPECT_EQ(rows[i]["at"], rows[i]["slot"]);
  }
  EXPECT_THAT(run("schedule next"), HasSubstr("+00:00"));
  EXPECT_THROW(run("schedule next --count 0"), CLI::ParseError);
  EXPECT_THROW(run("schedule next --count 1001"), CLI::ParseError);
}

TEST_F(ScheduleCommand, SaysThatThereIsNone) {
  write("{}");

  EXPECT_EQ(run("schedule list"), "no schedule; write some into snapshots.schedules\n");
  EXPECT_EQ(run("schedule next"), "no schedule; write some into snapshots.schedules\n");
  EXPECT_EQ(nlohmann::json::parse(run("schedule next", true))["runs"], nlohmann::json::array());
}

TEST_F(ScheduleCommand, SteersOnlyWhatThereIs) {
  write("{schedules: [{name: a, cron: '@daily'}, {name: b, cron: '@daily'}]}");
  std::ofstream(file_, std::ios::app)
      << "http: {socket: " << (dir_ / "none.sock").string() << "}\n";

  EXPECT_THAT(failure_of("schedule pause c"), testing::Pair(ErrorKind::config,
                                                            "there is no schedule 'c'; there are: "
                                                            "a, b"));
  EXPECT_THAT(
      failure_of("schedule run a"),
      testing::Pair(ErrorKind::unavailable,
                    testing::StartsWith("no agent of source 'orders' answers at the socket '" +
                                        (dir_ / "none.sock").string())));
  EXPECT_THROW(run("schedule resume"), CLI::ParseError);
}

}  // namespace
}  // namespace keyrewind::cli
