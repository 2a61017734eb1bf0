#pragma once

#include "base/clock.h"

namespace prometheus {
class Registry;
}

namespace keyrewind::metrics {

/// Whether the configuration that runs is the one that was written. Any thread.
class ConfigMetrics {
 public:
  /// `registry` must outlive this.
  explicit ConfigMetrics(prometheus::Registry& registry) : registry_(registry) {}

  /// keyrewind_config_last_reload_successful,
  /// keyrewind_config_last_reload_success_timestamp_seconds: it was loaded at `now`, at the start
  /// or later.
  void loaded(Timestamp now);
  void reload_failed();

 private:
  prometheus::Registry& registry_;
};

}  // namespace keyrewind::metrics
