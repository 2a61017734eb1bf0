#include "metrics/http_metrics.h"

#include "metrics/gauges.h"

#include <prometheus/counter.h>
#include <prometheus/registry.h>

#include <algorithm>
#include <array>
#include <vector>

namespace keyrewind::metrics {
namespace {

const std::vector<double> kSeconds{0.01, 0.1, 1};

/// Others would let a client make series.
constexpr std::array kCodes{200, 201, 202, 204, 304, 400, 401, 403, 404, 405,
                            408, 409, 413, 415, 422, 429, 431, 500, 501, 503};

}  // namespace

struct HttpMetrics::Series {
  explicit Series(prometheus::Registry& to) : registry(to) {}

  prometheus::Registry& registry;
};

HttpMetrics::HttpMetrics(prometheus::Registry& registry)
    : series_(std::make_unique<Series>(registry)) {}

HttpMetrics::~HttpMetrics() = default;

void HttpMetrics::request(const std::string& handler, int status,
                          std::chrono::microseconds duration) {
  const bool known = std::ranges::find(kCodes, status) != kCodes.end();
  counter(series_->registry, "keyrewind_http_requests_total", "Requests that were answered.",
          {{"handler", handler}, {"code", known ? std::to_string(status) : "other"}})
      .Increment();
  observe(series_->registry, "keyrewind_http_request_duration_seconds",
          "How long answering them took.", {}, kSeconds,
          std::chrono::duration<double>(duration).count());
}

}  // namespace keyrewind::metrics
