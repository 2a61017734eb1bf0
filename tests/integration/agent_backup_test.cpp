// `keyrewind backup` beside a running agent: the agent takes it.

#include "support/agent_run.h"
#include "support/process.h"
#include "support/redis_server.h"
#include "support/test_repository.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <string>

namespace keyrewind::test {
namespace {

const std::string kServer = "valkey-server-8.1";

class AgentBackup : public testing::Test {
 protected:
  void SetUp() override {
    require_server(kServer);
    require_repository();
  }

  /// How many tasks the agent of `run` has had for backups that somebody asked for.
  static std::size_t tasks(const AgentRun& agent) {
    const RunResult result =
        run({"curl", "-sS", "--unix-socket", agent.socket().string(), "http://agent/api/v1/tasks"});
    const auto answer = nlohmann::json::parse(result.out);
    std::size_t number = 0;
    for (const auto& task : answer["tasks"]) {
      number += task["kind"] == "backup" && task["schedule"].is_null() ? 1U : 0U;
    }
    return number;
  }
};

TEST_F(AgentBackup, IsTakenByTheAgentAndPrintedAsIfItWereTakenHere) {
  RedisServer source(quick_server(kServer));
  source.cli({"SET", "key", "value"});
  AgentRun agent(source.url());
  agent.start();
  wait_until("a base", [&] { return agent.durable() >= 0; });
  wait_until("its socket", [&] { return std::filesystem::exists(agent.socket()); });

  RunResult taken;
  wait_until("a backup", [&] {
    taken = agent.user().run({"backup", "--label", "why=test", "-o", "json"});
    return taken.status == 0 || taken.status == 3;
  });
  const auto by_agent = nlohmann::json::parse(taken.out);
  EXPECT_EQ(by_agent["labels"]["why"], "test");
  EXPECT_GE(tasks(agent), 1U);

  const std::size_t before = tasks(agent);
  RunResult inline_run;
  wait_until("a backup taken here", [&] {
    inline_run = agent.user().run({"backup", "--no-agent", "-o", "json"});
    return inline_run.status == 0 || inline_run.status == 3;
  });
  EXPECT_EQ(tasks(agent), before);
  const auto taken_here = nlohmann::json::parse(inline_run.out);
  for (const auto& [name, value] : taken_here.items()) {
    EXPECT_TRUE(by_agent.contains(name)) << name;
  }
}

TEST_F(AgentBackup, IsTakenHereWhenTheAgentIsGone) {
  RedisServer source(quick_server(kServer));
  AgentRun agent(source.url());
  agent.start();
  wait_until("a base", [&] { return agent.durable() >= 0; });
  agent.kill();

  const RunResult result = agent.user().run({"backup"});

  EXPECT_TRUE(result.status == 0 || result.status == 3) << result.err;
}

}  // namespace
}  // namespace keyrewind::test
