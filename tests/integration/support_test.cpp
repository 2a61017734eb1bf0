// The support bundle, and the log of a backup as a machine reads it: all that is needed, nothing
// that is secret.

#include "support/agent_run.h"
#include "support/keyrewind.h"
#include "support/paths.h"
#include "support/process.h"
#include "support/redis_server.h"
#include "support/temp_dir.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace keyrewind::test {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::IsSupersetOf;
using testing::Not;

constexpr const char* kServer = "valkey-server-8.1";
constexpr const char* kPassword = "correct-horse-battery-staple";
constexpr const char* kToken = "AQoEXAMPLEH4aoAH0gNCAPyJxz4BlCFFxWNE1OPTgk5TthT";
constexpr const char* kKey = "customer:4711:name";
constexpr const char* kValue = "Grace-Hopper-was-here";

class WithSecrets : public testing::Test {
 protected:
  void SetUp() override {
    require_server(kServer);
    if (IsSkipped() || HasFatalFailure()) {
      return;
    }
    ServerOptions options = quick_server(kServer);
    options.password = kPassword;
    server_.emplace(options);
    server_->cli({"SET", kKey, kValue});
  }

  std::optional<RedisServer> server_;
};

class SupportBundle : public WithSecrets {
 protected:
  void SetUp() override {
    WithSecrets::SetUp();
    if (IsSkipped() || HasFatalFailure()) {
      return;
    }
    keyrewind_.emplace(server_->url(), "", RepositoryKind::file);
    write_text(keyrewind_->folder() / "password", fmt::format("{}\n", kPassword));
    keyrewind_->configure(
        fmt::format("version: 1\n"
                    "source: {{name: orders, address: '{}', password_file: {}}}\n"
                    "repository: {{url: 'file://{}'}}\n"
                    "log: {{spool: {{dir: {}}}}}\n",
                    server_->url(), (keyrewind_->folder() / "password").string(),
                    keyrewind_->repository().string(), (keyrewind_->folder() / "spool").string()));
  }

  /// Makes a bundle and unpacks it.
  std::filesystem::path unpack() const {
    const std::string archive = (out_ / "bundle.tar").string();
    const RunResult made = run({.command = {program_path(), "support-bundle", "-f", archive, "-c",
                                            keyrewind_->config_file().string()},
                                .env = {{"AWS_SESSION_TOKEN", kToken}}});
    EXPECT_EQ(made.status, 0) << made.err;
    EXPECT_THAT(made.out, HasSubstr(archive));
    const RunResult unpacked = run({"tar", "-xf", archive, "-C", out_.path().string()});
    EXPECT_EQ(unpacked.status, 0) << unpacked.err;
    EXPECT_EQ(unpacked.err, "");
    return out_ / "keyrewind-support";
  }

  static std::vector<std::filesystem::path> files_in(const std::filesystem::path& folder) {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
      if (entry.is_regular_file()) {
        files.push_back(entry.path());
      }
    }
    return files;
  }

  std::optional<Keyrewind> keyrewind_;
  TempDir out_;
};

TEST_F(SupportBundle, HasWhatSomebodyWhoHelpsWantsToKnow) {
  const std::string id = keyrewind_->backup();

  const std::filesystem::path bundle = unpack();

  EXPECT_EQ(json::parse(read_text(bundle / "list.json"))["backups"][0]["id"], id);
  EXPECT_TRUE(json::parse(read_text(bundle / "version.json")).contains("version"));
  EXPECT_TRUE(json::parse(read_text(bundle / "timeline.json")).contains("windows"));
  EXPECT_FALSE(json::parse(read_text(bundle / "doctor.json"))["checks"].empty());
  EXPECT_THAT(read_text(bundle / "config.yaml"), HasSubstr("name: orders"));
  EXPECT_THAT(read_text(bundle / "config-check.txt"), HasSubstr("ok"));
  EXPECT_THAT(read_text(bundle / "metrics.txt"), HasSubstr("no agent answers"));
  const json facts = json::parse(read_text(bundle / "environment.json"));
  EXPECT_GE(facts["processors"], 1);
  EXPECT_THAT(facts["system"].get<std::string>(), HasSubstr("Linux"));
}

