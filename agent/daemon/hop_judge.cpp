#include "daemon/hop_judge.h"

#include <algorithm>
#include <utility>

namespace keyrewind::daemon {
namespace {

using replica::Node;
using replica::ReadFrom;
using Role = replica::ReplicationInfo::Role;

/// How often in a row a fault has to be seen.
constexpr int kTimes = 2;

bool is_healthy(const Node& node) {
  return node.info.role == Role::primary || (node.info.link_up && !node.info.syncing);
}

}  // namespace

std::string_view to_string(NodeFault fault) noexcept {
  switch (fault) {
    case NodeFault::none:
      return "nothing";
    case NodeFault::silent:
      return "it does not answer";
    case NodeFault::primary_lost:
      return "it has lost its primary";
    case NodeFault::behind:
      return "it has fallen behind";
    case NodeFault::replica_exists:
      return "a replica can take its place";
    case NodeFault::wrong_role:
      return "read_from does not allow its new role";
  }
  return "nothing";
}

HopJudge::HopJudge(replica::Address current, ReadFrom policy)
    : current_(std::move(current)), policy_(policy) {}

NodeFault HopJudge::fault_of(const replica::Shard& shard) const {
  const auto node = std::ranges::find(shard.nodes, current_, &Node::address);
  if (node == shard.nodes.end()) {
    return NodeFault::silent;
  }
  if (!is_healthy(*node)) {
    return NodeFault::primary_lost;
  }
  if (node->info.position.offset < freshest_before_) {
    return NodeFault::behind;
  }
  const bool is_primary = node->info.role == Role::primary;
  if (is_primary && policy_ == ReadFrom::replica_preferred) {
    return NodeFault::replica_exists;
  }
  if ((is_primary && policy_ == ReadFrom::replica) ||
      (!is_primary && policy_ == ReadFrom::primary)) {
    return NodeFault::wrong_role;
  }
  return NodeFault::none;
}

bool HopJudge::can_replace(const Node& node, NodeFault fault) const {
  return node.address != current_ && is_healthy(node) &&
         (fault != NodeFault::replica_exists || node.info.role == Role::replica);
}

NodeFault HopJudge::consider(const replica::Shard& shard, const replica::Position& received) {
  if (policy_ == ReadFrom::this_node) {
    return NodeFault::none;
  }
  const NodeFault fault = fault_of(shard);
  times_seen_ = fault == last_fault_ ? times_seen_ + 1 : 1;
  last_fault_ = fault;
  for (const Node& node : shard.nodes) {
    freshest_before_ = std::max(freshest_before_, node.info.position.offset);
  }
  if (fault == NodeFault::none || times_seen_ < kTimes) {
    return NodeFault::none;
  }
  const auto others = replica::choose_nodes(shard, policy_, received);
  const bool can_hop =
      std::ranges::any_of(others, [&](const Node& node) { return can_replace(node, fault); });
  return can_hop ? fault : NodeFault::none;
}

}  // namespace keyrewind::daemon
