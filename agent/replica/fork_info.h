#pragma once

#include "replica/connection.h"

#include <cstdint>
#include <string_view>

namespace keyrewind::replica {

/// What a node says of itself that a fork depends on: INFO memory, persistence and replication.
/// Sizes are in bytes; a field that the server does not have is 0.
struct ForkInfo {
  std::uint64_t used_memory = 0;          ///< `used_memory_rss` if that is more.
  std::uint64_t max_memory = 0;           ///< 0: no limit.
  bool evicts = false;                    ///< At max_memory keys go, so to be there is normal.
  std::uint64_t total_system_memory = 0;  ///< Of the machine, whatever a container may have.
  std::uint64_t last_copied = 0;     ///< By copy-on-write, in the last snapshot or AOF rewrite.
  std::uint64_t current_copied = 0;  ///< The same of the child that runs now.
  bool snapshot_running = false;
  bool aof_rewrite_running = false;
  bool module_fork_running = false;
  bool loading = false;
  std::uint64_t replicas = 0;  ///< That are connected, we among them.
  bool backlog_active = false;
  std::uint64_t backlog_size = 0;  ///< Of the backlog, or that it would have.

  bool has_child() const noexcept {
    return snapshot_running || aof_rewrite_running || module_fork_running;
  }
};

/// Reads the replies of INFO, one behind the other. Throws Error(Side::source, protocol) if they
/// say nothing of memory.
ForkInfo parse_fork_info(std::string_view text);

/// Asks. Throws what Connection::call_or_throw throws: denied without the right +info.
ForkInfo ask_fork_info(Connection& connection);

}  // namespace keyrewind::replica
