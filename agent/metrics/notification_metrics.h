#pragma once

#include <memory>

namespace prometheus {
class Registry;
}

namespace keyrewind::metrics {

enum class NotificationKind { webhook, heartbeat };

/// What is told of the messages that the agent sends. All functions may be called from any thread.
class NotificationMetrics {
 public:
  /// `registry` must outlive this. keyrewind_notifications_total is there from the beginning.
  explicit NotificationMetrics(prometheus::Registry& registry);
  ~NotificationMetrics();
  NotificationMetrics(const NotificationMetrics&) = delete;
  NotificationMetrics& operator=(const NotificationMetrics&) = delete;

  /// keyrewind_notifications_total by kind and result ("success", "failure").
  void sent(NotificationKind kind, bool succeeded);

 private:
  struct Series;
  const std::unique_ptr<Series> series_;
};

}  // namespace keyrewind::metrics
