#pragma once

#include "backup/spool.h"
#include "base/clock.h"
#include "daemon/agent_options.h"
#include "daemon/backup_desk.h"
#include "daemon/base_keeper.h"
#include "daemon/event_notes.h"
#include "daemon/fork_guard.h"
#include "daemon/observations.h"
#include "daemon/tasks.h"
#include "metrics/agent_metrics.h"
#include "store/lease.h"
#include "store/object_store.h"

#include <functional>
#include <memory>
#include <stop_token>
#include <string>

namespace keyrewind::daemon {

/// What the terms of an agent share. All of it outlives them.
struct TermContext {
  store::ObjectStore& store;
  backup::Spool& spool;
  EventNotes& events;
  const store::Lease* lease;  ///< Nullptr: there is none, and one term for ever.
  metrics::AgentMetrics& metrics;
  const Clock& clock;
  BackupDesk& desk;
  Tasks& tasks;
  ForkGuard& guard;
  Observations& seen;
  /// Told of each segment and event that the repository has got, by any thread.
  std::function<void(const std::string& object)> log_stored{};
  BaseKeeper::Ended backup_ended{};
  std::function<void(const std::string& detail)> gap{};  ///< The log has one.
};

/// A term of office: the time in which an agent reads and stores the log of a shard, until somebody
/// else has its lease. While the lease is not known to be anybody's, because the repository does
/// not answer, it reads on into the spool and stores nothing.
///
/// Its threads: the one that calls `run` decides where the log is read and reads it; others write
/// the spool, ship it, merge segments, watch the shard and take snapshots. Backups are what the
/// desk is asked for.
class Term {
 public:
  Term(const TermContext& context, AgentOptions options);
  ~Term();

  enum class End { stopped, lost };

  /// Works until `stop` is requested, or the lease is somebody else's. Throws what Agent::run does.
  End run(std::stop_token stop);

  /// As Agent::reload.
  void reload(const AgentOptions& options);

 private:
  class Work;
  const std::unique_ptr<Work> work_;
};

}  // namespace keyrewind::daemon
