// Nothing of the log is lost, and no full sync is made, whatever goes away and comes back.

#include "support/agent_run.h"
#include "support/cutting_proxy.h"
#include "support/marks.h"
#include "support/redis_server.h"
#include "support/sentinel.h"
#include "support/test_repository.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace keyrewind::test {
namespace {

using testing::AnyOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

const std::string kServer = "valkey-server-8.1";

std::int64_t syncs(RedisServer& server) {
  return std::stoll(server.info("sync_full"));
}

/// Sentinel ends ordinary connections when it promotes a server, that of the test too.
bool is_primary(RedisServer& server) {
  try {
    return server.info("role") == "master";
  } catch (const std::runtime_error&) {
    server.wait_until_ready();
    return false;
  }
}

/// Some writes of several kinds, transactions among them.
void write(RedisServer& server, int round) {
  for (int i = 0; i < 50; ++i) {
    server.cli({"SET", "key:" + std::to_string(i), std::string(100, 'v') + std::to_string(round)});
    server.cli({"EVAL",
                "redis.call('SELECT', ARGV[1]) redis.call('LPUSH', 'list', ARGV[2]) "
                "redis.call('INCR', 'n') return 1",
                "0", std::to_string(i % 3), std::to_string(round)});
  }
}

class Continuity : public testing::Test {
 protected:
  void SetUp() override {
    require_server(kServer);
    require_repository();
  }

  static void wait_until_attached(AgentRun& agent) {
    wait_until("a window", [&] { return agent.durable() >= 0; });
  }

  static void expect_restorable(const AgentRun& agent, const std::vector<Mark>& marks) {
    for (const Mark& mark : marks) {
      RedisServer restored = agent.restored("offset:" + std::to_string(mark.offset), kServer);
      EXPECT_THAT(differences(mark, restored), IsEmpty()) << "at offset " << mark.offset;
    }
  }

