#include "daemon/tasks.h"

#include "base/random.h"

#include <algorithm>
#include <utility>

namespace keyrewind::daemon {
namespace {

constexpr std::size_t kRandomBytes = 4;

}  // namespace

void Job::begin() {
  const std::lock_guard lock(tasks_.mutex_);
  if (task_.state == api::Task::State::queued) {
    task_.state = api::Task::State::running;
    task_.started = tasks_.clock_.now();
  }
}

void Job::succeed(nlohmann::ordered_json result) {
  end([&](api::Task& task) {
    task.state = api::Task::State::succeeded;
    task.result = std::move(result);
  });
}

void Job::fail(const Error& error) {
  end([&](api::Task& task) {
    if (error.kind() == ErrorKind::cancelled) {
      task.state = api::Task::State::cancelled;
      return;
    }
    task.state = api::Task::State::failed;
    task.failure = {.side = error.side(), .kind = error.kind(), .message = error.what()};
  });
}

void Job::end(const std::function<void(api::Task&)>& change) {
  const std::lock_guard lock(tasks_.mutex_);
  if (!task_.is_over()) {
    change(task_);
    task_.finished = tasks_.clock_.now();
    tasks_.forget_some();
  }
}

std::shared_ptr<Job> Tasks::add(api::Task::Kind kind, const std::string& schedule) {
  const Timestamp now = clock_.now();
  const std::string id = to_compact(now) + "-" + random_hex(kRandomBytes);
  std::shared_ptr<Job> job(new Job(*this, id));
  job->task_.id = id;
  job->task_.kind = kind;
  job->task_.schedule = schedule;
  job->task_.created = now;
  const std::lock_guard lock(mutex_);
  jobs_.push_back(job);
  return job;
}

api::Task Tasks::seen(const Job& job) {
  api::Task task = job.task_;
  task.done_bytes = job.progress_.bytes;
  task.total_bytes = job.progress_.total_bytes;
  task.done_keys = job.progress_.keys;
  task.total_keys = job.progress_.total_keys;
  task.fraction = job.progress_.fraction();
  return task;
}

std::vector<api::Task> Tasks::list() const {
  const std::lock_guard lock(mutex_);
  std::vector<api::Task> tasks;
  std::transform(jobs_.rbegin(), jobs_.rend(), std::back_inserter(tasks),
                 [](const auto& job) { return seen(*job); });
  return tasks;
}

std::optional<api::Task> Tasks::find(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find(jobs_, id, [](const auto& job) { return job->id(); });
  return found == jobs_.end() ? std::nullopt : std::optional(seen(**found));
}

bool Tasks::cancel(const std::string& id) {
  std::shared_ptr<Job> job;
  {
    const std::lock_guard lock(mutex_);
    const auto found = std::ranges::find(jobs_, id, [](const auto& other) { return other->id(); });
    if (found == jobs_.end()) {
      return false;
    }
    job = *found;
  }
  // Not under the lock: whoever listens may want to end it at once.
  job->stop_.request_stop();
  return true;
}

void Tasks::cancel_all() {
  std::vector<std::shared_ptr<Job>> jobs;
  {
    const std::lock_guard lock(mutex_);
    std::ranges::copy_if(jobs_, std::back_inserter(jobs),
                         [](const auto& job) { return !job->task_.is_over(); });
  }
  for (const auto& job : jobs) {
    job->stop_.request_stop();
  }
}

void Tasks::forget_some() {
  auto ended = std::ranges::count_if(jobs_, [](const auto& job) { return job->task_.is_over(); });
  for (auto job = jobs_.begin();
       ended > static_cast<std::ptrdiff_t>(kMostEnded) && job != jobs_.end();) {
    if ((*job)->task_.is_over()) {
      job = jobs_.erase(job);
      --ended;
    } else {
      ++job;
    }
  }
}

}  // namespace keyrewind::daemon
