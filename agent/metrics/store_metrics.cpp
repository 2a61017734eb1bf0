#include "metrics/store_metrics.h"

#include "metrics/gauges.h"

#include <prometheus/counter.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <chrono>
#include <utility>

namespace keyrewind::metrics {
namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Histogram;

/// Seconds: from a HEAD next door to a part of an upload over a slow line.
const Histogram::BucketBoundaries kSeconds{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
                                           1,     2.5,  5,     10,   30,  60};

Family<Counter>& counters(prometheus::Registry& registry, const std::string& name,
                          const std::string& help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

}  // namespace

struct StoreMetrics::Series {
  Series(prometheus::Registry& registry, Labels all)
      : labels(std::move(all)),
        requests(counters(registry, "keyrewind_store_requests_total",
                          "Requests to the repository, each attempt of its own.")),
        retries(counters(registry, "keyrewind_store_request_retries_total",
                         "Requests that failed and were tried again.")),
        durations(prometheus::BuildHistogram()
                      .Name("keyrewind_store_request_duration_seconds")
                      .Help("How long requests to the repository took.")
                      .Register(registry)),
        sent(counters(registry, "keyrewind_store_sent_bytes_total",
                      "Bytes of data that were sent to the repository.")
                 .Add(labels)),
        received(counters(registry, "keyrewind_store_received_bytes_total",
                          "Bytes of data that came from the repository.")
                     .Add(labels)) {}

  Labels with(const std::string& name, std::string_view value) const {
    Labels more = labels;
    more.emplace(name, value);
    return more;
  }

  const Labels labels;
  Family<Counter>& requests;
  Family<Counter>& retries;
  Family<Histogram>& durations;
  Counter& sent;
  Counter& received;
};

StoreMetrics::StoreMetrics(prometheus::Registry& registry, std::string source,
                           std::string repository)
    : series_(std::make_unique<Series>(
          registry, Labels{{"source", std::move(source)}, {"repository", std::move(repository)}})) {
}

StoreMetrics::~StoreMetrics() = default;

void StoreMetrics::request(const store::RequestReport& report) {
  const Labels operation = series_->with("operation", report.operation);
  Labels outcome = operation;
  outcome.emplace("result", report.result);
  series_->requests.Add(outcome).Increment();
  if (report.retried) {
    series_->retries.Add(operation).Increment();
  }
  series_->durations.Add(operation, kSeconds)
      .Observe(std::chrono::duration<double>(report.duration).count());
  series_->sent.Increment(static_cast<double>(report.sent));
  series_->received.Increment(static_cast<double>(report.received));
}

store::Observer StoreMetrics::observer() {
  return [this](const store::RequestReport& report) { request(report); };
}

}  // namespace keyrewind::metrics
