#include "metrics/agent_metrics.h"

#include "metrics/gauges.h"

#include <prometheus/counter.h>
#include <prometheus/registry.h>

#include <array>
#include <utility>

namespace keyrewind::metrics {
namespace {

// In the order of Detachment. They are values of a label: never rename.
constexpr std::array<std::string_view, 7> kReasons{
    "spool_full", "link_lost", "hop", "bad_stream", "spool_failed", "spool_slow", "stopped"};

}  // namespace

std::string_view to_string(Detachment reason) noexcept {
  return kReasons[static_cast<std::size_t>(reason)];
}

/// The registry, and the counters in it, which are found once.
struct AgentMetrics::Series {
  explicit Series(const std::string& source)
      : labels{{"source", source}},
        received_bytes(counter("keyrewind_log_received_bytes_total",
                               "Bytes of the replication stream that have arrived.")),
        segments(counter("keyrewind_log_segments_total", "Segments of the log that were stored.")),
        raw_bytes(counter("keyrewind_log_segment_bytes_total", kSegmentBytes, {"kind", "raw"})),
        stored_bytes(
            counter("keyrewind_log_segment_bytes_total", kSegmentBytes, {"kind", "stored"})),
        merges(counter("keyrewind_log_merges_total", "Segments that were made out of others.")),
        leases_lost(counter("keyrewind_lease_lost_total",
                            "How often another agent took over while this one worked.")),
        gaps(counter("keyrewind_log_gaps_total", "Breaks in the log.")),
        hops(counter("keyrewind_log_hops_total",
                     "How often the log went on from another node of the shard.")),
        failovers(counter("keyrewind_failovers_total", "Promotions that were followed.")),
        full_syncs(counter("keyrewind_full_syncs_total",
                           "Full syncs that were asked for: the server forks for each.")),
        repository_failures(counter("keyrewind_repository_failures_total",
                                    "Calls to the repository that failed.")) {
    for (std::size_t i = 0; i < kReasons.size(); ++i) {
      detached[i] = &counter("keyrewind_log_detached_total",
                             "How often the agent let go of the log, and why.",
                             {"reason", std::string(kReasons[i])});
    }
    set_build_info(registry);
  }

  prometheus::Counter& counter(const std::string& name, const std::string& help,
                               const std::pair<std::string, std::string>& label = {}) {
    Labels all = labels;
    if (!label.first.empty()) {
      all.insert(label);
    }
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add(all);
  }

  void set(const std::string& name, const std::string& help, double value) {
    set_gauge(registry, name, help, labels, value);
  }

  static constexpr const char* kSegmentBytes = "Bytes of those segments: as sent, and as stored.";

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
  prometheus::Counter& repository_failures;
  std::array<prometheus::Counter*, kReasons.size()> detached{};
};

AgentMetrics::AgentMetrics(std::string source)
    : source_(std::move(source)), series_(std::make_unique<Series>(source_)) {
  series_->set("keyrewind_log_attached", "Whether the log is being received.", 0);
  full_sync_deferred(false);
  active(false);
}

AgentMetrics::~AgentMetrics() = default;

void AgentMetrics::attached() {
  series_->set("keyrewind_log_attached", "Whether the log is being received.", 1);
}

void AgentMetrics::detached(Detachment reason) {
  series_->set("keyrewind_log_attached", "Whether the log is being received.", 0);
  series_->detached[static_cast<std::size_t>(reason)]->Increment();
}

void AgentMetrics::received(std::uint64_t bytes, std::int64_t offset) {
  series_->received_bytes.Increment(static_cast<double>(bytes));
  series_->set("keyrewind_log_received_offset", "Up to where the log has arrived.",
               static_cast<double>(offset));
}

void AgentMetrics::durable(std::int64_t offset, Timestamp arrived) {
  series_->set("keyrewind_log_durable_offset", "Up to where the repository has the log.",
               static_cast<double>(offset));
  series_->set("keyrewind_log_durable_timestamp_seconds",
               "When the newest byte of the log in the repository had arrived.",
               seconds_of(arrived));
}

void AgentMetrics::spool(std::uint64_t bytes, std::uint64_t max_bytes) {
  series_->set("keyrewind_log_spool_bytes", "What waits in the spool for the repository.",
               static_cast<double>(bytes));
  series_->set("keyrewind_log_spool_max_bytes", "What the spool may hold.",
               static_cast<double>(max_bytes));
}

void AgentMetrics::segment_stored(std::uint64_t raw_bytes, std::uint64_t stored_bytes) {
  series_->segments.Increment();
  series_->raw_bytes.Increment(static_cast<double>(raw_bytes));
  series_->stored_bytes.Increment(static_cast<double>(stored_bytes));
}

void AgentMetrics::active(bool yes) {
  series_->set("keyrewind_agent_active",
               "Whether this agent reads and stores the log; 0 while it stands by for another.",
               yes ? 1 : 0);
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

void AgentMetrics::repository_failure() {
  series_->repository_failures.Increment();
}

void AgentMetrics::backup(BackupRun run) {
  run.source = source_;
  set_backup_gauges(series_->registry, run);
}

prometheus::Registry& AgentMetrics::registry() noexcept {
  return series_->registry;
}

std::string AgentMetrics::to_prometheus_text() const {
  return to_text(series_->registry);
}

}  // namespace keyrewind::metrics
