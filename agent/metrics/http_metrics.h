#pragma once

#include <chrono>
#include <memory>
#include <string>

namespace prometheus {
class Registry;
}

namespace keyrewind::metrics {

/// What is told of the requests that the agent answers. All functions may be called from any
/// thread.
class HttpMetrics {
 public:
  /// `registry` must outlive this.
  explicit HttpMetrics(prometheus::Registry& registry);
  ~HttpMetrics();
  HttpMetrics(const HttpMetrics&) = delete;
  HttpMetrics& operator=(const HttpMetrics&) = delete;

  /// keyrewind_http_requests_total by handler and code, keyrewind_http_request_duration_seconds of
  /// all of them. `handler` is a word for the route, never the path that was asked for: one of a
  /// few, since each makes a series; "other" for what is no route. A status that the server does
  /// not use itself counts as "other".
  void request(const std::string& handler, int status, std::chrono::microseconds duration);

 private:
  struct Series;
  const std::unique_ptr<Series> series_;
};

}  // namespace keyrewind::metrics
