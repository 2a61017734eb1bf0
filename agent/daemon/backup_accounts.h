#pragma once

#include "daemon/notifier.h"
#include "daemon/observations.h"
#include "daemon/repository_watch.h"
#include "daemon/scheduler.h"
#include "daemon/snapshot_taker.h"
#include "metrics/agent_metrics.h"

namespace keyrewind::daemon {

/// Tells everybody who keeps account how a backup ended: its task, its schedule, the metrics, what
/// is known of the repository, people. Any thread.
class BackupAccounts {
 public:
  /// The arguments must outlive the accounts.
  BackupAccounts(Scheduler& scheduler, RepositoryWatch& watch, Observations& seen,
                 Notifier& notifier, metrics::AgentMetrics& metrics, const Clock& clock)
      : scheduler_(scheduler),
        watch_(watch),
        seen_(seen),
        notifier_(notifier),
        metrics_(metrics),
        clock_(clock) {}

  void ended(const SnapshotTaker::Outcome& outcome);

  /// A run of the schedule did not begin, since `why`.
  void skipped(const std::string& schedule, const std::string& why);

  /// The newest backups of each kind, so that a restart loses nothing of what is told of them.
  void seed(const std::vector<catalog::Commit>& backups);

 private:
  Scheduler& scheduler_;
  RepositoryWatch& watch_;
  Observations& seen_;
  Notifier& notifier_;
  metrics::AgentMetrics& metrics_;
  const Clock& clock_;
};

/// Which schedule a backup counts for in metrics: its own, or a word for runs without one.
std::string schedule_label(const catalog::Origin& origin);

}  // namespace keyrewind::daemon
