#pragma once

#include "replica/nodes.h"
#include "replica/position.h"

#include <string_view>
#include <vector>

namespace keyrewind::daemon {

/// Why a node is no longer the right one to read from.
enum class NodeFault {
  none,
  silent,          ///< It does not answer.
  primary_lost,    ///< A replica without its primary.
  behind,          ///< It has not reached what another node of its history had some seconds ago.
  replica_exists,  ///< It is the primary, and a replica could spare it.
  wrong_role,      ///< What `read_from` does not allow.
};
std::string_view to_string(NodeFault fault) noexcept;

/// Decides, from what is seen of the shard every few seconds, whether to read the log from another
/// node: the hop. A reason must hold for a while, and there must be a node that can go on.
class HopJudge {
 public:
  /// `current` is the node that is being read.
  HopJudge(replica::Address current, replica::ReadFrom policy);

  /// Looks at the shard as it is now; `received` is what has been read. Returns why to hop, or
  /// none.
  NodeFault consider(const replica::Shard& shard, const replica::Position& received);

 private:
  NodeFault fault_of(const replica::Shard& shard) const;
  bool is_behind(const replica::Node& node) const;
  bool can_replace(const replica::Node& node, NodeFault fault) const;

  const replica::Address current_;
  const replica::ReadFrom policy_;
  NodeFault last_fault_ = NodeFault::none;
  int times_seen_ = 0;                     ///< Of the last fault, in a row.
  std::vector<replica::Position> before_;  ///< Of all nodes, the last time.
};

}  // namespace keyrewind::daemon
