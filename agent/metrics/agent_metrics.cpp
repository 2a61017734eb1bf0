#include "metrics/agent_metrics.h"

#include "metrics/gauges.h"
#include "metrics/process_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/registry.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <optional>
#include <utility>

namespace keyrewind::metrics {
namespace {

// In the order of the enumerations. They are values of labels: never rename.
constexpr std::array<std::string_view, 7> kReasons{
    "spool_full", "link_lost", "hop", "bad_stream", "spool_failed", "spool_slow", "stopped"};

/// The name of the repository that is no copy.
constexpr const char* kPrimary = "primary";

constexpr std::array<std::string_view, 5> kDecisions{"full_sync", "full_sync_elsewhere",
                                                     "compaction", "wait", "refuse"};

}  // namespace

std::string_view to_string(Detachment reason) noexcept {
  return kReasons[static_cast<std::size_t>(reason)];
}

std::string_view to_string(SnapshotDecision decision) noexcept {
  return kDecisions[static_cast<std::size_t>(decision)];
}

/// The registry, and the counters in it, which are found once.
struct AgentMetrics::Series {
  explicit Series(const std::string& source)
      : labels{{"source", source}},
        received_bytes(add("keyrewind_replication_received_bytes_total",
                           "Bytes of the replication stream that have arrived.")),
        segments(add("keyrewind_log_segments_total", "Segments of the log that were stored.")),
        raw_bytes(add("keyrewind_log_segment_bytes_total", kSegmentBytes, {"kind", "raw"})),
        stored_bytes(add("keyrewind_log_segment_bytes_total", kSegmentBytes, {"kind", "stored"})),
        merges(add("keyrewind_log_merges_total", "Segments that were made out of others.")),
        leases_lost(add("keyrewind_lease_lost_total",
                        "How often another agent took over while this one worked.")),
        gaps(add("keyrewind_log_gaps_total", "Breaks in the log.")),
        hops(add("keyrewind_log_hops_total",
                 "How often the log went on from another node of the shard.")),
        failovers(add("keyrewind_failovers_total", "Promotions that were followed.")),
        full_syncs(add("keyrewind_replication_resyncs_total", kResyncs, {"kind", "full"})),
        partial_syncs(add("keyrewind_replication_resyncs_total", kResyncs, {"kind", "partial"})),
        repository_failures(
            add("keyrewind_repository_failures_total", "Calls to the repository that failed.")),
        backups(registry, source),
        config(registry),
        http(registry),
        notifications(registry),
        repositories(registry, source),
        restores(registry, source),
        schedules(registry, source),
        server(registry, source),
        verifications(registry, source) {
    repositories.add(kPrimary);
    for (std::size_t i = 0; i < kReasons.size(); ++i) {
      detached[i] =
          &add("keyrewind_log_detached_total", "How often the agent let go of the log, and why.",
               {"reason", std::string(kReasons[i])});
    }
    for (std::size_t i = 0; i < kDecisions.size(); ++i) {
      decisions[i] = &add("keyrewind_snapshot_decisions_total",
                          "What was decided about snapshots that were needed.",
                          {"decision", std::string(kDecisions[i])});
    }
    set_build_info(registry);
  }

  prometheus::Counter& add(const std::string& name, const std::string& help,
                           const std::pair<std::string, std::string>& label = {}) {
    Labels all = labels;
    if (!label.first.empty()) {
      all.insert(label);
    }
    return counter(registry, name, help, all);
  }

  void set(const std::string& name, const std::string& help, double value) {
    set_gauge(registry, name, help, labels, value);
  }

  void set_link_up(bool yes) {
    link_up = yes;
    set("keyrewind_replication_link_up", "Whether the log is being received.", yes ? 1 : 0);
  }

  void set_spool_full(bool yes) {
    set("keyrewind_spool_full",
        "Whether the spool is full, so that the log was let go of and is not being received.",
        yes ? 1 : 0);
  }

  /// Changes what is known of offsets, and tells what follows from it.
  template <typename Change>
  void note_offsets(Change change) {
    const std::lock_guard lock(mutex);
    change();
    if (durable_offset && newest_offset) {
      set("keyrewind_replication_lag_bytes",
          "Bytes of the replication stream that the repository does not have yet.",
          static_cast<double>(std::max<std::int64_t>(*newest_offset - *durable_offset, 0)));
    }
  }

  static constexpr const char* kSegmentBytes = "Bytes of those segments: as sent, and as stored.";
  static constexpr const char* kResyncs =
      "How often the stream was begun: full, with a snapshot for which the server forks, or "
      "partial, where it had ended.";

  const Labels labels;
  prometheus::Registry registry;
  prometheus::Counter& received_bytes;
  prometheus::Counter& segments;
  prometheus::Counter& raw_bytes;
  prometheus::Counter& stored_bytes;
  prometheus::Counter& merges;
  prometheus::Counter& leases_lost;
  prometheus::Counter& gaps;
  prometheus::Counter& hops;
  prometheus::Counter& failovers;
  prometheus::Counter& full_syncs;
  prometheus::Counter& partial_syncs;
  prometheus::Counter& repository_failures;
  std::array<prometheus::Counter*, kReasons.size()> detached{};
  std::array<prometheus::Counter*, kDecisions.size()> decisions{};

  std::atomic<bool> link_up = false;
  std::atomic<bool> is_active = false;
  BackupMetrics backups;
  ConfigMetrics config;
  HttpMetrics http;
  NotificationMetrics notifications;
  RepositoryMetrics repositories;
  RestoreMetrics restores;
  ScheduleMetrics schedules;
  SourceMetrics server;
  VerifyMetrics verifications;

