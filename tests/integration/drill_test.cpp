#include "support/agent_run.h"
#include "support/keyrewind.h"
#include "support/redis_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <string>

namespace keyrewind::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

constexpr const char* kServer = "valkey-server-8.1";

class Drill : public testing::Test {
 protected:
  void SetUp() override { require_server(kServer); }

  static std::string program() { return find_server(kServer)->string(); }
};

TEST_F(Drill, TellsThatABackupIsRestorableAndRecordsIt) {
  RedisServer server(quick_server(kServer));
  server.cli({"SET", "a", "1"});
  server.cli({"SET", "b", "2"});
  const Keyrewind user(server.url());
  const std::string id = user.backup();

  const auto verdict = user.json({"drill", "--server", program()});

  EXPECT_EQ(verdict["ok"], true);
  EXPECT_EQ(verdict["backup"], id);
  EXPECT_EQ(verdict["keys"], 2);
  EXPECT_THAT(verdict["server"], HasSubstr("Valkey 8.1"));
  const auto shown = user.json({"show", id})["drills"];
  ASSERT_EQ(shown.size(), 1U);
  EXPECT_EQ(shown[0]["id"], verdict["id"]);
}

TEST_F(Drill, ReplaysTheLogToTheMoment) {
  RedisServer server(quick_server(kServer));
  server.cli({"SET", "before", "1"});
  AgentRun agent(server.url());
  agent.start();
  wait_until("a backup is there", [&] { return agent.durable() >= 0; });
  for (int i = 0; i < 100; ++i) {
    server.cli({"SET", "key:" + std::to_string(i), "value"});
  }
  agent.wait_for(offset_of(server));
  agent.stop();

  const auto verdict = agent.user().json({"drill", "--at", "latest", "--server", program()});

  EXPECT_EQ(verdict["ok"], true);
  EXPECT_EQ(verdict["keys"], 101);
  EXPECT_GT(verdict["log_bytes"], 0);
}

TEST_F(Drill, EndsWith8AndRecordsWhyWhenTheBackupIsDamaged) {
  RedisServer server(quick_server(kServer));
  server.cli({"SET", "a", std::string(5000, 'x')});
  const Keyrewind user(server.url(), "", RepositoryKind::file);
  const std::string id = user.backup();
  const fs::path object = user.file(".rdb.zst");
  std::string content = read_text(object);
  content[content.size() / 3] = static_cast<char>(content[content.size() / 3] ^ 1);
  fs::permissions(object, fs::perms::owner_write, fs::perm_options::add);
  write_text(object, content);

  const RunResult result = user.run({"drill", "--server", program()});

  EXPECT_EQ(result.status, 8);
  EXPECT_THAT(result.out, HasSubstr("NOT RESTORABLE"));
  const auto shown = user.json({"show", id})["drills"];
  ASSERT_EQ(shown.size(), 1U);
  EXPECT_EQ(shown[0]["ok"], false);
  EXPECT_NE(shown[0]["error"], "");
}

TEST_F(Drill, GivesNoVerdictWhereItCouldNotTry) {
  RedisServer server(quick_server(kServer));
  const Keyrewind user(server.url());

  EXPECT_EQ(user.run({"drill", "--server", program()}).status, 5) << "there is no repository yet";
  user.backup();
  EXPECT_EQ(user.run({"drill", "--server", "/no/such/server"}).status, 1);
  EXPECT_EQ(user.json({"show"})["drills"].size(), 0U);
}

}  // namespace
}  // namespace keyrewind::test