TEST_F(SupportBundle, HoldsNoSecretAndNothingOfTheUsers) {
  keyrewind_->backup();

  const std::filesystem::path bundle = unpack();

  const auto files = files_in(bundle);
  EXPECT_GE(files.size(), 7U);
  for (const auto& file : files) {
    const std::string text = read_text(file);
    for (const char* secret : {kPassword, kToken, kKey, kValue}) {
      EXPECT_THAT(text, Not(HasSubstr(secret))) << file;
    }
  }
  // It is found, and taken out, wherever a program might say it.
  EXPECT_THAT(read_text(bundle / "environment.json"), HasSubstr("AWS_SESSION_TOKEN"));
}

TEST_F(SupportBundle, IsMadeOfWhatThereIs) {
  write_text(keyrewind_->config_file(), "version: 1\nsource: {nonsense: yes}\n");

  const std::filesystem::path bundle = unpack();

  EXPECT_THAT(read_text(bundle / "log/config-check.txt.txt"), HasSubstr("nonsense"));
  EXPECT_THAT(read_text(bundle / "log/list.json.txt"), HasSubstr("(exit status 2)"));
  EXPECT_TRUE(std::filesystem::exists(bundle / "environment.json"));
}

TEST_F(SupportBundle, GoesToStandardOutputToo) {
  const RunResult made = run({program_path(), "support-bundle", "-q", "-f", "-", "-c",
                              keyrewind_->config_file().string()});

  EXPECT_EQ(made.status, 0);
  EXPECT_EQ(made.out.size() % 512, 0U);
  EXPECT_EQ(made.out.substr(257, 5), "ustar");
}

class JsonLog : public WithSecrets {};

TEST_F(JsonLog, TellsOneStoryPerBackupAndNothingOfTheUsers) {
  AgentRun agent(server_->url(), {.more = "logging: {format: json}"});
  write_text(agent.user().folder() / "password", fmt::format("{}\n", kPassword));
  agent.start({{"KEYREWIND_SOURCE__PASSWORD_FILE", (agent.user().folder() / "password").string()}});
  wait_until("a backup", [&] { return agent.durable() >= 0; });
  server_->cli({"SET", kKey, std::string(kValue) + "2"});
  server_->cli({"FLUSHALL"});
  agent.wait_for(offset_of(*server_));
  EXPECT_EQ(agent.stop(), ExitResult{});

  std::istringstream lines(agent.log());
  std::vector<json> story;
  std::string id;
  for (std::string line; std::getline(lines, line);) {
    const json entry = json::parse(line, nullptr, false);
    ASSERT_TRUE(entry.is_object()) << line;
    for (const char* field : {"time", "level", "message"}) {
      ASSERT_TRUE(entry.contains(field) && entry[field].is_string()) << line;
    }
    EXPECT_THAT(entry["level"].get<std::string>(),
                testing::AnyOf("debug", "info", "warn", "error"));
    for (const char* secret : {kPassword, kKey, kValue}) {
      EXPECT_THAT(line, Not(HasSubstr(secret)));
    }
    if (entry["message"] == "backup started") {
      id = entry.at("backup");
    }
    if (entry.contains("backup") && entry["backup"] == id) {
      story.push_back(entry);
    }
  }
  std::set<std::string> messages;
  for (const json& entry : story) {
    messages.insert(entry["message"]);
  }
  EXPECT_THAT(messages, IsSupersetOf({"backup started", "snapshot started", "backup finished"}));
}

TEST_F(JsonLog, EndsTheStoryOfABackupThatFails) {
  server_->cli({"ACL", "SETUSER", "weak", "on", ">secret", "+info", "+replconf"});
  const Keyrewind keyrewind(server_->url(), "", RepositoryKind::file);
  write_text(keyrewind.folder() / "password", "secret");
  keyrewind.configure(server_->url(), keyrewind.repository(),
                      fmt::format("  username: weak\n  password_file: {}\n"
                                  "logging: {{format: json}}\n",
                                  (keyrewind.folder() / "password").string()));

  const RunResult result = keyrewind.run({"backup"});  // Without the right +psync.

  EXPECT_EQ(result.status, 6);
  std::string id;
  std::string last;
  std::istringstream lines(result.err);
  for (std::string line; std::getline(lines, line);) {
    const json entry = json::parse(line, nullptr, false);
    if (entry.is_object() && entry.contains("backup")) {
      EXPECT_TRUE(id.empty() || entry["backup"] == id) << line;
      id = entry["backup"];
      last = entry["message"];
    }
  }
  EXPECT_EQ(last, "backup abandoned") << result.err;
}

}  // namespace
}  // namespace keyrewind::test
