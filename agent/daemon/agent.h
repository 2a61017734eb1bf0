#pragma once

#include "base/clock.h"
#include "daemon/agent_options.h"
#include "daemon/backup_desk.h"
#include "daemon/base_keeper.h"
#include "daemon/fork_guard.h"
#include "daemon/observations.h"
#include "daemon/tasks.h"
#include "metrics/agent_metrics.h"
#include "metrics/copy_metrics.h"
#include "store/object_store.h"

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

namespace keyrewind::daemon {

/// A further repository into which all goes that the first one gets.
struct AgentCopy {
  std::string name;
  store::ObjectStore& store;  ///< Must outlive the agent.
  std::size_t connections = 4;
};

/// Where an agent is asked for backups, and what hears of its work. All of it outlives the agent.
struct AgentLinks {
  BackupDesk& desk;
  Tasks& tasks;
  ForkGuard& guard;
  Observations& seen;
  BaseKeeper::Ended backup_ended{};                             ///< In the thread that watches.
  std::function<void(const std::string& detail)> gap{};         ///< The log has one.
  std::function<void(const std::string& holder)> lease_lost{};  ///< Another one works now.
};

/// The daemon: keeps a log attached to one shard for ever, stores it, and takes a snapshot whenever
/// the lineage has none or the desk wants one. design.md section 4 says how.
///
/// Of several agents of a shard one works and the others stand by: it has the lease, and they take
/// it within its time to live once it is not renewed. Each time that this agent works is a term.
class Agent {
 public:
  /// All but `options` must outlive the agent. Throws what Spool's constructor throws.
  Agent(store::ObjectStore& store, AgentOptions options, AgentLinks links,
        metrics::AgentMetrics& metrics, const Clock& clock);
  /// The same with copies, and what is told of them.
  Agent(store::ObjectStore& store, const std::vector<AgentCopy>& copies, AgentOptions options,
        AgentLinks links, metrics::AgentMetrics& metrics, metrics::CopyMetrics& copy_metrics,
        const Clock& clock);
  ~Agent();

  /// Works until `stop` is requested, then seals what was read, stores it and returns. Trouble with
  /// the servers or the repository is waited out; it throws only what waiting cannot cure:
  /// Error(busy) if another agent has this shard and there is no lease, Error(config) if the
  /// repository can have none, Error(Side::here, …) if the spool is broken, and
  /// Error(Side::repository, unavailable) if at the end the spool could not be stored in time (its
  /// bytes stay there).
  void run(std::stop_token stop);

  /// Takes over those of `options` that may change while it runs: age and size of segments, the
  /// spool's bound, the floor between full syncs, when a node may fork, and how the source is
  /// reached. Any thread.
  void reload(const AgentOptions& options);

  /// Notes an event of the log that is being read; without one it is only logged. Any thread.
  void note(const std::string& kind, const std::string& detail);

  /// The agent's own folder for `source` in the spool, which is there from the constructor on.
  const std::filesystem::path& folder() const noexcept;

 private:
  class Work;
  std::unique_ptr<Work> work_;
};

}  // namespace keyrewind::daemon
