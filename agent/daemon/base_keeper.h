#pragma once

#include "backup/durable_point.h"
#include "backup/snapshot_upload.h"
#include "base/clock.h"
#include "catalog/catalog.h"
#include "daemon/backup_desk.h"
#include "daemon/event_notes.h"
#include "daemon/fork_guard.h"
#include "daemon/place.h"
#include "daemon/snapshot_taker.h"
#include "daemon/tasks.h"
#include "metrics/agent_metrics.h"
#include "replica/nodes.h"

#include <chrono>
#include <functional>
#include <optional>
#include <set>
#include <stop_token>
#include <string>

namespace keyrewind::daemon {

/// Sees to it that a lineage has a snapshot that its log begins with, and that those are taken that
/// are asked for: one at a time. Tells the durable point when a lineage has one, and keeps the
/// server from being asked too often, or when a fork could hurt it.
///
/// Two threads use it, never at the same time: the one that decides where the log is read, and the
/// one that watches the shard meanwhile.
class BaseKeeper {
 public:
  /// How snapshots are taken now.
  struct Options {
    replica::ShardOptions shard;
    backup::PipelineOptions pipeline;
    bool allow_plaintext = false;
    std::chrono::milliseconds min_interval{600000};  ///< The floor between two full syncs.
    ForkRules fork{};
  };

  /// Hears how each backup ended, whoever wanted it.
  using Ended = std::function<void(const SnapshotTaker::Outcome&)>;

  /// The arguments must outlive the keeper.
  BaseKeeper(catalog::Catalog& catalog, const std::string& shard, EventNotes& events,
             BackupDesk& desk, Tasks& tasks, ForkGuard& guard, Observations& seen,
             backup::DurablePoint& durable, metrics::AgentMetrics& metrics, const Clock& clock,
             Ended ended);

  /// Begins a new lineage with a snapshot from the best node, under another name than those that
  /// are `taken`, and returns where its log begins; the snapshot goes on by itself. Nothing if no
  /// node may fork now: why is told, and noted as an event of `before`, where the log was lost.
  /// Throws Error(Side::repository, …) if the repository does not say what it has.
  std::optional<Place> begin_lineage(const replica::Shard& shard, const Options& options,
                                     const std::optional<Place>& before,
                                     std::set<std::string> taken, std::stop_token stop);

  /// Tells that the log is read at `place` now.
  void follow(const Place& place);

  /// To be called every few seconds, and when the desk has news: takes a snapshot of the lineage at
  /// `place` if it has none, and again after a failure; and the backup that the desk wants.
  void see_to_it(const replica::Shard& shard, const Options& options, const Place& place,
                 std::stop_token stop);

  /// The same where no log is read: takes the backup that the desk wants, and no other.
  void serve_desk(const replica::Shard& shard, const Options& options, std::stop_token stop);

  /// Tells what became of a snapshot that has ended. The two above do it, too; this is for when
  /// nothing may be written: somebody waits for the outcome, and that may be the reason of it.
  void note_outcome();

  /// Ends what is running, and the outcome is told.
  void stop();

 private:
  enum class Base { there, missing, unknown };

  ForkVerdict start(const replica::Shard& shard, const Options& options, const BackupWish& wish,
                    const std::optional<Place>& place, SnapshotTaker::Target target,
                    const std::stop_token& stop);
  void serve(const replica::Shard& shard, const Options& options, const std::optional<Place>& place,
             const std::stop_token& stop);
  void note_not_begun(const ForkVerdict& verdict, const std::optional<Place>& place);
  void note_protection(const std::string& why_not);
  void finish_final(const replica::Shard& shard, const Place& place);
  void tell(const SnapshotTaker::Outcome& outcome);
  std::optional<Timestamp> last_sync(std::stop_token stop) const;

  catalog::Catalog& catalog_;
  const std::string shard_;
  EventNotes& events_;
  backup::DurablePoint& durable_;
  metrics::AgentMetrics& metrics_;
  const Clock& clock_;
  BackupDesk& desk_;
  Tasks& tasks_;
  ForkGuard& guard_;
  Observations& seen_;
  const Ended ended_;
  SnapshotTaker taker_;
  /// A final backup whose log is not stored to its end yet.
  struct Final {
    SnapshotTaker::Outcome outcome;
    std::chrono::steady_clock::time_point since{};
  };

  std::optional<Final> final_;
  std::string lineage_;  ///< That is followed.
  Base base_ = Base::unknown;
};

}  // namespace keyrewind::daemon
