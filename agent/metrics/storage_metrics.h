#pragma once

#include "base/clock.h"
#include "store/report.h"

#include <memory>
#include <optional>
#include <string>

namespace prometheus {
class Registry;
}

namespace keyrewind::metrics {

/// What is asked of one repository. Every series has the label
/// `repository`: "primary", or a copy's name. All functions may be called from any thread.
class StorageMetrics {
 public:
  /// `registry` must outlive this.
  StorageMetrics(prometheus::Registry& registry, std::string repository);
  ~StorageMetrics();
  StorageMetrics(const StorageMetrics&) = delete;
  StorageMetrics& operator=(const StorageMetrics&) = delete;

  /// keyrewind_storage_operations_total, keyrewind_storage_operation_retries_total and
  /// keyrewind_storage_operation_duration_seconds by operation,
  /// keyrewind_storage_operation_errors_total by operation and code,
  /// keyrewind_storage_transferred_bytes_total by direction. Each attempt is one.
  /// keyrewind_storage_credentials_expiry_timestamp_seconds is that of the last one; without an end
  /// the gauge goes.
  void request(const store::RequestReport& report);

  /// Calls `request`; must not outlive this.
  store::Observer observer();

 private:
  void credentials_end(std::optional<Timestamp> when);

  struct Series;
  const std::unique_ptr<Series> series_;
};

}  // namespace keyrewind::metrics
