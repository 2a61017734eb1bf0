#pragma once

#include "backup/snapshot_upload.h"
#include "backup/spool.h"
#include "daemon/fork_guard.h"
#include "flow/pulse.h"
#include "replica/nodes.h"

#include <chrono>
#include <cstdint>
#include <string>

namespace keyrewind::daemon {

/// A source that is no cluster has this one shard.
inline const std::string kOnlyShard = "0";

/// What an agent backs up, and how.
struct AgentOptions {
  std::string source;
  replica::ShardOptions shard;
  bool log_enabled = true;  ///< False: nothing but the backups that somebody or a schedule wants.
  backup::PipelineOptions pipeline;
  backup::SpoolOptions spool;
  std::chrono::milliseconds segment_max_age{10000};
  std::uint64_t segment_max_bytes = 64U << 20U;
  std::chrono::milliseconds full_sync_min_interval{600000};
  ForkRules fork{};

  /// By which several agents of one shard agree who writes; without it there must be just one.
  struct Lease {
    bool enabled = true;
    std::chrono::milliseconds ttl{30000};
  } lease{};
  bool allow_plaintext = false;  ///< Also for a source that was encrypted before.

  /// How long an orderly end may take to store what is in the spool.
  std::chrono::milliseconds shutdown_patience{20000};
  /// Beats as long as the thread that calls Agent::run goes on, and outlives the agent.
  flow::Pulse* pulse = nullptr;
  std::chrono::milliseconds watch_interval{5000};   ///< Between two looks at the shard.
  std::chrono::milliseconds merge_interval{60000};  ///< Between two passes over the log.
  /// How long nodes that do not answer are waited for before the log is given up for lost, because
  /// one of them may still have it.
  std::chrono::milliseconds node_patience{30000};
};

}  // namespace keyrewind::daemon
