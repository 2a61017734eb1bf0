#pragma once

#include "replica/address.h"
#include "replica/connection.h"
#include "replica/position.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace keyrewind::replica {

/// What `INFO replication` says of a node's place in its shard.
struct ReplicationInfo {
  enum class Role { primary, replica };

  Role role = Role::primary;
  Position position;               ///< Its history, and how far it has come.
  std::string second_replid;       ///< The history before the last promotion; empty if none.
  std::int64_t second_offset = 0;  ///< Up to which that one holds: positions up to here minus 1.
  bool backlog_active = false;
  std::int64_t backlog_begin = 0;  ///< The first byte that the backlog still has.
  std::int64_t backlog_bytes = 0;
  bool link_up = true;                    ///< Of a replica to its primary.
  bool syncing = false;                   ///< A replica that is loading its primary's snapshot.
  std::optional<Address> primary;         ///< Of a replica: its primary, as it knows it.
  std::vector<Address> replicas;          ///< Online ones with a real port, those of this node.
  std::optional<std::uint64_t> priority;  ///< Of a replica, for failover.
};

/// Reads the reply of `INFO replication`. Addresses take their transport from `like` (TLS or not).
/// Throws Error(Side::source, protocol) if it is none.
ReplicationInfo parse_replication_info(std::string_view text, const Address& like);

/// Asks. Throws what Connection::call_or_throw throws: denied without the right +info.
ReplicationInfo ask_replication_info(Connection& connection);

/// Whether the node would continue from `position` without a full sync, as far as it says. A
/// replica whose link is down, or that is behind `position`, would not.
bool can_continue(const ReplicationInfo& node, const Position& position) noexcept;

}  // namespace keyrewind::replica
