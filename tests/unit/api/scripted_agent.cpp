#include "scripted_agent.h"

#include "base/error.h"

#include <algorithm>
#include <chrono>

namespace keyrewind::api {
namespace {

/// Second `count` of 2026-11-20.
Timestamp at(int count) {
  return std::chrono::sys_days(std::chrono::year(2026) / 11 / 20) + std::chrono::seconds(count);
}

}  // namespace

ScriptedAgent::ScriptedAgent() {
  add_backups(3);
  schedules_ = {{.name = "nightly", .cron = "0 3 * * *", .time_zone = "UTC", .next = at(10800)}};
}

void ScriptedAgent::add_backups(std::size_t number) {
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < number; ++i) {
    BackupEntry entry;
    entry.commit.sequence = backups_.size() + 1;
    entry.commit.id = "backup-" + std::to_string(entry.commit.sequence);
    entry.commit.source = "orders";
    entry.commit.created = at(static_cast<int>(entry.commit.sequence));
    entry.commit.finished = entry.commit.created;
    entry.commit.server = "Valkey 8.1.1";
    entry.commit.labels["number"] = std::to_string(entry.commit.sequence);
    backups_.push_back(entry);
  }
}

void ScriptedAgent::end_task(const std::string& id, Task::State state) {
  const std::lock_guard lock(mutex_);
  for (Task& task : tasks_) {
    if (task.id == id) {
      task.state = state;
      task.finished = at(2);
      if (state == Task::State::succeeded) {
        task.result = {{"id", "backup-4"}};
      } else if (state == Task::State::failed) {
        task.failure = {Side::source, ErrorKind::unavailable, "orders:6379 is not there"};
      }
    }
  }
}

Status ScriptedAgent::status() const {
  Status status;
  status.agent = {.version = "0", .started = at(0), .role = Status::Agent::Role::active};
  status.source = {.name = "orders", .address = "valkey://orders:6379", .up = true};
  status.log.attached = true;
  status.log.lag = std::chrono::milliseconds(1500);
  status.guard = {.at = at(1), .decision = "fork", .reason = "enough memory"};
  status.schedules = schedules();
  status.repositories = {{.name = "primary", .url = "file:///r", .reachable = true}};
  status.last_backup = backup("latest").commit;
  status.health = health();
  return status;
}

Health ScriptedAgent::health() const {
  Health health;
  if (healthy) {
    health.reasons.push_back({Health::Reason::Level::warning, "copy_behind", "a copy is behind"});
  } else {
    health.reasons.push_back({Health::Reason::Level::error, "log_detached", "no log"});
  }
  return health;
}

bool ScriptedAgent::is_ready() const {
  return healthy;
}

nlohmann::ordered_json ScriptedAgent::config() const {
  return {{"version", 1}};
}

void ScriptedAgent::reload() {
  if (reload_failure) {
    throw Error(*reload_failure);
  }
}

void ScriptedAgent::fail_if_scripted() const {
  if (failure) {
    throw Error(*failure);
  }
}

std::vector<BackupEntry> ScriptedAgent::backups(const BackupFilter& filter) const {
  fail_if_scripted();
  const std::lock_guard lock(mutex_);
  std::vector<BackupEntry> found;
  std::copy_if(backups_.begin(), backups_.end(), std::back_inserter(found),
               [&](const BackupEntry& entry) {
                 const auto& commit = entry.commit;
                 return (!filter.since || commit.created >= *filter.since) &&
                        (!filter.until || commit.created <= *filter.until) &&
                        std::includes(commit.labels.begin(), commit.labels.end(),
                                      filter.labels.begin(), filter.labels.end());
               });
  return found;
}

BackupEntry ScriptedAgent::backup(const std::string& id) const {
  fail_if_scripted();
  const std::lock_guard lock(mutex_);
  if (id == "latest" && !backups_.empty()) {
    return backups_.back();
  }
  for (const BackupEntry& entry : backups_) {
    if (entry.commit.id == id) {
      return entry;
    }
  }
  throw Error(Side::repository, ErrorKind::no_backup, "no backup '" + id + "'");
}

catalog::Manifest ScriptedAgent::manifest(const catalog::Commit& commit) const {
  fail_if_scripted();
  catalog::Manifest manifest;
  manifest.id = commit.id;
  manifest.source = commit.source;
  return manifest;
}

