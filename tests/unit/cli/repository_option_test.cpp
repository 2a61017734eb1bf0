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

/// A repository with a damaged commit and a copy without any.
class RepositoryOption : public testing::Test {
 protected:
  RepositoryOption() {
    test::write_text(file_,
                     "version: 1\nsource: {name: orders, address: 'valkey://h'}\n"
                     "repository: {url: '" +
                         make_repository("primary") +
                         "'}\n"
                         "copies: [{name: dr, url: '" +
                         make_repository("dr") + "'}]\n");
    const auto commits = dir_ / "primary/sources/orders/commits";
    std::filesystem::create_directories(commits);
    test::write_text(commits / "0000000001-20261120T130221Z-0a1b2c.json", "{");
  }

  std::string make_repository(const std::string& name) const {
    std::filesystem::create_directory(dir_ / name);
    store::FileStore store(dir_ / name);
    catalog::ensure_repository(store, test::ManualClock(Timestamp{}), {});
    return "file://" + (dir_ / name).string();
  }

  std::string run(const std::string& line) {
    Invocation invocation{.global = {.config_file = file_, .quiet = true}};
    CLI::App app;
    add_list_command(app, invocation);
    add_show_command(app, invocation);
    add_timeline_command(app, invocation);
    add_restore_command(app, invocation);
    add_verify_command(app, invocation);
    add_export_command(app, invocation);
    testing::internal::CaptureStdout();
    try {
      app.parse(line);
    } catch (const Error& error) {
      testing::internal::GetCapturedStdout();
      status_ = exit_status(error);
      return error.what();
    }
    status_ = invocation.status;
    return testing::internal::GetCapturedStdout();
  }

  ExitStatus status() const { return status_; }

 private:
  const test::TempDir dir_;
  const std::filesystem::path file_ = dir_ / "c.yaml";
  ExitStatus status_ = ExitStatus::ok;
};

TEST_F(RepositoryOption, SaysWhichOneIsRead) {
  EXPECT_THAT(run("list"), HasSubstr("is damaged"));
  EXPECT_EQ(status(), ExitStatus::corrupt);
  EXPECT_THAT(run("list --repository primary"), HasSubstr("is damaged"));
  EXPECT_EQ(run("list --repository dr"), "no backup of orders yet\n");
  EXPECT_EQ(status(), ExitStatus::ok);
}

TEST_F(RepositoryOption, IsTakenByWhateverReads) {
  for (const std::string line :
       {"show", "timeline", "restore --target /nowhere", "verify", "export --rdb /nowhere/x"}) {
    EXPECT_THAT(run(line + " --repository usb"),
                HasSubstr("there is no repository 'usb'; there are: primary, dr"))
        << line;
    EXPECT_EQ(status(), ExitStatus::usage) << line;
  }
  EXPECT_THAT(run("show --repository dr"), HasSubstr("no backup"));
  EXPECT_EQ(status(), ExitStatus::no_backup);
}

}  // namespace
}  // namespace keyrewind::cli
