#include "api/status_json.h"

#include "api/backup_json.h"

#include <optional>

namespace keyrewind::api {
namespace {

using nlohmann::ordered_json;

ordered_json time_or_null(const std::optional<Timestamp>& time) {
  return time ? ordered_json(to_rfc3339(*time)) : ordered_json();
}

ordered_json text_or_null(const std::string& text) {
  return text.empty() ? ordered_json() : ordered_json(text);
}

ordered_json total_or_null(std::uint64_t total) {
  return total == 0 ? ordered_json() : ordered_json(total);
}

ordered_json seconds_or_null(const std::optional<std::chrono::milliseconds>& time) {
  return time ? ordered_json(std::chrono::duration<double>(*time).count()) : ordered_json();
}

ordered_json to_json(const RepositoryStatus& repository) {
  return {{"name", repository.name},
          {"url", repository.url},
          {"reachable", repository.reachable},
          {"error", text_or_null(repository.error)},
          {"last_contact", time_or_null(repository.last_contact)},
          {"backups", repository.backups},
          {"stored_bytes", repository.stored_bytes},
          {"restorable_from", time_or_null(repository.restorable_from)},
          {"restorable_until", time_or_null(repository.restorable_until)},
          {"lag_seconds", seconds_or_null(repository.lag)}};
}

ordered_json to_json(const Status::Agent& agent) {
  return {{"version", agent.version},
          {"started", to_rfc3339(agent.started)},
          {"role", to_string(agent.role)},
          {"holder", text_or_null(agent.holder)},
          {"config_file", agent.config_file},
          {"config_loaded", to_rfc3339(agent.config_loaded)},
          {"config_error", text_or_null(agent.config_error)}};
}

ordered_json to_json(const Status::Source& source) {
  return {{"name", source.name},
          {"address", source.address},
          {"up", source.up},
          {"node", text_or_null(source.node)},
          {"role", text_or_null(source.role)},
          {"server", text_or_null(source.server)},
          {"error", text_or_null(source.error)}};
}

ordered_json to_json(const Status::Log& log) {
  return {{"enabled", log.enabled},
          {"attached", log.attached},
          {"lineage", text_or_null(log.lineage)},
          {"received_offset", log.received_offset},
          {"durable_offset", log.durable_offset},
          {"lag_bytes", log.lag_bytes},
          {"lag_seconds", seconds_or_null(log.lag)},
          {"spool_bytes", log.spool_bytes},
          {"spool_limit_bytes", log.spool_limit_bytes}};
}

ordered_json to_json(const Status::Guard& guard) {
  return {{"at", to_rfc3339(guard.at)},
          {"decision", guard.decision},
          {"reason", guard.reason},
          {"until", time_or_null(guard.until)}};
}

ordered_json to_json(const Task::Failure& failure) {
  return {{"kind", to_string(failure.kind)},
          {"exit_status",
           static_cast<int>(exit_status(Error(failure.side, failure.kind, failure.message)))},
          {"message", failure.message}};
}

}  // namespace

std::string_view to_string(Task::Kind kind) noexcept {
  switch (kind) {
    case Task::Kind::backup:
      return "backup";
    case Task::Kind::verify:
      return "verify";
    case Task::Kind::prune:
      return "prune";
    case Task::Kind::drill:
      return "drill";
    case Task::Kind::compact:
      return "compact";
  }
  return "backup";
}

std::string_view to_string(Task::State state) noexcept {
  switch (state) {
    case Task::State::queued:
      return "queued";
    case Task::State::running:
      return "running";
    case Task::State::succeeded:
      return "succeeded";
    case Task::State::failed:
      return "failed";
    case Task::State::cancelled:
      return "cancelled";
  }
  return "failed";
}

std::string_view to_string(Status::Agent::Role role) noexcept {
  switch (role) {
    case Status::Agent::Role::starting:
      return "starting";
    case Status::Agent::Role::active:
      return "active";
    case Status::Agent::Role::standby:
      return "standby";
  }
  return "starting";
}

ordered_json to_json(const Health& health) {
  auto reasons = ordered_json::array();
  for (const Health::Reason& reason : health.reasons) {
    reasons.push_back(
        {{"level", reason.level == Health::Reason::Level::error ? "error" : "warning"},
         {"code", reason.code},
         {"message", reason.message}});
  }
  return {{"healthy", health.is_healthy()}, {"reasons", std::move(reasons)}};
}

ordered_json to_json(const ScheduleStatus& schedule) {
  return {{"name", schedule.name},
          {"cron", schedule.cron},
          {"time_zone", schedule.time_zone},
          {"paused", schedule.paused},
          {"next", time_or_null(schedule.next)},
          {"last_attempt", time_or_null(schedule.last_attempt)},
          {"last_success", time_or_null(schedule.last_success)},
          {"last_result", text_or_null(schedule.last_result)},
          {"last_message", text_or_null(schedule.last_message)},
          {"missed", schedule.missed}};
}

ordered_json to_json(const Status& status) {
  auto repositories = ordered_json::array();
  for (const RepositoryStatus& repository : status.repositories) {
    repositories.push_back(to_json(repository));
  }
  return {{"health", to_json(status.health)},
          {"agent", to_json(status.agent)},
          {"source", to_json(status.source)},
          {"log", to_json(status.log)},
          {"guard", status.guard ? to_json(*status.guard) : ordered_json()},
          {"schedules", to_json_array(status.schedules)},
          {"repositories", std::move(repositories)},
          {"last_backup", status.last_backup ? to_json(*status.last_backup) : ordered_json()}};
}

ordered_json to_json(const Task& task) {
  return {{"id", task.id},
          {"kind", to_string(task.kind)},
          {"state", to_string(task.state)},
          {"schedule", text_or_null(task.schedule)},
          {"created", to_rfc3339(task.created)},
          {"started", time_or_null(task.started)},
          {"finished", time_or_null(task.finished)},
          {"done_bytes", task.done_bytes},
          {"total_bytes", total_or_null(task.total_bytes)},
          {"done_keys", task.done_keys},
          {"total_keys", total_or_null(task.total_keys)},
          {"fraction", task.fraction ? ordered_json(*task.fraction) : ordered_json()},
          {"result", task.result},
          {"failure", task.failure ? to_json(*task.failure) : ordered_json()}};
}

ordered_json to_json(const RestoreRequest& request) {
  return {{"backup", request.backup},
          {"at", text_or_null(request.at)},
          {"created", time_or_null(request.created)}};
}

ordered_json to_json(const BackupEntry& entry) {
  ordered_json json = to_json(entry.commit);
  json["lock"] = entry.lock ? ordered_json{{"until", time_or_null(entry.lock->until)},
                                           {"reason", text_or_null(entry.lock->reason)}}
                            : ordered_json();
  return json;
}

}  // namespace keyrewind::api
