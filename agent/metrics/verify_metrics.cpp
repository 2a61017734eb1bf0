#include "metrics/verify_metrics.h"

#include "metrics/gauges.h"

#include <prometheus/counter.h>
#include <prometheus/registry.h>

#include <array>
#include <utility>

namespace keyrewind::metrics {
namespace {

// In the order of the enumerations. They are values of labels: never rename.
constexpr std::array<std::string_view, 3> kLevels{"checksum", "parse", "load"};
constexpr std::array<std::string_view, 4> kResults{"success", "failure", "error", "cancelled"};

const std::vector<double> kSeconds{10, 600};

}  // namespace

std::string_view to_string(VerifyLevel level) noexcept {
  return kLevels[static_cast<std::size_t>(level)];
}

std::string_view to_string(VerifyResult result) noexcept {
  return kResults[static_cast<std::size_t>(result)];
}

struct VerifyMetrics::Series {
  Series(prometheus::Registry& to, std::string name) : registry(to), source(std::move(name)) {}

  Labels labels_of(std::string_view level) const {
    return {{"source", source}, {"level", std::string(level)}};
  }

  prometheus::Counter& runs(std::string_view level, std::string_view result) {
    Labels labels = labels_of(level);
    labels.emplace("result", result);
    return counter(registry, "keyrewind_verify_runs_total",
                   "Verifications of a backup, by what became of them.", labels);
  }

  void set(VerifyLevel level, bool succeeded, Timestamp when) {
    const Labels labels = labels_of(to_string(level));
    set_gauge(registry, "keyrewind_verify_last_attempt_success",
              "Whether the last verification found a good backup.", labels, succeeded ? 1 : 0);
    if (succeeded) {
      set_gauge(registry, "keyrewind_verify_last_success_timestamp_seconds",
                "When a verification last found a good backup.", labels, seconds_of(when));
    }
  }

  prometheus::Registry& registry;
  const std::string source;
};

VerifyMetrics::VerifyMetrics(prometheus::Registry& registry, std::string source)
    : series_(std::make_unique<Series>(registry, std::move(source))) {
  for (const std::string_view level : kLevels) {
    for (const std::string_view result : kResults) {
      series_->runs(level, result);
    }
  }
}

VerifyMetrics::~VerifyMetrics() = default;

void VerifyMetrics::finished(VerifyLevel level, VerifyResult result, Timestamp when,
                             std::chrono::milliseconds duration) {
  series_->runs(to_string(level), to_string(result)).Increment();
  if (result == VerifyResult::cancelled) {
    return;
  }
  observe(series_->registry, "keyrewind_verify_duration_seconds", "How long verifications took.",
          series_->labels_of(to_string(level)), kSeconds,
          static_cast<double>(duration.count()) / 1000.0);
  series_->set(level, result == VerifyResult::success, when);
}

void VerifyMetrics::seed(VerifyLevel level, bool succeeded, Timestamp when) {
  series_->set(level, succeeded, when);
}

}  // namespace keyrewind::metrics
