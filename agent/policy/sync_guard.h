#pragma once

#include "base/clock.h"
#include "replica/fork_info.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace keyrewind::policy {

/// How a snapshot is made (snapshots.method).
enum class Method {
  automatic,   ///< The one that costs the server least, of those that are possible.
  full_sync,   ///< The server forks and sends an RDB, as it does for a replica.
  compaction,  ///< From an older snapshot and the log, away from the server. Not in this version.
  scan,        ///< Key by key, for servers that refuse replicas. Not in this version.
};

/// Why a full sync begins, where it does, or why not. Labels of metrics and words in the records of
/// backups: never rename.
enum class SyncReason {
  best_node,       ///< Begins on the node that is read from first.
  other_node,      ///< Begins on another one: those before it can't, or should not, fork now.
  memory_unknown,  ///< Begins on a node that does not say how its memory is (no right +info).
  forced,          ///< Begins before its time, because a person insists.
  too_soon,        ///< Waits: the last one is younger than the floor allows.
  fork_running,    ///< Waits: every node that could has a child at work.
  low_memory,      ///< Refused: no node has the memory.
  no_node,         ///< Waits: no node of the kind that is to be read answers, or it is loading.
  no_method,       ///< Refused: this version has no such method.
};
std::string_view to_string(SyncReason reason) noexcept;

/// A node that may be read from, and what it said.
struct GuardedNode {
  std::string name{};                        ///< Its address, for messages.
  std::optional<replica::ForkInfo> facts{};  ///< Nothing if it would not say.
};

/// Everything that decides. To fill it in:
///   nodes          replica::choose_nodes, and replica::ask_fork_info of each
///   last_sync      the newest begin of a snapshot of the shard in the catalog, of any agent
struct SyncQuestion {
  Timestamp now{};
  Method method = Method::automatic;   ///< snapshots.method
  std::uint64_t min_free_percent = 0;  ///< snapshots.min_free_memory, 0 to 100; 0: never mind.
  std::uint64_t memory_limit = 0;      ///< source.memory_limit; 0: what the machine has.
  std::chrono::milliseconds min_interval{};  ///< quotas.full_sync_min_interval
  bool force = false;                        ///< --force: passes the floor, and nothing else.
  std::optional<Timestamp> last_sync{};
  std::vector<GuardedNode> nodes{};  ///< Best first.
};

struct SyncDecision {
  enum class Act { fork, wait, refuse };

  Act act = Act::refuse;
  SyncReason reason = SyncReason::no_node;
  std::string sentence;              ///< For the log, `status` and the backup's record: one line.
  std::size_t node = 0;              ///< Of `fork`: which of the nodes.
  std::optional<Timestamp> until{};  ///< Of `wait`: when to ask again; nothing: whenever.
};

/// Until when the floor between two full syncs forbids another one; nothing if it does not. A last
/// one in the future is a clock that was set back since: no reason to wait.
std::optional<Timestamp> floor_ends(std::optional<Timestamp> last_sync,
                                    std::chrono::milliseconds min_interval, Timestamp now) noexcept;

/// Decides about one full sync. The same question has the same answer. That two never run at once
/// is not decided here: a run holds the source's lock in the repository.
SyncDecision decide_sync(const SyncQuestion& question);

/// How much memory a fork would leave to the node, in percent of what it has: the least of the
/// machine's memory, `memory_limit` and maxmemory of a server that does not evict, less what is
/// used and what the fork is expected to copy. That is what the last one did, or a tenth of what is
/// used if there was none, and a backlog that does not exist yet. Nothing if nobody knows what
/// memory the node has.
std::optional<std::uint64_t> percent_left(const replica::ForkInfo& facts,
                                          std::uint64_t memory_limit = 0) noexcept;

}  // namespace keyrewind::policy
