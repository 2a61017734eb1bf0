#include "metrics/copy_metrics.h"

#include "metrics/gauges.h"

#include <prometheus/counter.h>
#include <prometheus/registry.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>

namespace keyrewind::metrics {

/// The registry, and what stands in it only once it is asked for.
struct CopyMetrics::Series {
  Series(std::string name, const Clock& time) : source(std::move(name)), clock(time) {}

  Labels labels_of(const std::string& repository) const {
    return {{"source", source}, {"repository", repository}};
  }

  prometheus::Counter& counter(const std::string& name, const std::string& help,
                               const std::string& repository) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add(
        labels_of(repository));
  }

  prometheus::Counter& objects(const std::string& repository) {
    return counter("keyrewind_copy_objects_total", "Objects that were copied.", repository);
  }
  prometheus::Counter& bytes(const std::string& repository) {
    return counter("keyrewind_copy_bytes_total", "Bytes of those objects.", repository);
  }
  prometheus::Counter& failures(const std::string& repository) {
    return counter("keyrewind_copy_failures_total",
                   "Attempts to bring a copy up to date that failed.", repository);
  }

  const std::string source;
  const Clock& clock;
  prometheus::Registry registry;
  std::mutex mutex;  ///< Guards what follows.
  std::map<std::string, std::optional<Timestamp>> lacks_since;
};

CopyMetrics::CopyMetrics(std::string source, const Clock& clock)
    : series_(std::make_unique<Series>(std::move(source), clock)) {}

CopyMetrics::~CopyMetrics() = default;

void CopyMetrics::add(const std::string& repository) {
  series_->objects(repository);
  series_->bytes(repository);
  series_->failures(repository);
}

void CopyMetrics::lacks_since(const std::string& repository, std::optional<Timestamp> since) {
  const std::lock_guard lock(series_->mutex);
  series_->lacks_since[repository] = since;
}

void CopyMetrics::forget_lag(const std::string& repository) {
  const std::lock_guard lock(series_->mutex);
  series_->lacks_since.erase(repository);
}

void CopyMetrics::copied(const std::string& repository, std::uint64_t bytes) {
  series_->objects(repository).Increment();
  series_->bytes(repository).Increment(static_cast<double>(bytes));
}

void CopyMetrics::failure(const std::string& repository) {
  series_->failures(repository).Increment();
}

void CopyMetrics::success(const std::string& repository) {
  set_gauge(series_->registry, "keyrewind_copy_last_success_timestamp_seconds",
            "When the copy was last found to be complete.", series_->labels_of(repository),
            seconds_of(series_->clock.now()));
}

std::string CopyMetrics::to_prometheus_text() const {
  // The lag goes on growing while nobody has news of it, and ends with who copies.
  prometheus::Registry lags;
  const Timestamp now = series_->clock.now();
  {
    const std::lock_guard lock(series_->mutex);
    for (const auto& [repository, since] : series_->lacks_since) {
      const auto lag = since ? std::max(now - *since, std::chrono::milliseconds(0))
                             : std::chrono::milliseconds(0);
      set_gauge(lags, "keyrewind_copy_lag_seconds",
                "Age of the oldest object that the copy lacks; 0 if it lacks none.",
                series_->labels_of(repository), static_cast<double>(lag.count()) / 1000.0);
    }
  }
  return to_text(lags) + to_text(series_->registry);
}

}  // namespace keyrewind::metrics
