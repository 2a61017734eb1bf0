#pragma once

#include "api/task.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/progress.h"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace keyrewind::daemon {

class Tasks;

/// One piece of work, for whoever does it: how far it has come, whether to go on, how it ended. Any
/// thread; ends once.
class Job {
 public:
  const std::string& id() const noexcept { return id_; }
  Progress& progress() noexcept { return progress_; }

  /// Requested when somebody cancels it.
  std::stop_token stop_token() const { return stop_.get_token(); }

  void begin();
  /// `result` is what the command prints with -o json.
  void succeed(nlohmann::ordered_json result);
  /// Error(cancelled) is no failure, but what was asked for.
  void fail(const Error& error);

 private:
  friend class Tasks;
  Job(Tasks& tasks, std::string id) : tasks_(tasks), id_(std::move(id)) {}
  void end(const std::function<void(api::Task&)>& change);

  Tasks& tasks_;
  const std::string id_;
  Progress progress_;
  std::stop_source stop_;
  api::Task task_;  ///< Guarded by the tasks' mutex.
};

/// The work of an agent: what waits, what runs, and the last ones that ended. Any thread.
class Tasks {
 public:
  /// So many that are over are remembered.
  static constexpr std::size_t kMostEnded = 100;

  /// `clock` must outlive the tasks, and these all jobs.
  explicit Tasks(const Clock& clock) : clock_(clock) {}

  /// One that waits. `schedule` is empty unless one asked for it.
  std::shared_ptr<Job> add(api::Task::Kind kind, const std::string& schedule);

  /// Newest first.
  std::vector<api::Task> list() const;
  std::optional<api::Task> find(const std::string& id) const;

  /// Asks it to stop. False if there is none of that id.
  bool cancel(const std::string& id);

  /// All that are not over yet, at the end of the agent.
  void cancel_all();

 private:
  friend class Job;
  void forget_some();
  static api::Task seen(const Job& job);

  const Clock& clock_;
  mutable std::mutex mutex_;  ///< Guards what follows, and each job's task.
  std::deque<std::shared_ptr<Job>> jobs_;
};

}  // namespace keyrewind::daemon
