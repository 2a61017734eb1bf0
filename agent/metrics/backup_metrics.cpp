#include "metrics/backup_metrics.h"

#include "metrics/gauges.h"

#include <prometheus/counter.h>
#include <prometheus/registry.h>

#include <array>
#include <mutex>
#include <set>
#include <utility>

namespace keyrewind::metrics {
namespace {

// In the order of RunResult. They are values of a label: never rename.
constexpr std::array<std::string_view, 4> kResults{"success", "failure", "cancelled", "skipped"};

constexpr const char* kRuns = "keyrewind_backup_runs_total";
constexpr const char* kRunsHelp = "Attempts to take a backup, by what became of them.";
constexpr const char* kInProgress = "keyrewind_backup_in_progress";
constexpr const char* kInProgressHelp = "Whether a backup is being taken.";
constexpr const char* kProcessed = "keyrewind_backup_processed_bytes";
constexpr const char* kProcessedHelp = "Bytes of the RDB that have come so far.";
constexpr const char* kExpected = "keyrewind_backup_expected_bytes";
constexpr const char* kExpectedHelp = "How large the RDB will be, as far as one can tell.";

/// Seconds: from a small cache to a night's work.
const std::vector<double> kSeconds{1, 5, 15, 60, 300, 900, 1800, 3600, 7200, 14400};

struct LastGauge {
  const char* what;
  const char* help;
};
constexpr LastGauge kAttemptSuccess{"attempt_success", "Whether the last attempt made a backup."};
constexpr LastGauge kAttempted{"attempt_timestamp_seconds", "When the last attempt began."};
constexpr LastGauge kSuccess{"success_timestamp_seconds", "When the newest backup was finished."};
constexpr LastGauge kDuration{"duration_seconds", "How long the last backup took."};
constexpr LastGauge kRawBytes{"raw_bytes", "Size of its RDB."};
constexpr LastGauge kStoredBytes{"stored_bytes", "Size of what it stored."};
constexpr LastGauge kKeys{"keys", "Keys in it."};
constexpr LastGauge kOpaque{"opaque",
                            "1 if its structure was not known and it was stored without counting."};

std::string name_of(const LastGauge& gauge) {
  return std::string("keyrewind_backup_last_") + gauge.what;
}

Labels labels_of_type(const std::string& source) {
  return {{"source", source}, {"type", "snapshot"}};
}

Labels labels_of(const std::string& source, const std::string& schedule) {
  Labels labels = labels_of_type(source);
  labels.emplace("schedule", schedule);
  return labels;
}

void set_last_gauges(prometheus::Registry& registry, const std::string& source,
                     const BackupRun& run) {
  const auto set = [&, labels = labels_of(source, run.schedule)](const LastGauge& gauge,
                                                                 double value) {
    set_gauge(registry, name_of(gauge), gauge.help, labels, value);
  };
  const bool succeeded = run.result == RunResult::success;
  set(kAttemptSuccess, succeeded ? 1 : 0);
  set(kAttempted, seconds_of(run.attempted));
  if (run.last_success) {
    set(kSuccess, seconds_of(*run.last_success));
  }
  if (succeeded) {
    set(kDuration, static_cast<double>(run.duration.count()) / 1000.0);
    set(kRawBytes, static_cast<double>(run.raw_bytes));
    set(kStoredBytes, static_cast<double>(run.stored_bytes));
    set(kKeys, static_cast<double>(run.keys));
    set(kOpaque, run.opaque ? 1 : 0);
  }
}

}  // namespace

std::string_view to_string(RunResult result) noexcept {
  return kResults[static_cast<std::size_t>(result)];
}

std::string to_prometheus_text(const BackupRun& run) {
  prometheus::Registry registry;
  set_build_info(registry);
  set_last_gauges(registry, run.source, run);
  return to_text(registry);
}

struct BackupMetrics::Series {
  Series(prometheus::Registry& to, std::string name) : registry(to), source(std::move(name)) {}

