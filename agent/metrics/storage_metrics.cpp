#include "metrics/storage_metrics.h"

#include "metrics/gauges.h"

#include <prometheus/counter.h>
#include <prometheus/registry.h>

#include <chrono>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

namespace keyrewind::metrics {
namespace {

/// Seconds: from a HEAD next door to a part of an upload over a slow line.
const std::vector<double> kSeconds{0.1, 1, 10};

constexpr const char* kExpiry = "keyrewind_storage_credentials_expiry_timestamp_seconds";
constexpr const char* kExpiryHelp = "When the credentials in use end.";
constexpr const char* kOperations = "keyrewind_storage_operations_total";
constexpr const char* kOperationsHelp = "Requests to the repository, each attempt of its own.";
constexpr const char* kTransferred = "keyrewind_storage_transferred_bytes_total";
constexpr const char* kTransferredHelp = "Bytes of data that went to and came from the repository.";

/// The label `operation`: what a store's own words for its requests come down to.
std::string operation_of(std::string_view word) {
  if (word == "get" || word == "head" || word == "list" || word == "copy") {
    return std::string(word);
  }
  if (word == "head_bucket") {
    return "head";
  }
  if (word == "list_uploads") {
    return "list";
  }
  if (word == "copy_part") {
    return "copy";
  }
  if (word.starts_with("delete") || word == "abort_upload") {
    return "delete";
  }
  return "put";  // Parts of uploads, their beginning and end, object locks.
}

/// The label `code`; empty for what is no error: an answer that says no is an answer.
std::string code_of(std::string_view result) {
  if (result == "ok" || result == "missing" || result == "conflict") {
    return "";
  }
  if (result == "denied") {
    return "AccessDenied";
  }
  if (result == "slow_down") {
    return "SlowDown";
  }
  if (result == "no_answer") {
    return "Timeout";
  }
  return result == "server_error" ? "5xx" : "other";
}

}  // namespace

struct StorageMetrics::Series {
  Series(prometheus::Registry& to, std::string repository)
      : registry(to),
        labels{{"repository", std::move(repository)}},
        sent(counter(registry, kTransferred, kTransferredHelp, with("direction", "upload"))),
        received(counter(registry, kTransferred, kTransferredHelp, with("direction", "download"))) {
    for (const char* operation : {"put", "get", "head", "list", "delete", "copy"}) {
      counter(registry, kOperations, kOperationsHelp, with("operation", operation));
    }
  }

  Labels with(const std::string& name, const std::string& value) const {
    Labels more = labels;
    more.emplace(name, value);
    return more;
  }

  prometheus::Registry& registry;
  const Labels labels;
  prometheus::Counter& sent;
  prometheus::Counter& received;
  std::mutex mutex;  ///< Guards what follows, and its gauge.
  std::optional<Timestamp> credentials_end;
};

StorageMetrics::StorageMetrics(prometheus::Registry& registry, std::string repository)
    : series_(std::make_unique<Series>(registry, std::move(repository))) {}

StorageMetrics::~StorageMetrics() = default;

void StorageMetrics::request(const store::RequestReport& report) {
  const Labels operation = series_->with("operation", operation_of(report.operation));
  counter(series_->registry, kOperations, kOperationsHelp, operation).Increment();
  if (const std::string code = code_of(report.result); !code.empty()) {
    Labels failed = operation;
    failed.emplace("code", code);
    counter(series_->registry, "keyrewind_storage_operation_errors_total",
            "Requests to the repository that failed.", failed)
        .Increment();
  }
  if (report.retried) {
    counter(series_->registry, "keyrewind_storage_operation_retries_total",
            "Requests that failed and were tried again.", operation)
        .Increment();
  }
  observe(series_->registry, "keyrewind_storage_operation_duration_seconds",
          "How long requests to the repository took.", operation, kSeconds,
          std::chrono::duration<double>(report.duration).count());
  series_->sent.Increment(static_cast<double>(report.sent));
  series_->received.Increment(static_cast<double>(report.received));
  // A request that had none, since they could not be had, says nothing of their end.
  if (report.credentials_end || report.result == "ok") {
    credentials_end(report.credentials_end);
  }
}

store::Observer StorageMetrics::observer() {
  return [this](const store::RequestReport& report) { request(report); };
}

void StorageMetrics::credentials_end(std::optional<Timestamp> when) {
  const std::lock_guard lock(series_->mutex);
  if (std::exchange(series_->credentials_end, when) == when) {
    return;
  }
  if (when) {
    set_gauge(series_->registry, kExpiry, kExpiryHelp, series_->labels, seconds_of(*when));
  } else {
    remove_gauge(series_->registry, kExpiry, kExpiryHelp, series_->labels);
  }
}

}  // namespace keyrewind::metrics