catalog::Timeline ScriptedAgent::timeline() const {
  fail_if_scripted();
  catalog::Timeline timeline;
  catalog::Window window;
  window.lineage = std::string(40, 'a');
  window.from = at(1);
  window.until = at(9);
  window.snapshots.emplace_back();
  window.snapshots.back().commit = backup("latest").commit;
  timeline.windows = {window};
  timeline.gaps = {{.from = at(9), .until = at(10), .lineage = window.lineage, .reason = "gone"}};
  catalog::TimelineEvent event;
  event.id = "aaaaaaaa-5";
  event.kind = "command";
  event.command = "FLUSHALL";
  event.database = 0;
  event.at = at(5);
  event.lineage = window.lineage;
  timeline.events = {event};
  return timeline;
}

BackupEntry* ScriptedAgent::find(const std::string& id) {
  const auto found = std::find_if(backups_.begin(), backups_.end(),
                                  [&](const BackupEntry& entry) { return entry.commit.id == id; });
  return found == backups_.end() ? nullptr : &*found;
}

void ScriptedAgent::lock_backup(const std::string& id, const BackupEntry::Lock& lock) {
  const std::lock_guard guard(mutex_);
  find(id)->lock = lock;
}

void ScriptedAgent::unlock_backup(const std::string& id) {
  const std::lock_guard guard(mutex_);
  find(id)->lock.reset();
}

void ScriptedAgent::delete_backup(const std::string& id) {
  const std::lock_guard guard(mutex_);
  if (find(id)->lock) {
    throw Error(ErrorKind::busy, "backup " + id + " is locked");
  }
  std::erase_if(backups_, [&](const BackupEntry& entry) { return entry.commit.id == id; });
}

std::vector<ScheduleStatus> ScriptedAgent::schedules() const {
  const std::lock_guard lock(mutex_);
  return schedules_;
}

bool ScriptedAgent::pause_schedule(const std::string& name) {
  const std::lock_guard lock(mutex_);
  schedules_.front().paused = name == "nightly";
  return name == "nightly";
}

bool ScriptedAgent::resume_schedule(const std::string& name) {
  const std::lock_guard lock(mutex_);
  schedules_.front().paused = name != "nightly";
  return name == "nightly";
}

std::optional<std::string> ScriptedAgent::run_schedule(const std::string& name) {
  return name == "nightly" ? std::optional(start(Task::Kind::backup, name)) : std::nullopt;
}

std::string ScriptedAgent::start_backup(const StartBackup& request) {
  fail_if_scripted();
  {
    const std::lock_guard lock(mutex_);
    started.push_back(request);
  }
  return start(Task::Kind::backup, "");
}

std::string ScriptedAgent::start_verify(const std::string&, VerifyLevel) {
  return start(Task::Kind::verify, "");
}

std::string ScriptedAgent::start(Task::Kind kind, const std::string& schedule) {
  const std::lock_guard lock(mutex_);
  Task task;
  task.id = "task-" + std::to_string(tasks_.size() + 1);
  task.kind = kind;
  task.state = Task::State::running;
  task.schedule = schedule;
  task.created = at(1);
  tasks_.push_back(task);
  return task.id;
}

std::vector<Task> ScriptedAgent::tasks() const {
  const std::lock_guard lock(mutex_);
  return {tasks_.rbegin(), tasks_.rend()};
}

std::optional<Task> ScriptedAgent::task(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  for (const Task& task : tasks_) {
    if (task.id == id) {
      return task;
    }
  }
  return std::nullopt;
}

bool ScriptedAgent::cancel_task(const std::string& id) {
  const bool is_there = task(id).has_value();
  end_task(id, Task::State::cancelled);
  return is_there;
}

std::optional<RestoreRequest> ScriptedAgent::restore_request() const {
  fail_if_scripted();
  const std::lock_guard lock(mutex_);
  return request_;
}

void ScriptedAgent::put_restore_request(const RestoreRequest& request) {
  const std::lock_guard lock(mutex_);
  request_ = request;
  request_->created = at(3);
}

bool ScriptedAgent::delete_restore_request() {
  const std::lock_guard lock(mutex_);
  return std::exchange(request_, std::nullopt).has_value();
}

}  // namespace keyrewind::api