  prometheus::Counter& runs(const std::string& schedule, std::string_view result) {
    return counter(registry, kRuns, kRunsHelp, with_result(schedule, result));
  }

  Labels with_result(const std::string& schedule, std::string_view result) const {
    Labels labels = labels_of(source, schedule);
    labels.emplace("result", result);
    return labels;
  }

  void add(const std::string& schedule) {
    schedules.insert(schedule);
    for (const std::string_view result : kResults) {
      runs(schedule, result);
    }
  }

  void remove(const std::string& schedule) {
    for (const std::string_view result : kResults) {
      remove_counter(registry, kRuns, kRunsHelp, with_result(schedule, result));
    }
    for (const LastGauge& gauge : {kAttemptSuccess, kAttempted, kSuccess, kDuration, kRawBytes,
                                   kStoredBytes, kKeys, kOpaque}) {
      remove_gauge(registry, name_of(gauge), gauge.help, labels_of(source, schedule));
    }
  }

  void in_progress(bool yes) {
    set_gauge(registry, kInProgress, kInProgressHelp, labels_of_type(source), yes ? 1 : 0);
  }

  prometheus::Registry& registry;
  const std::string source;
  std::mutex mutex;  ///< Guards what follows, and that no series is removed while it is used.
  std::set<std::string> schedules;
};

BackupMetrics::BackupMetrics(prometheus::Registry& registry, std::string source)
    : series_(std::make_unique<Series>(registry, std::move(source))) {
  series_->in_progress(false);
  configure({});
}

BackupMetrics::~BackupMetrics() = default;

void BackupMetrics::configure(const std::vector<std::string>& schedules) {
  const std::lock_guard lock(series_->mutex);
  const std::set<std::string> before = std::exchange(series_->schedules, {});
  for (const std::string& schedule : {kManualRuns, kAutomaticRuns, kFinalRuns}) {
    series_->add(schedule);
  }
  for (const std::string& schedule : schedules) {
    series_->add(schedule);
  }
  for (const std::string& schedule : before) {
    if (!series_->schedules.contains(schedule)) {
      series_->remove(schedule);
    }
  }
}

void BackupMetrics::begun(std::optional<std::uint64_t> expected_bytes) {
  const std::lock_guard lock(series_->mutex);
  const Labels labels{{"source", series_->source}};
  series_->in_progress(true);
  set_gauge(series_->registry, kProcessed, kProcessedHelp, labels, 0);
  if (expected_bytes) {
    set_gauge(series_->registry, kExpected, kExpectedHelp, labels,
              static_cast<double>(*expected_bytes));
  } else {
    remove_gauge(series_->registry, kExpected, kExpectedHelp, labels);
  }
}

void BackupMetrics::progress(std::uint64_t processed_bytes) {
  set_gauge(series_->registry, kProcessed, kProcessedHelp, {{"source", series_->source}},
            static_cast<double>(processed_bytes));
}

void BackupMetrics::finished(const BackupRun& run) {
  const std::lock_guard lock(series_->mutex);
  if (run.result != RunResult::skipped) {
    series_->in_progress(false);
  }
  if (!series_->schedules.contains(run.schedule)) {
    return;
  }
  series_->runs(run.schedule, to_string(run.result)).Increment();
  if (run.result == RunResult::skipped) {
    return;
  }
  if (run.result == RunResult::success) {
    observe(series_->registry, "keyrewind_backup_duration_seconds", "How long backups took.",
            labels_of_type(series_->source), kSeconds,
            static_cast<double>(run.duration.count()) / 1000.0);
  }
  set_last_gauges(series_->registry, series_->source, run);
}

void BackupMetrics::seed(const BackupRun& run) {
  const std::lock_guard lock(series_->mutex);
  if (series_->schedules.contains(run.schedule)) {
    set_last_gauges(series_->registry, series_->source, run);
  }
}

}  // namespace keyrewind::metrics
