#pragma once

#include "base/clock.h"
#include "metrics/backup_metrics.h"
#include "metrics/config_metrics.h"
#include "metrics/http_metrics.h"
#include "metrics/notification_metrics.h"
#include "metrics/repository_metrics.h"
#include "metrics/restore_metrics.h"
#include "metrics/schedule_metrics.h"
#include "metrics/source_metrics.h"
#include "metrics/verify_metrics.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace prometheus {
class Registry;
}

namespace keyrewind::metrics {

/// Why the agent let go of the log. Each is a value of the label `reason`.
enum class Detachment {
  spool_full,    ///< The spool has reached its bound.
  link_lost,     ///< The server closed the connection, or went silent.
  hop,           ///< Another node of the shard is read from now.
  bad_stream,    ///< What the server sent is no stream of commands.
  spool_failed,  ///< The spool could not be written: disk full, read-only.
  spool_slow,    ///< The spool's disk took nothing for some seconds.
  stopped,       ///< The agent ends.
};

std::string_view to_string(Detachment reason) noexcept;

/// What was decided about a snapshot that is needed. Each is a value of the label `decision`.
enum class SnapshotDecision {
  full_sync,            ///< The node that is read forks for it.
  full_sync_elsewhere,  ///< Another node of the shard does.
  compaction,           ///< It is made of an older one and the log, away from the nodes.
  wait,                 ///< No node may fork now.
  refuse,               ///< It is not taken.
};

std::string_view to_string(SnapshotDecision decision) noexcept;

/// What the daemon tells of itself, as Prometheus reads it. Every series has the label `source`;
/// counters are there from the beginning, a gauge once its value is known. All functions may be
/// called from any thread.
class AgentMetrics {
 public:
  explicit AgentMetrics(std::string source);
  ~AgentMetrics();
  AgentMetrics(const AgentMetrics&) = delete;
  AgentMetrics& operator=(const AgentMetrics&) = delete;

  /// keyrewind_replication_link_up, keyrewind_replication_resyncs_total{kind="partial"}, and
  /// keyrewind_log_detached_total by reason.
  void attached();
  void detached(Detachment reason);

  /// keyrewind_replication_received_bytes_total, keyrewind_log_received_offset: `bytes` more have
  /// arrived, the last one at `offset`.
  void received(std::uint64_t bytes, std::int64_t offset);

  /// keyrewind_log_durable_offset, keyrewind_log_durable_timestamp_seconds: the repository has all
  /// up to `offset`, of which the newest byte had arrived by `arrived`.
  void durable(std::int64_t offset, Timestamp arrived);

  /// The server has come to `offset`. keyrewind_replication_lag_bytes is what the repository lacks
  /// of that, or of what has been received if that is more.
  void server_offset(std::int64_t offset);

  /// keyrewind_recoverable_until_timestamp_seconds of the repository "primary": what is durable can
  /// be restored, too, since the lineage has a snapshot.
  void recoverable_until(Timestamp arrived);

  /// Another history begins, whose offsets have nothing to do with those before.
  void forget_offsets();

  /// keyrewind_spool_used_bytes, keyrewind_spool_limit_bytes. keyrewind_spool_full is 1 from
  /// Detachment::spool_full until the log is attached again.
  void spool(std::uint64_t bytes, std::uint64_t max_bytes);

  /// keyrewind_log_segments_total, keyrewind_log_segment_bytes_total by kind: one was stored.
  void segment_stored(std::uint64_t raw_bytes, std::uint64_t stored_bytes);

  /// keyrewind_agent_active: whether this agent works, or stands by for another one.
  void active(bool yes);

  void lease_lost();                  ///< keyrewind_lease_lost_total
  void segments_merged();             ///< keyrewind_log_merges_total
  void gap();                         ///< keyrewind_log_gaps_total
  void hop();                         ///< keyrewind_log_hops_total
  void failover();                    ///< keyrewind_failovers_total
  void full_sync();                   ///< keyrewind_replication_resyncs_total{kind="full"}
  void full_sync_deferred(bool yes);  ///< keyrewind_full_sync_deferred
  void unprotected(bool yes);         ///< keyrewind_log_unprotected
  void repository_failure();          ///< keyrewind_repository_failures_total

  /// keyrewind_snapshot_decisions_total by decision: one was needed, and this was decided.
  void decided(SnapshotDecision decision);

  /// What `attached`, `detached` and `active` told last.
  bool is_attached() const noexcept;
  bool is_active() const noexcept;

  /// The rest, by topic. METRICS.md has all of them.
  BackupMetrics& backups() noexcept;
  ConfigMetrics& config() noexcept;
  HttpMetrics& http() noexcept;
  NotificationMetrics& notifications() noexcept;
  RepositoryMetrics& repositories() noexcept;
  RestoreMetrics& restores() noexcept;
  ScheduleMetrics& schedules() noexcept;
  SourceMetrics& source() noexcept;
  VerifyMetrics& verifications() noexcept;

  /// Where others register what they tell, to be printed beside this.
  prometheus::Registry& registry() noexcept;

  /// All of it, and process_…, in the text format 0.0.4.
  std::string to_prometheus_text() const;

 private:
  struct Series;
  const std::string source_;
  const std::unique_ptr<Series> series_;
};

}  // namespace keyrewind::metrics
