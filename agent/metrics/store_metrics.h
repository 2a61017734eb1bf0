#pragma once

#include "store/report.h"

#include <memory>
#include <string>

namespace prometheus {
class Registry;
}

namespace keyrewind::metrics {

/// What is asked of one repository. Every series has the labels `source` and `repository`:
///
/// keyrewind_store_requests_total by operation and result, keyrewind_store_request_retries_total
/// and keyrewind_store_request_duration_seconds by operation, keyrewind_store_sent_bytes_total,
/// keyrewind_store_received_bytes_total.
class StoreMetrics {
 public:
  /// `registry` must outlive this. `repository` is its name: "primary", or a copy's.
  StoreMetrics(prometheus::Registry& registry, std::string source, std::string repository);
  ~StoreMetrics();
  StoreMetrics(const StoreMetrics&) = delete;
  StoreMetrics& operator=(const StoreMetrics&) = delete;

  /// Counts it. May be called from any thread at once.
  void request(const store::RequestReport& report);

  /// Calls `request`; must not outlive this.
  store::Observer observer();

 private:
  struct Series;
  const std::unique_ptr<Series> series_;
};

}  // namespace keyrewind::metrics
