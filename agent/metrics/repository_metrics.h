#pragma once

#include "base/clock.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace prometheus {
class Registry;
}

namespace keyrewind::metrics {

/// What is told of the contents of each repository. Every series has the labels `source` and
/// `repository`: "primary", or a copy's name. Gauges are there once their value is known. All
/// functions may be called from any thread.
class RepositoryMetrics {
 public:
  /// `registry` must outlive this.
  RepositoryMetrics(prometheus::Registry& registry, std::string source);
  ~RepositoryMetrics();
  RepositoryMetrics(const RepositoryMetrics&) = delete;
  RepositoryMetrics& operator=(const RepositoryMetrics&) = delete;

  /// From now on the counters of this repository are there.
  void add(const std::string& repository);

  /// keyrewind_storage_up, without the label `source`: whether it answered the last time.
  void answered(const std::string& repository, bool yes);

  /// keyrewind_repository_backups (its label `type` is "snapshot"),
  /// keyrewind_repository_stored_bytes: backups and logs together.
  void contents(const std::string& repository, std::uint64_t backups, std::uint64_t stored_bytes);

  /// keyrewind_repository_limit_bytes: quotas.max_stored. Without one the gauge goes.
  void limit(const std::string& repository, std::optional<std::uint64_t> bytes);

  /// keyrewind_recoverable_from_timestamp_seconds, keyrewind_recoverable_until_timestamp_seconds:
  /// the oldest and the newest moment that can be restored. The latter only moves forward, since
  /// the log moves it, too (AgentMetrics::recoverable_until). Nothing: there is none, both go.
  void recoverable(const std::string& repository, std::optional<Timestamp> from,
                   std::optional<Timestamp> until);
  void recoverable_until(const std::string& repository, Timestamp until);

  /// keyrewind_retention_last_success_timestamp_seconds, keyrewind_retention_deleted_backups_total.
  void retention_succeeded(const std::string& repository, Timestamp when,
                           std::uint64_t deleted_backups);

 private:
  struct Series;
  const std::unique_ptr<Series> series_;
};

}  // namespace keyrewind::metrics
