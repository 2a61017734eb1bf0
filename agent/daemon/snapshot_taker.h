#pragma once

#include "backup/durable_point.h"
#include "backup/take_backup.h"
#include "base/clock.h"
#include "base/error.h"
#include "catalog/catalog.h"
#include "daemon/place.h"
#include "daemon/tasks.h"
#include "metrics/agent_metrics.h"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>

namespace keyrewind::daemon {

/// Takes backups in a thread of its own, one at a time, while the log goes on. One that succeeds
/// gives its lineage a base, which the durable point is told at once.
class SnapshotTaker {
 public:
  /// The arguments must outlive the taker.
  SnapshotTaker(catalog::Catalog& catalog, const std::string& shard, backup::DurablePoint& durable,
                metrics::AgentMetrics& metrics, const Clock& clock);
  ~SnapshotTaker();
  SnapshotTaker(const SnapshotTaker&) = delete;
  SnapshotTaker& operator=(const SnapshotTaker&) = delete;

  /// What a snapshot is to become part of.
  struct Target {
    std::optional<std::string> lineage;  ///< Nothing: it begins a new one …
    std::set<std::string> taken;         ///< … with another name than these and the repository's.
    std::string replid;          ///< That the lineage goes by; under another it is no part of it.
    std::shared_ptr<Job> job{};  ///< That this is: told how far it has come, asked whether to stop.
  };

  /// Calls `ended` from the taker's thread whenever one has ended. To be set before the first.
  void on_end(std::function<void()> ended) { ended_ = std::move(ended); }

  /// Begins one. Must not be called while one is running.
  void start(backup::BackupOptions options, Target target);

  bool running() const;

  /// Waits until the server has said where the snapshot that was started will be exact: the place
  /// where the log begins. Throws what the backup threw if it failed before, and Error(cancelled)
  /// once `stop` is requested.
  Place wait_for_place(std::stop_token stop) const;

  /// How the last one ended, once: nothing if none has ended since the last call.
  struct Outcome {
    std::optional<Error> error{};  ///< Nothing: it is available.
    std::string backup{};          ///< Its id, if it is.
    std::string lineage{};
    std::optional<backup::BackupResult> result{};  ///< If it is.
    catalog::Origin origin{};
    std::shared_ptr<Job> job{};
    Timestamp attempted{};
    /// Of a final one: the last offset of the primary, up to which the log is stored, too.
    std::optional<std::int64_t> final_offset{};
  };
  std::optional<Outcome> take_outcome();

  /// When a server last began a full sync for this taker.
  std::optional<std::chrono::steady_clock::time_point> last_full_sync() const;

  /// Stops what is running, and waits for its end.
  void stop();

 private:
  void take(backup::BackupOptions options, const Target& target, const std::stop_token& stop);
  std::string on_position(const Target& target, const replica::Position& position,
                          const std::stop_token& stop);

  catalog::Catalog& catalog_;
  const std::string shard_;
  backup::DurablePoint& durable_;
  metrics::AgentMetrics& metrics_;
  const Clock& clock_;
  std::function<void()> ended_;

  mutable std::mutex mutex_;
  mutable std::condition_variable_any changed_;
  bool running_ = false;
  std::optional<Place> place_;
  std::optional<Error> failure_;  ///< Of the last one.
  std::optional<Outcome> outcome_;
  std::optional<std::chrono::steady_clock::time_point> last_full_sync_;
  std::jthread thread_;
};

}  // namespace keyrewind::daemon
