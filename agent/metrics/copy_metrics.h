#pragma once

#include "base/clock.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace keyrewind::metrics {

/// What is told of the copies of a repository, each by its name. Every series has the labels
/// `source` and `repository`. All functions may be called from any thread.
class CopyMetrics {
 public:
  /// `clock` must outlive the metrics.
  CopyMetrics(std::string source, const Clock& clock);
  ~CopyMetrics();
  CopyMetrics(const CopyMetrics&) = delete;
  CopyMetrics& operator=(const CopyMetrics&) = delete;

  /// From now on the counters of this copy are there.
  void add(const std::string& repository);

  /// keyrewind_copy_lag_seconds: how long ago `since` is, at the time of asking; 0 if the copy
  /// lacks nothing.
  void lacks_since(const std::string& repository, std::optional<Timestamp> since);

  /// Nobody knows: this process does not copy at present.
  void forget_lag(const std::string& repository);

  /// keyrewind_copy_objects_total, keyrewind_copy_bytes_total: one more was copied.
  void copied(const std::string& repository, std::uint64_t bytes);

  void failure(const std::string& repository);  ///< keyrewind_copy_failures_total

  /// keyrewind_copy_last_success_timestamp_seconds: it was complete just now.
  void success(const std::string& repository);

  /// All of it in the text format 0.0.4.
  std::string to_prometheus_text() const;

 private:
  struct Series;
  const std::unique_ptr<Series> series_;
};

}  // namespace keyrewind::metrics
