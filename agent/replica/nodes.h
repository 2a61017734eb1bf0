#pragma once

#include "replica/connection.h"
#include "replica/position.h"
#include "replica/replication_info.h"

#include <cstdint>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace keyrewind::replica {

/// From which nodes of a shard to read (source.read_from).
enum class ReadFrom {
  replica_preferred,  ///< A replica; the primary only if there is no healthy one.
  replica,            ///< Replicas only.
  primary,            ///< The primary only, wherever it is.
  this_node,          ///< The one at the address, whatever it is: a sidecar's.
};
std::string_view to_string(ReadFrom policy) noexcept;

/// A Sentinel's own addresses and the name that it knows the shard by; no addresses: no Sentinel.
struct SentinelOptions {
  std::string master;
  std::vector<Address> addresses;
};

struct ShardOptions {
  SourceOptions source;  ///< Its address is where to begin looking, and whom to log in as.
  ReadFrom read_from = ReadFrom::replica_preferred;
  SentinelOptions sentinel;
};

/// One node of the shard that answered, and what it said.
struct Node {
  Address address;
  ReplicationInfo info;
};

/// What was found of a shard.
struct Shard {
  std::vector<Node> nodes;            ///< Each once, those at several addresses too.
  std::vector<std::string> problems;  ///< One line for each address that did not answer well.
};

/// Finds the nodes of the shard: the address itself (alone for `this_node`) and whatever those that
/// answer name as their primary and replicas, by CLUSTER NODES in a cluster where the user may,
/// else by INFO replication. With Sentinel, those that the first Sentinel to answer names take the
/// place of the address, unless none of them can be reached. A Sentinel is not logged in to.
///
/// Throws Error(Side::source, …) if none answers, with the first problem's kind. A node that
/// refuses INFO (the right is +info) is there with an unknown position (an empty replid), and a
/// problem says so; it cannot name others.
Shard find_nodes(const ShardOptions& options, std::stop_token stop);

/// The nodes to read from, best first: those that the policy allows, healthy replicas before
/// others, fresher before staler (an equal offset: the order found). A replica is healthy if its
/// link is up and it is not syncing. With `position`, only those that can continue there; a node
/// whose position is unknown may.
std::vector<Node> choose_nodes(const Shard& shard, ReadFrom policy,
                               const std::optional<Position>& position);

/// The same options for another node of the shard.
SourceOptions options_for(const SourceOptions& source, const Address& address);

}  // namespace keyrewind::replica
