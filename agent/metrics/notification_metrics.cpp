#include "metrics/notification_metrics.h"

#include "metrics/gauges.h"

#include <prometheus/counter.h>
#include <prometheus/registry.h>

namespace keyrewind::metrics {

struct NotificationMetrics::Series {
  explicit Series(prometheus::Registry& to) : registry(to) {}

  prometheus::Counter& messages(NotificationKind kind, bool succeeded) {
    return counter(registry, "keyrewind_notifications_total",
                   "Messages to webhooks and to the heartbeat's address.",
                   {{"kind", kind == NotificationKind::webhook ? "webhook" : "heartbeat"},
                    {"result", succeeded ? "success" : "failure"}});
  }

  prometheus::Registry& registry;
};

NotificationMetrics::NotificationMetrics(prometheus::Registry& registry)
    : series_(std::make_unique<Series>(registry)) {
  for (const NotificationKind kind : {NotificationKind::webhook, NotificationKind::heartbeat}) {
    series_->messages(kind, true);
    series_->messages(kind, false);
  }
}

NotificationMetrics::~NotificationMetrics() = default;

void NotificationMetrics::sent(NotificationKind kind, bool succeeded) {
  series_->messages(kind, succeeded).Increment();
}

}  // namespace keyrewind::metrics
