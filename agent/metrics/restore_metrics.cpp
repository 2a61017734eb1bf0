#include "metrics/restore_metrics.h"

#include "metrics/gauges.h"

#include <prometheus/registry.h>

#include <utility>

namespace keyrewind::metrics {

struct RestoreMetrics::Series {
  Series(prometheus::Registry& to, std::string source)
      : registry(to), labels{{"source", std::move(source)}} {}

  void set(const std::string& name, const std::string& help, double value) {
    set_gauge(registry, "keyrewind_restore_" + name, help, labels, value);
  }

  prometheus::Registry& registry;
  const Labels labels;
};

RestoreMetrics::RestoreMetrics(prometheus::Registry& registry, std::string source)
    : series_(std::make_unique<Series>(registry, std::move(source))) {
  pending(false);
}

RestoreMetrics::~RestoreMetrics() = default;

void RestoreMetrics::last(Timestamp when, std::chrono::milliseconds duration, bool succeeded) {
  series_->set("last_timestamp_seconds", "When data was last restored here.", seconds_of(when));
  series_->set("last_duration_seconds", "How long that took.",
               static_cast<double>(duration.count()) / 1000.0);
  series_->set("last_success", "Whether that restore is complete.", succeeded ? 1 : 0);
}

void RestoreMetrics::pending(bool yes) {
  series_->set("pending", "Whether a restore was asked for that has not happened yet.",
               yes ? 1 : 0);
}

}  // namespace keyrewind::metrics
