#pragma once

#include "base/clock.h"

#include <chrono>
#include <memory>
#include <string>

namespace prometheus {
class Registry;
}

namespace keyrewind::metrics {

/// What is told of restores. A restore is another, short-lived process: what it left in its marker
/// is told by the agent. Every series has the label `source`. All functions may be called from any
/// thread.
class RestoreMetrics {
 public:
  /// `registry` must outlive this.
  RestoreMetrics(prometheus::Registry& registry, std::string source);
  ~RestoreMetrics();
  RestoreMetrics(const RestoreMetrics&) = delete;
  RestoreMetrics& operator=(const RestoreMetrics&) = delete;

  /// keyrewind_restore_last_timestamp_seconds, …_last_duration_seconds, …_last_success: the marker
  /// of the last restore into this data directory. Not there before one is found.
  void last(Timestamp when, std::chrono::milliseconds duration, bool succeeded);

  /// keyrewind_restore_pending: somebody has asked for a restore, and it has not happened yet.
  void pending(bool yes);

 private:
  struct Series;
  const std::unique_ptr<Series> series_;
};

}  // namespace keyrewind::metrics
