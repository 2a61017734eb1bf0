#include "metrics/schedule_metrics.h"

#include "metrics/gauges.h"

#include <prometheus/counter.h>
#include <prometheus/registry.h>

#include <mutex>
#include <set>
#include <utility>

namespace keyrewind::metrics {
namespace {

constexpr const char* kMissed = "keyrewind_schedule_missed_runs_total";
constexpr const char* kMissedHelp = "Runs that were due while no agent could begin them.";
constexpr const char* kPaused = "keyrewind_schedule_paused";
constexpr const char* kPausedHelp = "Whether somebody has paused the schedule.";
constexpr const char* kInterval = "keyrewind_schedule_expected_interval_seconds";
constexpr const char* kIntervalHelp = "The longest time between two runs, by the schedule.";
constexpr const char* kNext = "keyrewind_schedule_next_run_timestamp_seconds";
constexpr const char* kNextHelp = "When the schedule is due next.";

}  // namespace

struct ScheduleMetrics::Series {
  Series(prometheus::Registry& to, std::string name) : registry(to), source(std::move(name)) {}

  Labels labels_of(const std::string& schedule) const {
    return {{"source", source}, {"schedule", schedule}};
  }

  void remove(const std::string& schedule) {
    const Labels labels = labels_of(schedule);
    remove_counter(registry, kMissed, kMissedHelp, labels);
    remove_gauge(registry, kPaused, kPausedHelp, labels);
    remove_gauge(registry, kInterval, kIntervalHelp, labels);
    remove_gauge(registry, kNext, kNextHelp, labels);
  }

  prometheus::Registry& registry;
  const std::string source;
  std::mutex mutex;  ///< Guards what follows, and that no series is removed while it is used.
  std::set<std::string> schedules;
};

ScheduleMetrics::ScheduleMetrics(prometheus::Registry& registry, std::string source)
    : series_(std::make_unique<Series>(registry, std::move(source))) {}

ScheduleMetrics::~ScheduleMetrics() = default;

void ScheduleMetrics::configure(const std::vector<std::string>& schedules) {
  const std::lock_guard lock(series_->mutex);
  const std::set<std::string> before =
      std::exchange(series_->schedules, std::set<std::string>(schedules.begin(), schedules.end()));
  for (const std::string& schedule : before) {
    if (!series_->schedules.contains(schedule)) {
      series_->remove(schedule);
    }
  }
  for (const std::string& schedule : series_->schedules) {
    counter(series_->registry, kMissed, kMissedHelp, series_->labels_of(schedule));
    if (!before.contains(schedule)) {
      set_gauge(series_->registry, kPaused, kPausedHelp, series_->labels_of(schedule), 0);
    }
  }
}

void ScheduleMetrics::plan(const std::string& schedule, std::chrono::seconds expected_interval,
                           std::optional<Timestamp> next) {
  const std::lock_guard lock(series_->mutex);
  if (!series_->schedules.contains(schedule)) {
    return;
  }
  const Labels labels = series_->labels_of(schedule);
  set_gauge(series_->registry, kInterval, kIntervalHelp, labels,
            static_cast<double>(expected_interval.count()));
  if (next) {
    set_gauge(series_->registry, kNext, kNextHelp, labels, seconds_of(*next));
  } else {
    remove_gauge(series_->registry, kNext, kNextHelp, labels);
  }
}

void ScheduleMetrics::missed(const std::string& schedule) {
  const std::lock_guard lock(series_->mutex);
  if (series_->schedules.contains(schedule)) {
    counter(series_->registry, kMissed, kMissedHelp, series_->labels_of(schedule)).Increment();
  }
}

void ScheduleMetrics::paused(const std::string& schedule, bool yes) {
  const std::lock_guard lock(series_->mutex);
  if (series_->schedules.contains(schedule)) {
    set_gauge(series_->registry, kPaused, kPausedHelp, series_->labels_of(schedule), yes ? 1 : 0);
  }
}

}  // namespace keyrewind::metrics
