#pragma once

#include "base/clock.h"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace prometheus {
class Registry;
}

namespace keyrewind::metrics {

/// What is told of the schedules. Every series has the labels `source` and `schedule`. All
/// functions may be called from any thread; of a schedule that is not configured nothing is told.
class ScheduleMetrics {
 public:
  /// `registry` must outlive this.
  ScheduleMetrics(prometheus::Registry& registry, std::string source);
  ~ScheduleMetrics();
  ScheduleMetrics(const ScheduleMetrics&) = delete;
  ScheduleMetrics& operator=(const ScheduleMetrics&) = delete;

  /// These are the schedules from now on: keyrewind_schedule_missed_runs_total and
  /// keyrewind_schedule_paused are there, and every series of another schedule goes.
  void configure(const std::vector<std::string>& schedules);

  /// keyrewind_schedule_expected_interval_seconds, keyrewind_schedule_next_run_timestamp_seconds;
  /// without `next` (paused, or never again) the latter goes.
  void plan(const std::string& schedule, std::chrono::seconds expected_interval,
            std::optional<Timestamp> next);

  void missed(const std::string& schedule);            ///< keyrewind_schedule_missed_runs_total
  void paused(const std::string& schedule, bool yes);  ///< keyrewind_schedule_paused

 private:
  struct Series;
  const std::unique_ptr<Series> series_;
};

}  // namespace keyrewind::metrics
