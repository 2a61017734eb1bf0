#pragma once

#include "backup/snapshot_upload.h"
#include "backup/spool.h"
#include "base/clock.h"
#include "metrics/agent_metrics.h"
#include "replica/nodes.h"
#include "store/object_store.h"

#include <chrono>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>

namespace keyrewind::daemon {

/// What an agent backs up, and how.
struct AgentOptions {
  std::string source;
  replica::ShardOptions shard;
  backup::PipelineOptions pipeline;
  backup::SpoolOptions spool;
  std::chrono::milliseconds segment_max_age{10000};
  std::uint64_t segment_max_bytes = 64U << 20U;
  std::chrono::milliseconds full_sync_min_interval{600000};

  /// How long an orderly end may take to store what is in the spool.
  std::chrono::milliseconds shutdown_patience{20000};
  std::chrono::milliseconds watch_interval{5000};   ///< Between two looks at the shard.
  std::chrono::milliseconds merge_interval{60000};  ///< Between two passes over the log.
  /// How long nodes that do not answer are waited for before the log is given up for lost, because
  /// one of them may still have it.
  std::chrono::milliseconds node_patience{30000};
};

/// The daemon: keeps a log attached to one shard for ever, stores it, and takes a snapshot whenever
/// the lineage has none. design.md section 4 says how.
///
/// Its threads: the one that calls `run` decides where the log is read and reads it; others write
/// the spool, ship it, merge segments, watch the shard and take snapshots.
class Agent {
 public:
  /// All but `options` must outlive the agent. Throws what Spool's constructor throws.
  Agent(store::ObjectStore& store, AgentOptions options, metrics::AgentMetrics& metrics,
        const Clock& clock);
  ~Agent();

  /// Works until `stop` is requested, then seals what was read, stores it and returns. Trouble with
  /// the servers or the repository is waited out; it throws only what waiting cannot cure:
  /// Error(busy) if another agent has this shard, Error(Side::here, …) if the spool is broken, and
  /// Error(Side::repository, unavailable) if at the end the spool could not be stored in time (its
  /// bytes stay there).
  void run(std::stop_token stop);

  /// Takes over those of `options` that may change while it runs: age and size of segments, the
  /// spool's bound, the floor between full syncs, and how the source is reached. Any thread.
  void reload(const AgentOptions& options);

 private:
  class Work;
  std::unique_ptr<Work> work_;
};

}  // namespace keyrewind::daemon
