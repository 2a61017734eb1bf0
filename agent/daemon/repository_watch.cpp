#include "daemon/repository_watch.h"

#include "base/log.h"
#include "catalog/catalog.h"
#include "catalog/repository.h"
#include "catalog/timeline.h"
#include "catalog/usage.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace keyrewind::daemon {

RepositoryWatch::RepositoryWatch(std::vector<WatchedRepository> repositories, std::string source,
                                 Observations& seen, metrics::AgentMetrics& metrics,
                                 const Clock& clock)
    : repositories_(std::move(repositories)),
      source_(std::move(source)),
      seen_(seen),
      metrics_(metrics),
      clock_(clock) {
  seen_.change([&](Observations::Seen& all) {
    for (const WatchedRepository& repository : repositories_) {
      all.status.repositories.push_back({.name = repository.name, .url = repository.store.url()});
    }
  });
  for (const WatchedRepository& repository : repositories_) {
    metrics_.repositories().add(repository.name);
  }
}

template <typename Change>
void RepositoryWatch::change(const std::string& name, Change change) {
  seen_.change([&](Observations::Seen& all) {
    for (api::RepositoryStatus& status : all.status.repositories) {
      if (status.name == name) {
        change(status, all);
      }
    }
  });
}

void RepositoryWatch::note_answer(const std::string& name) {
  const Timestamp now = clock_.now();
  metrics_.repositories().answered(name, true);
  change(name, [&](api::RepositoryStatus& status, Observations::Seen& all) {
    status.reachable = true;
    status.error.clear();
    status.last_contact = now;
    all.unreachable_since.erase(name);
  });
}

void RepositoryWatch::note_failure(const std::string& name, const Error& error) {
  const Timestamp now = clock_.now();
  metrics_.repositories().answered(name, false);
  change(name, [&](api::RepositoryStatus& status, Observations::Seen& all) {
    status.reachable = false;
    status.error = error.what();
    all.unreachable_since.emplace(name, now);
  });
}

void RepositoryWatch::look(const std::stop_token& stop) {
  for (const WatchedRepository& repository : repositories_) {
    try {
      catalog::inspect(repository.store, stop);
      note_answer(repository.name);
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::cancelled) {
        return;
      }
      note_failure(repository.name, error);
    }
  }
}

bool RepositoryWatch::count(const std::stop_token& stop) {
  bool own_was_read = true;
  for (std::size_t i = 0; i < repositories_.size() && !stop.stop_requested(); ++i) {
    const bool was_read = count(repositories_[i], i == 0, stop);
    own_was_read = i == 0 ? was_read : own_was_read;
  }
  return own_was_read && !stop.stop_requested();
}

bool RepositoryWatch::count(const WatchedRepository& repository, bool is_own,
                            const std::stop_token& stop) {
  try {
    std::vector<catalog::Commit> backups;
    catalog::Timeline timeline;
    std::uint64_t bytes = 0;
    if (catalog::inspect(repository.store, stop) == catalog::Place::repository) {
      const catalog::Catalog catalog(repository.store, source_);
      backups = catalog.list(stop);
      timeline = catalog::read_outline(catalog, stop);
      bytes = catalog::measure_usage(catalog, stop).bytes;
    }
    note_answer(repository.name);
    const auto from =
        timeline.windows.empty() ? std::nullopt : std::optional(timeline.windows.front().from);
    const auto until =
        timeline.windows.empty() ? std::nullopt : std::optional(timeline.windows.back().until);
    change(repository.name, [&](api::RepositoryStatus& status, Observations::Seen& all) {
      status.backups = backups.size();
      status.stored_bytes = bytes;
      status.restorable_from = from;
      status.restorable_until = until;
      if (is_own && !backups.empty()) {
        all.status.last_backup = backups.back();
      }
    });
    metrics_.repositories().contents(repository.name, backups.size(), bytes);
    metrics_.repositories().recoverable(repository.name, from, until);
    if (is_own) {
      const std::lock_guard lock(mutex_);
      backups_ = std::move(backups);
    }
    return true;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::cancelled) {
      note_failure(repository.name, error);
      log::debug("repository not counted",
                 {{"repository", repository.name}, {"error", error.what()}});
    }
    return false;
  }
}

std::vector<catalog::Commit> RepositoryWatch::backups() const {
  const std::lock_guard lock(mutex_);
  return backups_;
}

void RepositoryWatch::add(const catalog::Commit& commit) {
  {
    const std::lock_guard lock(mutex_);
    backups_.push_back(commit);
  }
  change(repositories_.front().name, [&](api::RepositoryStatus& status, Observations::Seen& all) {
    ++status.backups;
    status.stored_bytes += commit.stored_bytes;
    all.status.last_backup = commit;
    metrics_.repositories().contents(status.name, status.backups, status.stored_bytes);
  });
}

std::map<std::string, std::vector<Timestamp>> started_by_schedule(
    const std::vector<catalog::Commit>& backups) {
  std::map<std::string, std::vector<Timestamp>> started;
  for (const catalog::Commit& commit : backups) {
    if (!commit.origin.schedule.empty()) {
      started[commit.origin.schedule].push_back(commit.created);
    }
  }
  return started;
}

}  // namespace keyrewind::daemon
