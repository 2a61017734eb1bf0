#include "metrics/source_metrics.h"

#include "metrics/gauges.h"

#include <prometheus/registry.h>

#include <mutex>
#include <utility>

namespace keyrewind::metrics {
namespace {

constexpr const char* kInfo = "keyrewind_source_info";
constexpr const char* kInfoHelp = "The server that the log is read from.";

}  // namespace

struct SourceMetrics::Series {
  Series(prometheus::Registry& to, std::string name) : registry(to), source(std::move(name)) {}

  void set(const std::string& name, const std::string& help, double value) {
    set_gauge(registry, name, help, {{"source", source}}, value);
  }

  Labels labels_of(const SourceNode& node) const {
    return {{"source", source},
            {"server", node.server},
            {"server_version", node.version},
            {"role", node.role}};
  }

  prometheus::Registry& registry;
  const std::string source;
  std::mutex mutex;  ///< Guards what follows, and that no series is removed while it is used.
  std::optional<SourceNode> told;
};

SourceMetrics::SourceMetrics(prometheus::Registry& registry, std::string source)
    : series_(std::make_unique<Series>(registry, std::move(source))) {
  up(false);
}

SourceMetrics::~SourceMetrics() = default;

void SourceMetrics::up(bool yes) {
  series_->set("keyrewind_source_up", "Whether a node of the source answers and lets us in.",
               yes ? 1 : 0);
}

void SourceMetrics::node(const SourceNode& node) {
  const std::lock_guard lock(series_->mutex);
  if (series_->told && *series_->told != node) {
    remove_gauge(series_->registry, kInfo, kInfoHelp, series_->labels_of(*series_->told));
  }
  series_->told = node;
  set_gauge(series_->registry, kInfo, kInfoHelp, series_->labels_of(node), 1);
}

void SourceMetrics::dataset(std::optional<std::uint64_t> bytes, std::optional<std::uint64_t> keys) {
  if (bytes) {
    series_->set("keyrewind_source_dataset_bytes", "Memory that the data takes in the server.",
                 static_cast<double>(*bytes));
  }
  if (keys) {
    series_->set("keyrewind_source_keys", "Keys in all databases of the server.",
                 static_cast<double>(*keys));
  }
}

}  // namespace keyrewind::metrics
