// The agent against real servers: what it stored is restored, and compared.

#include "support/agent_run.h"
#include "support/marks.h"
#include "support/redis_server.h"
#include "support/test_repository.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

namespace keyrewind::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

class Agent : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    require_server(GetParam());
    require_repository();
  }
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
std::vector<std::string> servers_with_waitaof() {
  std::vector<std::string> servers = all_servers();
  std::erase(servers, "redis-server-7.0");
  return servers;
}

class AgentWithWaitaof : public Agent {};

INSTANTIATE_TEST_SUITE_P(Servers, AgentWithWaitaof, testing::ValuesIn(servers_with_waitaof()),
                         [](const auto& server) { return to_test_name(server.param); });

TEST_P(AgentWithWaitaof, WaitsForTheRepository) {
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

class AgentProcess : public testing::Test {
 protected:
  void SetUp() override {
    require_server(kServer);
    require_repository();
  }

  inline static const std::string kServer = "valkey-server-8.1";
};

TEST_F(AgentProcess, ReloadsItsConfigurationOnSighup) {
  RedisServer source(quick_server(kServer));
  AgentRun agent(source.url(), {.segment_max_age = "1h"});
  agent.start();
  wait_until("a window", [&] { return agent.durable() >= 0; });
  source.cli({"SET", "a", "1"});
  const Mark mark = take_mark(source);
  // A mistake is refused and said, and the agent goes on.
  write_text(agent.user().config_file(), "version: 1\nnonsense: true\n");
  agent.process().signal(SIGHUP);
  wait_until("the refusal",
             [&] { return agent.log().find("configuration not reloaded") != std::string::npos; });
  EXPECT_LT(agent.durable(), mark.offset);

  agent.configure(source.url(), {.segment_max_age = "100ms"});
  agent.process().signal(SIGHUP);
  agent.wait_for(mark.offset);
  EXPECT_THAT(agent.log(), HasSubstr("configuration reloaded"));
  EXPECT_EQ(agent.stop(), ExitResult{});
}

TEST_F(AgentProcess, EndsInOrderWithTheLastByteStored) {
  RedisServer source(quick_server(kServer));
  AgentRun agent(source.url(), {.segment_max_age = "1h"});
  agent.start();
  wait_until("a window", [&] { return agent.durable() >= 0; });
  source.cli({"SET", "a", "1"});
  const Mark mark = take_mark(source);
  wait_until("it has arrived", [&] { return acknowledged(source) >= mark.offset; });
  EXPECT_EQ(agent.stop(), ExitResult{});
  EXPECT_GE(agent.durable(), mark.offset);
  RedisServer restored = agent.restored("latest", kServer);
  EXPECT_THAT(differences(mark, restored), IsEmpty());
}

TEST_F(AgentProcess, KeepsTheFloorBetweenFullSyncsAndSaysSo) {
  auto options = quick_server(kServer);
  std::optional<RedisServer> source(options);
  const std::string url = source->url();
  options.args.insert(options.args.end(), {"--port", std::to_string(source->port())});
  AgentRun agent(url, {.full_sync_min_interval = "1h"});
  agent.start();
  wait_until("a window", [&] { return agent.durable() >= 0; });
  source.reset();
  source.emplace(options);
  wait_until("the deferral", [&] {
    return agent.log().find("quotas.full_sync_min_interval allows the next one at ") !=
           std::string::npos;
  });
  EXPECT_EQ(source->info("sync_full"), "0");
  const auto status = agent.user().json({"status"});
  EXPECT_EQ(status["guard"]["decision"], "wait");
  EXPECT_THAT(status["guard"]["until"].get<std::string>(), HasSubstr("T"));
  wait_until("the metric",
             [&] { return agent.metric("keyrewind_log_unprotected{source=\"orders\"}") == 1.0; });
  agent.configure(url, {.full_sync_min_interval = "0s"});
  agent.process().signal(SIGHUP);
  wait_until("a second window", [&] { return agent.timeline()["windows"].size() == 2; });
  EXPECT_THAT(agent.timeline()["events"].dump(), HasSubstr("full_sync_deferred"));
}

TEST_F(AgentProcess, SaysWhatIsWrongWithItsSpool) {
  RedisServer source(quick_server(kServer));
  const AgentRun agent(source.url());
  write_text(agent.spool(), "a file where the folder should be");
  const RunResult result = agent.user().run({"agent"});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, HasSubstr("make the spool folder " + agent.spool().string()));
}

class AgentRights : public testing::TestWithParam<std::string> {};

INSTANTIATE_TEST_SUITE_P(Acl, AgentRights,
                         testing::Values("+psync +replconf", "+psync +replconf +info"),
                         [](const auto& rights) {
                           return rights.param.ends_with("+info") ? "with_info" : "without_info";
                         });

TEST_P(AgentRights, AreEnoughToFollowThroughKillsWithoutAFullSync) {
  const std::string server = "valkey-server-8.1";
  require_server(server);
  require_repository();
  RedisServer source(quick_server(server));
  std::vector<std::string> command{"ACL", "SETUSER", "backup", "on", ">secret"};
  std::istringstream rights(GetParam());
  for (std::string right; rights >> right;) {
    command.push_back(right);
  }
  source.cli(command);
  AgentRun agent(source.url());
  write_text(agent.user().folder() / "password", "secret\n");
  agent.configure(source.url(), {.read_from = "replica_preferred\n  username: backup\n"
                                              "  password_file: " +
                                              (agent.user().folder() / "password").string()});
  agent.start();
  wait_until("a window", [&] { return agent.durable() >= 0; });
  for (int i = 0; i < 3; ++i) {
    source.cli({"INCR", "n"});
    agent.kill();
    source.cli({"INCR", "n"});
    agent.start();
    agent.wait_for(offset_of(source));
  }
  EXPECT_EQ(source.info("sync_full"), "1");
  const Mark mark = take_mark(source);
  EXPECT_EQ(agent.stop(), ExitResult{});
  RedisServer restored = agent.restored("latest", server);
  EXPECT_THAT(differences(mark, restored), IsEmpty());
}

TEST_F(AgentProcess, IsToldByDoctorWhatAPrimaryCosts) {
  RedisServer primary(quick_server(kServer, {"--min-replicas-to-write", "1"}));
  const AgentRun agent(primary.url());
  const RunResult alone = agent.user().run({"doctor"});
  EXPECT_EQ(alone.status, 0) << alone.err;
  EXPECT_THAT(alone.out, HasSubstr("is a primary"));
  EXPECT_THAT(alone.out, HasSubstr("FAILOVER without TO may pick it"));
  EXPECT_THAT(alone.out, HasSubstr("min-replicas-to-write is 1 and counts the agent too"));

  RedisServer replica(replica_of(primary, kServer));
  wait_for_link(replica);
  wait_until("the primary knows it",
             [&] { return primary.info("slave0").find("state=online") != std::string::npos; });
  const RunResult with_replica = agent.user().run({"doctor"});
  EXPECT_THAT(with_replica.out,
              HasSubstr("the log would be read from 127.0.0.1:" + std::to_string(replica.port())));
  EXPECT_THAT(with_replica.out, testing::Not(HasSubstr("FAILOVER")));

  primary.kill();
  replica.kill();
  const RunResult gone = agent.user().run({"doctor"});
  EXPECT_EQ(gone.status, 6);
  EXPECT_THAT(gone.out, HasSubstr("problem"));
}

}  // namespace
}  // namespace keyrewind::test