  std::mutex mutex;  ///< Guards what follows.
  std::optional<std::int64_t> newest_offset;
  std::optional<std::int64_t> durable_offset;
};

AgentMetrics::AgentMetrics(std::string source)
    : source_(std::move(source)), series_(std::make_unique<Series>(source_)) {
  series_->set_link_up(false);
  series_->set_spool_full(false);
  full_sync_deferred(false);
  unprotected(false);
  active(false);
}

AgentMetrics::~AgentMetrics() = default;

void AgentMetrics::attached() {
  series_->set_link_up(true);
  series_->set_spool_full(false);
  series_->partial_syncs.Increment();
}

void AgentMetrics::detached(Detachment reason) {
  series_->set_link_up(false);
  if (reason == Detachment::spool_full) {
    series_->set_spool_full(true);
  }
  series_->detached[static_cast<std::size_t>(reason)]->Increment();
}

void AgentMetrics::received(std::uint64_t bytes, std::int64_t offset) {
  series_->received_bytes.Increment(static_cast<double>(bytes));
  series_->set("keyrewind_log_received_offset", "Up to where the log has arrived.",
               static_cast<double>(offset));
  server_offset(offset);
}

void AgentMetrics::durable(std::int64_t offset, Timestamp arrived) {
  series_->set("keyrewind_log_durable_offset", "Up to where the repository has the log.",
               static_cast<double>(offset));
  series_->set("keyrewind_log_durable_timestamp_seconds",
               "When the newest byte of the log in the repository had arrived.",
               seconds_of(arrived));
  series_->note_offsets([&] { series_->durable_offset = offset; });
}

void AgentMetrics::server_offset(std::int64_t offset) {
  series_->note_offsets(
      [&] { series_->newest_offset = std::max(offset, series_->newest_offset.value_or(offset)); });
}

void AgentMetrics::forget_offsets() {
  series_->note_offsets([&] {
    series_->newest_offset.reset();
    series_->durable_offset.reset();
  });
}

void AgentMetrics::spool(std::uint64_t bytes, std::uint64_t max_bytes) {
  series_->set("keyrewind_spool_used_bytes", "What waits in the spool for the repository.",
               static_cast<double>(bytes));
  series_->set("keyrewind_spool_limit_bytes", "What the spool may hold.",
               static_cast<double>(max_bytes));
}

void AgentMetrics::segment_stored(std::uint64_t raw_bytes, std::uint64_t stored_bytes) {
  series_->segments.Increment();
  series_->raw_bytes.Increment(static_cast<double>(raw_bytes));
  series_->stored_bytes.Increment(static_cast<double>(stored_bytes));
}

void AgentMetrics::active(bool yes) {
  series_->is_active = yes;
  series_->set("keyrewind_agent_active",
               "Whether this agent reads and stores the log; 0 while it stands by for another.",
               yes ? 1 : 0);
}

bool AgentMetrics::is_attached() const noexcept {
  return series_->link_up;
}

bool AgentMetrics::is_active() const noexcept {
  return series_->is_active;
}

void AgentMetrics::lease_lost() {
  series_->leases_lost.Increment();
}

void AgentMetrics::segments_merged() {
  series_->merges.Increment();
}

void AgentMetrics::gap() {
  series_->gaps.Increment();
}

void AgentMetrics::hop() {
  series_->hops.Increment();
}

void AgentMetrics::failover() {
  series_->failovers.Increment();
}

void AgentMetrics::full_sync() {
  series_->full_syncs.Increment();
}

void AgentMetrics::full_sync_deferred(bool yes) {
  series_->set("keyrewind_full_sync_deferred",
               "Whether a full sync is needed, but put off to spare the server.", yes ? 1 : 0);
}

void AgentMetrics::unprotected(bool yes) {
  series_->set("keyrewind_log_unprotected",
               "Whether what is written now cannot be restored, for want of a snapshot.",
               yes ? 1 : 0);
}

void AgentMetrics::decided(SnapshotDecision decision) {
  series_->decisions[static_cast<std::size_t>(decision)]->Increment();
}

void AgentMetrics::repository_failure() {
  series_->repository_failures.Increment();
}

void AgentMetrics::recoverable_until(Timestamp arrived) {
  series_->repositories.recoverable_until(kPrimary, arrived);
}

BackupMetrics& AgentMetrics::backups() noexcept {
  return series_->backups;
}

ConfigMetrics& AgentMetrics::config() noexcept {
  return series_->config;
}

HttpMetrics& AgentMetrics::http() noexcept {
  return series_->http;
}

NotificationMetrics& AgentMetrics::notifications() noexcept {
  return series_->notifications;
}

RepositoryMetrics& AgentMetrics::repositories() noexcept {
  return series_->repositories;
}

RestoreMetrics& AgentMetrics::restores() noexcept {
  return series_->restores;
}

ScheduleMetrics& AgentMetrics::schedules() noexcept {
  return series_->schedules;
}

SourceMetrics& AgentMetrics::source() noexcept {
  return series_->server;
}

VerifyMetrics& AgentMetrics::verifications() noexcept {
  return series_->verifications;
}

prometheus::Registry& AgentMetrics::registry() noexcept {
  return series_->registry;
}

std::string AgentMetrics::to_prometheus_text() const {
  return to_text(series_->registry) + process_text();
}

}  // namespace keyrewind::metrics
