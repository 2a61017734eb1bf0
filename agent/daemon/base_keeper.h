#pragma once

#include "backup/durable_point.h"
#include "backup/snapshot_upload.h"
#include "base/clock.h"
#include "catalog/catalog.h"
#include "daemon/event_notes.h"
#include "daemon/place.h"
#include "daemon/snapshot_taker.h"
#include "metrics/agent_metrics.h"
#include "replica/nodes.h"

#include <chrono>
#include <functional>
#include <optional>
#include <set>
#include <stop_token>
#include <string>

namespace keyrewind::daemon {

/// Sees to it that a lineage has a snapshot that its log begins with, tells the durable point when
/// it has, and keeps the server from being asked for one too often.
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
  };

  /// The arguments must outlive the keeper. `stored` is told of each backup.
  BaseKeeper(catalog::Catalog& catalog, const std::string& shard, EventNotes& events,
             backup::DurablePoint& durable, metrics::AgentMetrics& metrics, const Clock& clock,
             std::function<void()> stored);

  /// Whether the floor allows a full sync now, backups of other runs included. If not, the first
  /// time, it is logged and noted as an event of `place`, if there is one. Throws
  /// Error(Side::repository, …) if that can't be asked.
  bool may_sync(const Options& options, const std::optional<Place>& place, std::stop_token stop);

  /// Begins a new lineage with a snapshot from the best node, under another name than those that
  /// are `taken`, and returns where its log begins; the snapshot goes on by itself.
  Place begin_lineage(const replica::Shard& shard, const Options& options,
                      std::set<std::string> taken, std::stop_token stop);

  /// Tells that the log is read at `place` now.
  void follow(const Place& place);

  /// To be called every few seconds: takes a snapshot of the lineage at `place` if it has none, and
  /// again after a failure.
  void see_to_it(const replica::Shard& shard, const Options& options, const Place& place,
                 std::stop_token stop);

  void stop() { taker_.stop(); }

 private:
  enum class Base { there, missing, unknown };

  void start(const replica::Shard& shard, const Options& options, SnapshotTaker::Target target);
  void note_outcome();
  std::optional<std::chrono::milliseconds> since_last_sync(std::stop_token stop) const;

  catalog::Catalog& catalog_;
  const std::string shard_;
  EventNotes& events_;
  backup::DurablePoint& durable_;
  metrics::AgentMetrics& metrics_;
  const Clock& clock_;
  const std::function<void()> stored_;
  SnapshotTaker taker_;
  std::string lineage_;  ///< That is followed.
  Base base_ = Base::unknown;
  bool deferred_ = false;
};

}  // namespace keyrewind::daemon
