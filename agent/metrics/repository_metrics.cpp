#include "metrics/repository_metrics.h"

#include "metrics/gauges.h"

#include <prometheus/counter.h>
#include <prometheus/registry.h>

#include <map>
#include <mutex>
#include <utility>

namespace keyrewind::metrics {
namespace {

constexpr const char* kFrom = "keyrewind_recoverable_from_timestamp_seconds";
constexpr const char* kFromHelp = "The oldest moment that can be restored.";
constexpr const char* kUntil = "keyrewind_recoverable_until_timestamp_seconds";
constexpr const char* kUntilHelp = "The newest moment that can be restored.";
constexpr const char* kLimit = "keyrewind_repository_limit_bytes";
constexpr const char* kLimitHelp = "What the quota lets the repository hold.";
constexpr const char* kDeleted = "keyrewind_retention_deleted_backups_total";
constexpr const char* kDeletedHelp = "Backups that retention removed.";

}  // namespace

struct RepositoryMetrics::Series {
  Series(prometheus::Registry& to, std::string name) : registry(to), source(std::move(name)) {}

  Labels labels_of(const std::string& repository) const {
    return {{"source", source}, {"repository", repository}};
  }

  void set(const std::string& name, const std::string& help, const std::string& repository,
           double value) {
    set_gauge(registry, name, help, labels_of(repository), value);
  }

  void advance(const std::string& repository, Timestamp to) {
    const auto [known, is_new] = until.try_emplace(repository, to);
    if (known->second < to || is_new) {
      known->second = to;
      set(kUntil, kUntilHelp, repository, seconds_of(to));
    }
  }

  prometheus::Registry& registry;
  const std::string source;
  std::mutex mutex;  ///< Guards what follows, and that no series is removed while it is used.
  std::map<std::string, Timestamp> until;
};

RepositoryMetrics::RepositoryMetrics(prometheus::Registry& registry, std::string source)
    : series_(std::make_unique<Series>(registry, std::move(source))) {}

RepositoryMetrics::~RepositoryMetrics() = default;

void RepositoryMetrics::add(const std::string& repository) {
  counter(series_->registry, kDeleted, kDeletedHelp, series_->labels_of(repository));
}

void RepositoryMetrics::answered(const std::string& repository, bool yes) {
  set_gauge(series_->registry, "keyrewind_storage_up",
            "Whether the repository answered the last time.", {{"repository", repository}},
            yes ? 1 : 0);
}

void RepositoryMetrics::contents(const std::string& repository, std::uint64_t backups,
                                 std::uint64_t stored_bytes) {
  Labels labels = series_->labels_of(repository);
  labels.emplace("type", "snapshot");
  set_gauge(series_->registry, "keyrewind_repository_backups", "Backups in the repository.", labels,
            static_cast<double>(backups));
  series_->set("keyrewind_repository_stored_bytes", "Size of backups and logs in the repository.",
               repository, static_cast<double>(stored_bytes));
}

void RepositoryMetrics::limit(const std::string& repository, std::optional<std::uint64_t> bytes) {
  const std::lock_guard lock(series_->mutex);
  if (bytes) {
    series_->set(kLimit, kLimitHelp, repository, static_cast<double>(*bytes));
  } else {
    remove_gauge(series_->registry, kLimit, kLimitHelp, series_->labels_of(repository));
  }
}

void RepositoryMetrics::recoverable(const std::string& repository, std::optional<Timestamp> from,
                                    std::optional<Timestamp> until) {
  const std::lock_guard lock(series_->mutex);
  if (from && until) {
    series_->set(kFrom, kFromHelp, repository, seconds_of(*from));
    series_->advance(repository, *until);
    return;
  }
  series_->until.erase(repository);
  remove_gauge(series_->registry, kFrom, kFromHelp, series_->labels_of(repository));
  remove_gauge(series_->registry, kUntil, kUntilHelp, series_->labels_of(repository));
}

void RepositoryMetrics::recoverable_until(const std::string& repository, Timestamp until) {
  const std::lock_guard lock(series_->mutex);
  series_->advance(repository, until);
}

void RepositoryMetrics::retention_succeeded(const std::string& repository, Timestamp when,
                                            std::uint64_t deleted_backups) {
  series_->set("keyrewind_retention_last_success_timestamp_seconds",
               "When the retention rules were last applied.", repository, seconds_of(when));
  counter(series_->registry, kDeleted, kDeletedHelp, series_->labels_of(repository))
      .Increment(static_cast<double>(deleted_backups));
}

}  // namespace keyrewind::metrics
