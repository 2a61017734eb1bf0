#include "base/error.h"
#include "catalog/repository.h"
#include "cli/commands.h"
#include "store/file_store.h"
#include "support/keyrewind.h"
#include "support/manual_clock.h"
#include "support/temp_dir.h"

#include <CLI/CLI.hpp>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

namespace keyrewind::cli {
namespace {

using testing::HasSubstr;

class TimelineCommand : public testing::Test {
 protected:
  TimelineCommand() {
    test::write_text(file_,
                     "version: 1\nsource: {name: orders, address: 'valkey://h'}\n"
                     "repository: {url: 'file://" +
                         (dir_ / "repository").string() + "'}\n");
  }

  /// Runs `keyrewind timeline <line>`; returns what is printed.
  std::string run(const std::string& line, bool json = false) {
    Invocation invocation{.global = {.config_file = file_, .json = json, .quiet = true}};
    CLI::App app;
    add_timeline_command(app, invocation);
    testing::internal::CaptureStdout();
    try {
      app.parse("timeline " + line);
    } catch (...) {
      testing::internal::GetCapturedStdout();
      throw;
    }
    status_ = invocation.status;
    return testing::internal::GetCapturedStdout();
  }

  std::string mistake(const std::string& line) {
    try {
      run(line);
    } catch (const Error& error) {
      EXPECT_EQ(exit_status(error), ExitStatus::usage);
      return error.what();
    }
    return "no mistake";
  }

  /// A repository without any backup.
  void make_repository() {
    std::filesystem::create_directory(dir_ / "repository");
    store::FileStore store(dir_ / "repository");
    catalog::ensure_repository(store, test::ManualClock(Timestamp{}), {});
  }

  std::filesystem::path repository() const { return dir_ / "repository"; }
  ExitStatus status() const { return status_; }

 private:
  const test::TempDir dir_;
  const std::string file_ = dir_ / "c.yaml";
  ExitStatus status_ = ExitStatus::failure;
};

TEST_F(TimelineCommand, SaysThatThereIsNoBackupYet) {
  make_repository();

  EXPECT_EQ(run(""), "no backup of orders yet\n");
  EXPECT_EQ(status(), ExitStatus::ok);
  EXPECT_EQ(nlohmann::json::parse(run("", true))["windows"], nlohmann::json::array());
  EXPECT_EQ(run("--find FLUSHALL"), "nothing in the log matches\n");
  EXPECT_EQ(status(), ExitStatus::ok);
}

TEST_F(TimelineCommand, EndsWithAWarningIfSomethingIsDamaged) {
  make_repository();
  const auto commits = repository() / "sources/orders/commits";
  std::filesystem::create_directories(commits);
  test::write_text(commits / "0000000001-20261120T130221Z-0a1b2c.json", "{");

  EXPECT_THAT(run(""), HasSubstr("Problems\n  backup 20261120T130221Z-0a1b2c: "));
  EXPECT_EQ(status(), ExitStatus::warnings);
  EXPECT_EQ(nlohmann::json::parse(run("", true))["problems"].size(), 1U);
  EXPECT_EQ(status(), ExitStatus::warnings);
  EXPECT_THAT(run("--find FLUSHALL"), HasSubstr("problem: backup 20261120T130221Z-0a1b2c: "));
  EXPECT_EQ(status(), ExitStatus::warnings);
}

TEST_F(TimelineCommand, FailsIfTheRepositoryIsNotThere) {
  try {
    run("");
    FAIL() << "it was not missed";
  } catch (const Error& error) {
    EXPECT_EQ(exit_status(error), ExitStatus::repository);
  }
}

TEST_F(TimelineCommand, RefusesTimesThatAreNone) {
  EXPECT_EQ(mistake("--from yesterday"),
            "--from 'yesterday' is not a time; write it as 2026-11-20T13:02:21Z or "
            "2026-11-20T14:02:21.123+01:00");
  EXPECT_THAT(mistake("--until latest"), HasSubstr("--until 'latest' is not a time"));
  EXPECT_THAT(mistake("--from 2026-11-20T00:00:01Z --until 2026-11-20T00:00:00Z"),
              HasSubstr("--from is later than --until"));
}

TEST_F(TimelineCommand, RefusesAnEmptySearchAndALimitOfNothing) {
  EXPECT_THAT(mistake("--find ' '"), HasSubstr("--find needs something to look for"));
  EXPECT_THROW(run("--find x --limit 0"), CLI::ParseError);
  EXPECT_THROW(run("--limit 5"), CLI::ParseError);
}

}  // namespace
}  // namespace keyrewind::cli