  static std::size_t windows(const AgentRun& agent) { return agent.timeline()["windows"].size(); }
};

TEST_F(Continuity, SurvivesKillsOfTheAgentAtAnyMoment) {
  RedisServer source(quick_server(kServer));
  AgentRun agent(source.url());
  agent.start();
  wait_until_attached(agent);
  const auto syncs_before = syncs(source);
  std::mt19937 random(7);
  std::vector<Mark> marks;
  for (int round = 0; round < 8; ++round) {
    write(source, round);
    marks.push_back(take_mark(source));
    if (agent.running()) {
      (void)agent.process().try_wait(std::chrono::milliseconds(random() % 400));
      agent.kill();
    }
    write(source, round + 100);
    agent.start();
  }
  agent.wait_for(marks.back().offset);
  EXPECT_EQ(syncs(source), syncs_before);
  EXPECT_EQ(windows(agent), 1U) << agent.timeline().dump(2);
  expect_restorable(agent, marks);
  EXPECT_EQ(agent.stop(), ExitResult{});
}

TEST_F(Continuity, TakesUpWhatASpoolHoldsThatWasNeverShipped) {
  RedisServer source(quick_server(kServer));
  AgentRun agent(source.url(), {.segment_max_age = "1h"});
  agent.start();
  wait_until_attached(agent);
  write(source, 1);
  const Mark mark = take_mark(source);
  wait_until("the bytes in the spool", [&] { return acknowledged(source) >= mark.offset; });
  agent.kill();
  // The server is gone for good: nobody but the spool has these bytes.
  source.kill();
  agent.start();
  agent.wait_for(mark.offset);
  expect_restorable(agent, {mark});
}

TEST_F(Continuity, GoesOnAfterEveryCutOfTheConnection) {
  RedisServer source(quick_server(kServer));
  CuttingProxy proxy(source.port(),
                     [](std::uint64_t i) { return static_cast<std::int64_t>(1 + i * 17); });
  AgentRun agent(proxy.url(), {.read_from = "this_node"});
  agent.start();
  wait_until_attached(agent);
  const auto syncs_before = syncs(source);
  std::vector<Mark> marks;
  for (int round = 0; round < 6; ++round) {
    write(source, round);
    marks.push_back(take_mark(source));
    const auto cuts = proxy.cuts();
    wait_until("another cut", [&] { return proxy.cuts() > cuts; });
  }
  agent.wait_for(marks.back().offset);
  EXPECT_EQ(syncs(source), syncs_before);
  EXPECT_EQ(windows(agent), 1U);
  expect_restorable(agent, marks);
}

TEST_F(Continuity, HopsToASiblingWhenTheNodeDies) {
  RedisServer primary(quick_server(kServer));
  RedisServer first(replica_of(primary, kServer));
  RedisServer second(replica_of(primary, kServer));
  wait_for_link(first);
  wait_for_link(second);
  AgentRun agent(primary.url());
  agent.start();
  wait_until_attached(agent);
  const bool on_first = first.info("connected_slaves") != "0";
  RedisServer& read = on_first ? first : second;
  RedisServer& other = on_first ? second : first;
  EXPECT_EQ(primary.info("connected_slaves"), "2");
  const auto primary_syncs = syncs(primary);
  const auto other_syncs = syncs(other);

  write(primary, 1);
  const Mark before = take_mark(primary);
  read.kill();
  write(primary, 2);
  const Mark after = take_mark(primary);
  agent.wait_for(after.offset);
  EXPECT_EQ(syncs(primary), primary_syncs);
  EXPECT_EQ(syncs(other), other_syncs);
  EXPECT_EQ(windows(agent), 1U);
  expect_restorable(agent, {before, after});
}

TEST_F(Continuity, HopsAwayFromAReplicaThatStandsStill) {
  RedisServer primary(quick_server(kServer));
  RedisServer first(replica_of(primary, kServer));
  RedisServer second(replica_of(primary, kServer));
  wait_for_link(first);
  wait_for_link(second);
  AgentRun agent(primary.url());
  agent.start();
  wait_until_attached(agent);
  RedisServer& read = first.info("connected_slaves") != "0" ? first : second;
  ::kill(read.pid(), SIGSTOP);
  write(primary, 1);
  const Mark mark = take_mark(primary);
  agent.wait_for(mark.offset);
  ::kill(read.pid(), SIGCONT);
  EXPECT_EQ(windows(agent), 1U);
  expect_restorable(agent, {mark});
}

TEST_F(Continuity, FollowsAFailover) {
  RedisServer primary(quick_server(kServer));
  RedisServer replica(replica_of(primary, kServer));
  wait_for_link(replica);
  AgentRun agent(primary.url());
  agent.start();
  wait_until_attached(agent);
  write(primary, 1);
  const Mark before = take_mark(primary);
  wait_until("the replica in step",
             [&] { return std::stoll(replica.info("master_repl_offset")) >= before.offset; });
  const auto replica_syncs = syncs(replica);
  primary.kill();
  replica.cli({"REPLICAOF", "NO", "ONE"});
  write(replica, 2);
  const Mark after = take_mark(replica);
  agent.wait_for(after.offset);
  EXPECT_EQ(syncs(replica), replica_syncs);
  const auto timeline = agent.timeline();
  EXPECT_EQ(timeline["windows"].size(), 1U) << timeline.dump(2);
  EXPECT_THAT(timeline["events"].dump(), HasSubstr("failover"));
  expect_restorable(agent, {before, after});
}

TEST_F(Continuity, FollowsOneFailoverAfterTheOther) {
  RedisServer primary(quick_server(kServer));
  std::vector<std::unique_ptr<RedisServer>> replicas;
  for (int i = 0; i < 3; ++i) {
    replicas.push_back(std::make_unique<RedisServer>(replica_of(primary, kServer)));
    wait_for_link(*replicas.back());
  }
  AgentRun agent(primary.url());
  agent.start();
  wait_until_attached(agent);
  std::vector<Mark> marks;
  RedisServer* leader = &primary;
  for (int round = 0; round < 3; ++round) {
    write(*leader, round);
    marks.push_back(take_mark(*leader));
    // A server remembers one id back only: who misses a whole failover needs a full sync.
    agent.wait_for(marks.back().offset);
    RedisServer& next = *replicas.at(static_cast<std::size_t>(round));
    for (std::size_t i = static_cast<std::size_t>(round); i < replicas.size(); ++i) {
      wait_until("the replica in step",
                 [&] { return offset_of(*replicas[i]) >= marks.back().offset; });
    }
    leader->kill();
    next.cli({"REPLICAOF", "NO", "ONE"});
    for (std::size_t i = static_cast<std::size_t>(round) + 1; i < replicas.size(); ++i) {
      replicas[i]->cli({"REPLICAOF", "127.0.0.1", std::to_string(next.port())});
    }
    leader = &next;
  }
  write(*leader, 9);
  marks.push_back(take_mark(*leader));
  agent.wait_for(marks.back().offset);
  EXPECT_EQ(windows(agent), 1U) << agent.timeline().dump(2);
  EXPECT_EQ(agent.user().backups(), 1U);
  expect_restorable(agent, marks);
}

TEST_F(Continuity, BeginsAnewWhereTheStreamIsMalformedForGood) {
  RedisServer source(quick_server(kServer));
  CuttingProxy proxy(source.port(), [](std::uint64_t) { return 0; });
  AgentRun agent(proxy.url(), {.read_from = "this_node"});
  agent.start();
  wait_until_attached(agent);
  write(source, 1);
  const Mark before = take_mark(source);
  agent.wait_for(before.offset);
  proxy.corrupt(true);
  source.cli({"CLIENT", "KILL", "TYPE", "REPLICA"});
  wait_until("the verdict", [&] {
    return agent.log().find("malformed at the same place again") != std::string::npos;
  });
  proxy.corrupt(false);
  wait_until("a second window", [&] { return windows(agent) == 2; });
  write(source, 2);
  const Mark after = take_mark(source);
  agent.wait_for(after.offset);
  EXPECT_EQ(agent.timeline()["gaps"].size(), 1U);
  expect_restorable(agent, {before, after});
}

TEST_F(Continuity, FollowsAFailoverThatSentinelMade) {
  RedisServer primary(quick_server(kServer));
  RedisServer replica(replica_of(primary, kServer));
  wait_for_link(replica);
  Sentinel sentinel(kServer, "orders", primary.port());
  AgentRun agent(primary.url(),
                 {.read_from = "primary\n  sentinel: {master: orders, addresses: [\"" +
                               sentinel.url() + "\"]}"});
  agent.start();
  wait_until_attached(agent);
  wait_until("Sentinel knows the replica", [&] { return sentinel.replicas().size() == 1; });
  write(primary, 1);
  const Mark before = take_mark(primary);
  wait_until("the replica in step",
             [&] { return std::stoll(replica.info("master_repl_offset")) >= before.offset; });
  // Attached to the primary, and still not listed.
  EXPECT_EQ(sentinel.replicas().size(), 1U);
  primary.kill();
  wait_until(
      "a new primary", [&] { return is_primary(replica); }, std::chrono::seconds(60));
  write(replica, 2);
  const Mark after = take_mark(replica);
  agent.wait_for(after.offset);
  EXPECT_EQ(windows(agent), 1U);
  expect_restorable(agent, {before, after});
}

TEST_F(Continuity, GoesOnWhenTheServerComesBackWithItsHistory) {
  const TempDir data;
  auto options = quick_server(kServer, {"--save", "3600 1"});
  options.dir = data.path();
  std::optional<RedisServer> source(options);
  options.args.insert(options.args.end(), {"--port", std::to_string(source->port())});
  AgentRun agent(source->url());
  agent.start();
  wait_until_attached(agent);
  write(*source, 1);
  const Mark before = take_mark(*source);
  source->stop();
  source.emplace(options);
  EXPECT_EQ(syncs(*source), 0);
  write(*source, 2);
  const Mark after = take_mark(*source);
  agent.wait_for(after.offset);
  EXPECT_EQ(syncs(*source), 0);
  EXPECT_EQ(windows(agent), 1U);
  expect_restorable(agent, {before, after});
}

TEST_F(Continuity, BeginsANewLineageForAnotherServerAtTheSameAddressAndSaysSo) {
  auto options = quick_server(kServer);
  std::optional<RedisServer> source(options);
  const std::string url = source->url();
  options.args.insert(options.args.end(), {"--port", std::to_string(source->port())});
  AgentRun agent(url);
  agent.start();
  wait_until_attached(agent);
  write(*source, 1);
  const Mark before = take_mark(*source);
  agent.wait_for(before.offset);
  source.reset();
  source.emplace(options);
  source->cli({"SET", "quite", "another"});
  wait_until("a second window", [&] { return windows(agent) == 2; });
  source->cli({"SET", "and", "more"});
  const Mark after = take_mark(*source);
  // The old history went further: the offsets of the two have nothing to do with each other.
  ASSERT_LT(after.offset, before.offset);
  wait_until("the new window goes on", [&] {
    return agent.timeline()["windows"][1]["until_offset"].get<std::int64_t>() >= after.offset;
  });

  const auto timeline = agent.timeline();
  ASSERT_EQ(timeline["gaps"].size(), 1U) << timeline.dump(2);
  EXPECT_THAT(timeline["events"].dump(), HasSubstr("\"gap\""));
  EXPECT_NE(timeline["windows"][0]["lineage"], timeline["windows"][1]["lineage"]);
  RedisServer new_one = agent.restored("latest", kServer);
  EXPECT_THAT(differences(after, new_one), IsEmpty());
  RedisServer old_one = agent.restored("offset:" + std::to_string(before.offset), kServer);
  EXPECT_THAT(differences(before, old_one), IsEmpty());
}

TEST_F(Continuity, RefusesASecondAgentOnTheSameShard) {
  RedisServer source(quick_server(kServer));
  AgentRun agent(source.url());
  agent.start();
  wait_until_attached(agent);
  const Process second = agent.user().start({"agent"});
  Process refused = agent.user().start({"agent"});
  EXPECT_EQ(refused.wait().code, 9);
  EXPECT_THAT(refused.err(), HasSubstr("in use by another agent"));
}

}  // namespace
}  // namespace keyrewind::test
