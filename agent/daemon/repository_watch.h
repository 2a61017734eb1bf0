#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "catalog/manifest.h"
#include "daemon/observations.h"
#include "metrics/agent_metrics.h"
#include "store/object_store.h"

#include <cstdint>
#include <map>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

namespace keyrewind::daemon {

/// One of the repositories that are watched: the first one is the agent's own.
struct WatchedRepository {
  std::string name;
  store::ObjectStore& store;
};

/// Knows whether the repositories answer, and what they hold. One thread looks, any asks.
class RepositoryWatch {
 public:
  /// The stores, `seen`, `metrics` and `clock` must outlive the watch. Nothing is contacted yet.
  RepositoryWatch(std::vector<WatchedRepository> repositories, std::string source,
                  Observations& seen, metrics::AgentMetrics& metrics, const Clock& clock);

  /// Asks each whether it is there: one small request.
  void look(const std::stop_token& stop);

  /// Reads what each holds, and tells it. False if the agent's own could not be read. What that
  /// costs grows with the number of backups and segments.
  bool count(const std::stop_token& stop);

  /// The backups of the agent's own repository as of the last count, oldest first.
  std::vector<catalog::Commit> backups() const;

  /// Another one is there now.
  void add(const catalog::Commit& commit);

 private:
  bool count(const WatchedRepository& repository, bool is_own, const std::stop_token& stop);
  void note_answer(const std::string& name);
  void note_failure(const std::string& name, const Error& error);
  template <typename Change>
  void change(const std::string& name, Change change);

  const std::vector<WatchedRepository> repositories_;
  const std::string source_;
  Observations& seen_;
  metrics::AgentMetrics& metrics_;
  const Clock& clock_;

  mutable std::mutex mutex_;  ///< Guards what follows.
  std::vector<catalog::Commit> backups_;
};

/// When the backups of each schedule were begun.
std::map<std::string, std::vector<Timestamp>> started_by_schedule(
    const std::vector<catalog::Commit>& backups);

}  // namespace keyrewind::daemon
