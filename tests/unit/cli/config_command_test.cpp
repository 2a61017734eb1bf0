#include "cli/config_command.h"

#include "base/error.h"
#include "config/load.h"
#include "support/temp_dir.h"

#include <CLI/CLI.hpp>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <fstream>

namespace keyrewind::cli {
namespace {

class ConfigCommand : public testing::Test {
 protected:
  /// Runs `keyrewind <line>` with the global options that matter here; returns what is printed.
  static std::string run(const std::string& line) {
    GlobalOptions global;
    CLI::App app;
    app.fallthrough();
    app.add_option("-c,--config", global.config_file);
    app.add_flag("--json", global.json);
    add_config_command(app, global);
    testing::internal::CaptureStdout();
    try {
      app.parse(line);
    } catch (...) {
      testing::internal::GetCapturedStdout();
      throw;
    }
    return testing::internal::GetCapturedStdout();
  }

  std::string write(const std::string& more) const {
    std::ofstream(file_) << "version: 1\nsource: {name: orders, address: 'valkey://h'}\n"
                            "repository: {url: 'file:///r'}\n"
                         << more;
    return file_;
  }

  const test::TempDir dir_;
  const std::string file_ = dir_ / "c.yaml";
};

TEST_F(ConfigCommand, ChecksAFileNamedBeforeOrAfterTheVerb) {
  const std::string file = write("");

  EXPECT_EQ(run("-c " + file + " config check"), file + ": ok\n");
  EXPECT_EQ(run("config -c " + file + " check"), file + ": ok\n");
  EXPECT_EQ(run("config check -c " + file), file + ": ok\n");
  EXPECT_EQ(run("config check --config " + file), file + ": ok\n");
}

TEST_F(ConfigCommand, ReportsAllMistakesOfAFile) {
  const std::string file = write("limit: 1\nlogging: {level: loud}\n");

  try {
    run("config check -c " + file);
    FAIL() << "the mistakes were not found";
  } catch (const Error& error) {
    EXPECT_EQ(exit_status(error), ExitStatus::usage);
    EXPECT_THAT(error.what(), testing::HasSubstr(file + ":4:1: unknown key 'limit'"));
    EXPECT_THAT(error.what(), testing::HasSubstr(file + ":5:18: logging.level must be"));
  }
}

TEST_F(ConfigCommand, ShowsTheConfigurationInForce) {
  const std::string file = write("compression: {level: 7}\n");

  EXPECT_THAT(run("config show -c " + file), testing::HasSubstr("compression:\n  level: 7\n"));
  EXPECT_EQ(nlohmann::json::parse(run("config show --json -c " + file))["compression"]["level"], 7);
}

TEST_F(ConfigCommand, DocumentsTheOptionsWithoutAConfiguration) {
  EXPECT_EQ(run("config schema -c " + file_), config::schema());
  EXPECT_EQ(run("config reference"), config::reference());
}

TEST_F(ConfigCommand, NeedsAVerb) {
  EXPECT_THROW(run("config"), CLI::RequiredError);
  EXPECT_THROW(run("config chekc"), CLI::ParseError);
}

}  // namespace
}  // namespace keyrewind::cli
