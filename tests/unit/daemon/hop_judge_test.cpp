#include "daemon/hop_judge.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <utility>
#include <vector>

namespace keyrewind::daemon {
namespace {

using replica::Node;
using replica::ReadFrom;
using replica::Shard;
using Role = replica::ReplicationInfo::Role;

const std::string kReplid = "0c9b2f1de34a5b6c7d8e9f0a1b2c3d4e5f607182";
const std::string kOtherReplid = "89abcdef0123456789abcdef0123456789abcdef";

replica::Address address(std::uint16_t port) {
  replica::Address made;
  made.host = "10.0.0.1";
  made.port = port;
  return made;
}

Node node(std::uint16_t port, Role role, std::int64_t offset) {
  Node made{address(port), {}};
  made.info.role = role;
  made.info.position = {kReplid, offset};
  made.info.backlog_active = true;
  made.info.backlog_begin = 1;
  made.info.backlog_bytes = 1 << 20;
  return made;
}
Node primary(std::uint16_t port, std::int64_t offset) {
  return node(port, Role::primary, offset);
}
Node replica_at(std::uint16_t port, std::int64_t offset) {
  return node(port, Role::replica, offset);
}
Node with(Node node, void (*change)(replica::ReplicationInfo&)) {
  change(node.info);
  return node;
}

/// Looks `times` times at the same shard, and tells the last answer.
NodeFault look(HopJudge& judge, const std::vector<Node>& nodes, int times = 2,
               std::int64_t received = 100) {
  NodeFault fault = NodeFault::none;
  for (int i = 0; i < times; ++i) {
    fault = judge.consider({.nodes = nodes, .problems = {}}, {kReplid, received});
  }
  return fault;
}

HopJudge judge_of(std::uint16_t port, ReadFrom policy = ReadFrom::replica_preferred) {
  return {address(port), policy};
}

TEST(HopJudge, StaysAtAGoodNode) {
  HopJudge judge = judge_of(2);
  EXPECT_EQ(look(judge, {primary(1, 100), replica_at(2, 100), replica_at(3, 100)}, 10),
            NodeFault::none);
}

TEST(HopJudge, LeavesANodeThatDoesNotAnswer) {
  HopJudge judge = judge_of(2);
  const std::vector<Node> others{primary(1, 100), replica_at(3, 100)};
  EXPECT_EQ(look(judge, others, 1), NodeFault::none) << "once is no proof";
  EXPECT_EQ(look(judge, others, 1), NodeFault::silent);
}

TEST(HopJudge, LeavesAReplicaThatLostItsPrimary) {
  for (const auto change : {+[](replica::ReplicationInfo& info) { info.link_up = false; },
                            +[](replica::ReplicationInfo& info) { info.syncing = true; }}) {
    HopJudge judge = judge_of(2);
    EXPECT_EQ(look(judge, {with(replica_at(2, 100), change), replica_at(3, 100)}),
              NodeFault::primary_lost);
  }
}

TEST(HopJudge, LeavesTheOnlyReplicaForThePrimary) {
  HopJudge judge = judge_of(2);
  EXPECT_EQ(look(judge, {primary(1, 100)}), NodeFault::silent);
}

TEST(HopJudge, LeavesAReplicaThatHasFallenBehind) {
  HopJudge judge = judge_of(2);
  EXPECT_EQ(look(judge, {replica_at(2, 100), replica_at(3, 500)}, 1), NodeFault::none);
  EXPECT_EQ(look(judge, {replica_at(2, 100), replica_at(3, 900)}, 1), NodeFault::none);
  EXPECT_EQ(look(judge, {replica_at(2, 200), replica_at(3, 1300)}, 1), NodeFault::behind);
}

TEST(HopJudge, ALagWithinTheIntervalIsNone) {
  HopJudge judge = judge_of(2);
  for (std::int64_t offset = 100; offset < 2000; offset += 100) {
    EXPECT_EQ(look(judge, {replica_at(2, offset), replica_at(3, offset + 99)}, 1), NodeFault::none);
  }
}

// A primary that was replaced had come further than the replica that took its place.
TEST(HopJudge, WhatIsGoneDoesNotCountForEver) {
  HopJudge judge = judge_of(2);
  look(judge, {primary(1, 1000), replica_at(2, 900), replica_at(3, 900)}, 1);
  look(judge, {replica_at(2, 910), replica_at(3, 910)}, 3);
  EXPECT_EQ(look(judge, {replica_at(2, 920), replica_at(3, 1500)}, 1), NodeFault::none);
}

TEST(HopJudge, OffsetsOfAnotherHistorySayNothing) {
  HopJudge judge = judge_of(2);
  Node other = primary(1, 5000);
  other.info.position.replid = kOtherReplid;
  EXPECT_EQ(look(judge, {other, replica_at(2, 100), replica_at(3, 100)}, 5), NodeFault::none);
  EXPECT_EQ(look(judge, {other, replica_at(2, 110), replica_at(3, 6000)}, 1), NodeFault::none);
}

TEST(HopJudge, AnUnknownPositionIsNotBehind) {
  HopJudge judge = judge_of(2);
  Node unknown = replica_at(2, 0);
  unknown.info.position.replid.clear();
  EXPECT_EQ(look(judge, {unknown, replica_at(3, 5000)}, 5), NodeFault::none);
}

TEST(HopJudge, NeverHopsToANodeThatIsBehindAsWell) {
  HopJudge judge = judge_of(2, ReadFrom::replica);
  const auto shard = [](std::int64_t offset) {
    return std::vector<Node>{primary(1, offset), replica_at(2, 100), replica_at(3, 110)};
  };
  for (std::int64_t offset = 1000; offset < 5000; offset += 1000) {
    EXPECT_EQ(look(judge, shard(offset), 1), NodeFault::none);
  }
}

TEST(HopJudge, AnotherFaultBeginsAnew) {
  HopJudge judge = judge_of(2);
  const Node lost =
      with(replica_at(2, 100), [](replica::ReplicationInfo& info) { info.link_up = false; });
  EXPECT_EQ(look(judge, {replica_at(3, 100)}, 1), NodeFault::none);
  EXPECT_EQ(look(judge, {lost, replica_at(3, 100)}, 1), NodeFault::none);
  EXPECT_EQ(look(judge, {replica_at(2, 100), replica_at(3, 100)}, 1), NodeFault::none);
  EXPECT_EQ(look(judge, {lost, replica_at(3, 100)}, 1), NodeFault::none);
  EXPECT_EQ(look(judge, {lost, replica_at(3, 100)}, 1), NodeFault::primary_lost);
}

TEST(HopJudge, StaysIfNobodyElseCanGoOn) {
  HopJudge judge = judge_of(2);
  EXPECT_EQ(look(judge, {}, 5), NodeFault::none);
  EXPECT_EQ(look(judge, {replica_at(3, 50)}, 5), NodeFault::none) << "it has not come so far";
  Node other = primary(1, 500);
  other.info.position.replid = kOtherReplid;
  EXPECT_EQ(look(judge, {other}, 5), NodeFault::none);
  Node too_late = primary(1, 500);
  too_late.info.backlog_begin = 400;
  EXPECT_EQ(look(judge, {too_late}, 5), NodeFault::none);
}

TEST(HopJudge, SparesThePrimaryOnceThereIsAReplica) {
  HopJudge judge = judge_of(1);
  EXPECT_EQ(look(judge, {primary(1, 100)}, 5), NodeFault::none);
  const Node syncing =
      with(replica_at(2, 100), [](replica::ReplicationInfo& info) { info.syncing = true; });
  EXPECT_EQ(look(judge, {primary(1, 100), syncing}, 5), NodeFault::none);
  EXPECT_EQ(look(judge, {primary(1, 100), replica_at(2, 100)}), NodeFault::replica_exists);
}

// It would be left at once for having fallen behind.
TEST(HopJudge, DoesNotSpareThePrimaryForAReplicaThatIsBehind) {
  HopJudge judge = judge_of(1);
  for (std::int64_t offset = 1000; offset < 5000; offset += 1000) {
    EXPECT_EQ(look(judge, {primary(1, offset), replica_at(2, 100)}, 1), NodeFault::none);
  }
}

TEST(HopJudge, LeavesANodeWhoseRoleIsNotAllowedAnyMore) {
  HopJudge promoted = judge_of(2, ReadFrom::replica);
  EXPECT_EQ(look(promoted, {primary(2, 100), replica_at(3, 100)}), NodeFault::wrong_role);
  HopJudge demoted = judge_of(1, ReadFrom::primary);
  EXPECT_EQ(look(demoted, {replica_at(1, 100), primary(2, 100)}), NodeFault::wrong_role);
}

TEST(HopJudge, HopsToAllowedNodesOnly) {
  HopJudge replicas_only = judge_of(2, ReadFrom::replica);
  EXPECT_EQ(look(replicas_only, {primary(1, 100)}, 5), NodeFault::none);
  HopJudge primary_only = judge_of(1, ReadFrom::primary);
  EXPECT_EQ(look(primary_only, {replica_at(2, 100)}, 5), NodeFault::none);
}

TEST(HopJudge, ASidecarStaysWithItsNode) {
  HopJudge judge = judge_of(2, ReadFrom::this_node);
  EXPECT_EQ(look(judge, {primary(1, 100)}, 5), NodeFault::none);
}

TEST(HopJudge, EveryFaultHasAReasonForPeople) {
  std::set<std::string_view> reasons;
  for (const NodeFault fault :
       {NodeFault::none, NodeFault::silent, NodeFault::primary_lost, NodeFault::behind,
        NodeFault::replica_exists, NodeFault::wrong_role}) {
    EXPECT_TRUE(reasons.insert(to_string(fault)).second);
  }
}

}  // namespace
}  // namespace keyrewind::daemon
