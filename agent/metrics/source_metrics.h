#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace prometheus {
class Registry;
}

namespace keyrewind::metrics {

/// The node that the log is read from, as INFO shows it.
struct SourceNode {
  std::string server;   ///< "redis" or "valkey".
  std::string version;  ///< "8.1.0".
  std::string role;     ///< "primary" or "replica".

  bool operator==(const SourceNode&) const = default;
};

/// What is told of the server that is backed up. Every series has the label `source`; gauges but
/// the first are there once their value is known. All functions may be called from any thread.
class SourceMetrics {
 public:
  /// `registry` must outlive this.
  SourceMetrics(prometheus::Registry& registry, std::string source);
  ~SourceMetrics();
  SourceMetrics(const SourceMetrics&) = delete;
  SourceMetrics& operator=(const SourceMetrics&) = delete;

  /// keyrewind_source_up: a node of it answers, and lets us in.
  void up(bool yes);

  /// keyrewind_source_info, with labels `server`, `server_version` and `role`: one series, of the
  /// node that was told last.
  void node(const SourceNode& node);

  /// keyrewind_source_dataset_bytes, keyrewind_source_keys. What is not known keeps its value.
  void dataset(std::optional<std::uint64_t> bytes, std::optional<std::uint64_t> keys);

 private:
  struct Series;
  const std::unique_ptr<Series> series_;
};

}  // namespace keyrewind::metrics
