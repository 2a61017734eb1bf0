// The agent against real servers: what it stored is restored, and compared.

#include "support/agent_run.h"
#include "support/marks.h"
#include "support/redis_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <string>

namespace keyrewind::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

std::int64_t offset_of(RedisServer& server) {
  return std::stoll(server.info("master_repl_offset"));
}

class Agent : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { require_server(GetParam()); }
};

INSTANTIATE_TEST_SUITE_P(Servers, Agent, testing::ValuesIn(all_servers()),
                         [](const auto& server) { return to_test_name(server.param); });

TEST_P(Agent, BringsAnyMomentBack) {
  RedisServer source(quick_server(GetParam()));
  source.cli({"SET", "before the agent", "1"});
  AgentRun agent(source.url());
  agent.start();
  wait_until("a window", [&] { return agent.durable() >= 0; });

  std::vector<Mark> marks;
  for (int i = 0; i < 5; ++i) {
    source.cli({"SELECT", std::to_string(i)});
    source.cli({"SET", "key", std::to_string(i)});
    source.cli({"EVAL", "redis.call('LPUSH', 'list', ARGV[1]) return redis.call('INCR', 'n')", "0",
                std::to_string(i)});
    marks.push_back(take_mark(source));
  }
  agent.wait_for(marks.back().offset);
  EXPECT_EQ(agent.stop(), ExitResult{});

  for (const Mark& mark : marks) {
    RedisServer restored = agent.restored("offset:" + std::to_string(mark.offset), GetParam());
    EXPECT_THAT(differences(mark, restored), IsEmpty());
  }
}

TEST_P(Agent, UndoesAFlushall) {
  RedisServer source(quick_server(GetParam()));
  AgentRun agent(source.url());
  agent.start();
  wait_until("a window", [&] { return agent.durable() >= 0; });
  for (int i = 0; i < 100; ++i) {
    source.cli({"SET", "key:" + std::to_string(i), "value"});
  }
  const Mark before = take_mark(source);
  source.cli({"FLUSHALL"});
  source.cli({"SET", "after", "1"});
  agent.wait_for(offset_of(source));

  const auto timeline = agent.timeline();
  std::string id;
  for (const auto& event : timeline["events"]) {
    if (event["command"] == "FLUSHALL") {
      id = event["id"];
    }
  }
  ASSERT_NE(id, "") << timeline.dump(2);
  RedisServer restored = agent.restored("before:" + id, GetParam());
  EXPECT_THAT(differences(before, restored), IsEmpty());
}

TEST_P(Agent, LosesNothingWhenTheServerShutsDown) {
  RedisServer source(quick_server(GetParam()));
  AgentRun agent(source.url(), {.segment_max_age = "1h"});
  agent.start();
  wait_until("a log", [&] { return agent.log().find("log attached") != std::string::npos; });
  for (int i = 0; i < 1000; ++i) {
    source.cli({"INCR", "n"});
  }
  const Mark last = take_mark(source);
  source.stop();
  agent.wait_for(last.offset);
  RedisServer restored = agent.restored("latest", GetParam());
  EXPECT_THAT(differences(last, restored), IsEmpty());
}

/// WAITAOF exists since Redis 7.2, and in every Valkey.
bool has_waitaof(const std::string& server) {
  return server != "redis-server-7.0";
}

TEST_P(Agent, LetsWaitaofWaitForTheRepository) {
  if (!has_waitaof(GetParam())) {
    GTEST_SKIP() << "Redis 7.0 has no WAITAOF";
  }
  RedisServer source(quick_server(GetParam()));
  AgentRun agent(source.url(), {.segment_max_age = "1h"});
  agent.start();
  wait_until("a log", [&] { return agent.log().find("log attached") != std::string::npos; });
  for (int i = 0; i < 3; ++i) {
    source.cli({"INCR", "n"});
    const Mark mark = take_mark(source);
    EXPECT_EQ(source.cli({"WAITAOF", "0", "1", "20000"}), "0\n1");
    agent.kill();
    EXPECT_GE(agent.durable(), mark.offset);
    RedisServer restored = agent.restored("latest", GetParam());
    EXPECT_THAT(differences(mark, restored), IsEmpty());
    agent.start();
  }
}

}  // namespace
}  // namespace keyrewind::test
