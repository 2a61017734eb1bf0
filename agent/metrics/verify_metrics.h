#pragma once

#include "base/clock.h"

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

namespace prometheus {
class Registry;
}

namespace keyrewind::metrics {

/// How thoroughly a backup was looked at. Each is a value of the label `level`.
enum class VerifyLevel { checksum, parse, load };

std::string_view to_string(VerifyLevel level) noexcept;

/// What became of it. Each is a value of the label `result`.
enum class VerifyResult {
  success,
  failure,    ///< The backup is not good.
  error,      ///< It could not be found out.
  cancelled,  ///< Somebody stopped it.
};

std::string_view to_string(VerifyResult result) noexcept;

/// What is told of verifications and drills. Every series has the labels `source` and `level`. All
/// functions may be called from any thread.
class VerifyMetrics {
 public:
  /// `registry` must outlive this. keyrewind_verify_runs_total is there from the beginning.
  VerifyMetrics(prometheus::Registry& registry, std::string source);
  ~VerifyMetrics();
  VerifyMetrics(const VerifyMetrics&) = delete;
  VerifyMetrics& operator=(const VerifyMetrics&) = delete;

  /// keyrewind_verify_runs_total by result, keyrewind_verify_duration_seconds,
  /// keyrewind_verify_last_attempt_success (0 also if it could not be found out), and
  /// keyrewind_verify_last_success_timestamp_seconds. One that was cancelled is counted, no more.
  void finished(VerifyLevel level, VerifyResult result, Timestamp when,
                std::chrono::milliseconds duration);

  /// The gauges alone, for what the catalog knows of an earlier run.
  void seed(VerifyLevel level, bool succeeded, Timestamp when);

 private:
  struct Series;
  const std::unique_ptr<Series> series_;
};

}  // namespace keyrewind::metrics
