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
  if (is_behind(*node)) {
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

/// Offsets of other histories, such as that of a primary that was replaced, say nothing; an unknown
/// position is in none.
bool HopJudge::is_behind(const Node& node) const {
  const replica::Position& now = node.info.position;
  return std::ranges::any_of(before_, [&](const replica::Position& before) {
    return before.replid == now.replid && before.offset > now.offset;
  });
}

bool HopJudge::can_replace(const Node& node, NodeFault fault) const {
  if (node.address == current_ || !is_healthy(node)) {
    return false;
  }
  // The next look would find the same fault, or go back.
  if (fault == NodeFault::behind) {
    return !is_behind(node);
  }
  return fault != NodeFault::replica_exists ||
         (node.info.role == Role::replica && !is_behind(node));
}

NodeFault HopJudge::consider(const replica::Shard& shard, const replica::Position& received) {
  if (policy_ == ReadFrom::this_node) {
    return NodeFault::none;
  }
  const NodeFault fault = fault_of(shard);
  times_seen_ = fault == last_fault_ ? times_seen_ + 1 : 1;
  last_fault_ = fault;
  const bool holds = fault != NodeFault::none && times_seen_ >= kTimes;
  const bool can_hop =
      holds && std::ranges::any_of(replica::choose_nodes(shard, policy_, received),
                                   [&](const Node& node) { return can_replace(node, fault); });
  before_.clear();
  for (const Node& node : shard.nodes) {
    before_.push_back(node.info.position);
  }
  return can_hop ? fault : NodeFault::none;
}

}  // namespace keyrewind::daemon
