#include "api/backup_json.h"
#include "api/idempotency.h"
#include "api/problem.h"
#include "api/routes.h"
#include "api/status_json.h"
#include "api/timeline_json.h"
#include "base/duration.h"
#include "base/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <utility>

namespace keyrewind::api {
namespace {

using http::Answer;
using http::ServedResponse;
using nlohmann::ordered_json;
using std::chrono::steady_clock;

constexpr std::size_t kUsualPage = 100;
constexpr std::size_t kLargestPage = 1000;
constexpr std::chrono::milliseconds kLongestWait = std::chrono::minutes(5);
/// Between two looks at a task that somebody waits for.
constexpr std::chrono::milliseconds kLookInterval{100};
constexpr std::size_t kLongestKey = 255;

std::pair<std::string, std::string> parse_label(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == 0 || equals == std::string::npos) {
    throw Error(ErrorKind::config, fmt::format("label '{}' is not of the form key=value", text));
  }
  return {text.substr(0, equals), text.substr(equals + 1)};
}

BackupFilter filter_of(const Call& call) {
  BackupFilter filter{.since = call.time("since"), .until = call.time("until")};
  for (const auto& [name, value] : call.request.target.query) {
    if (name == "label") {
      filter.labels.insert(parse_label(value));
    }
  }
  return filter;
}

/// Pages go from the newest to the oldest; a cursor names the last one that was shown.
std::optional<std::uint64_t> cursor_of(const Call& call) {
  const auto text = call.request.target.parameter("cursor");
  if (!text) {
    return std::nullopt;
  }
  std::uint64_t sequence = 0;
  const auto [end, failure] = std::from_chars(text->data(), text->data() + text->size(), sequence);
  if (failure != std::errc() || end != text->data() + text->size()) {
    throw Error(ErrorKind::config, "'cursor' must be the next_cursor of an earlier answer");
  }
  return sequence;
}

Answer list_backups(Call& call) {
  call.allow_only({"since", "until", "label", "limit", "cursor"});
  const std::size_t limit = call.number("limit", kUsualPage, kLargestPage);
  const auto cursor = cursor_of(call);
  auto backups = call.control.backups(filter_of(call));
  std::reverse(backups.begin(), backups.end());
  if (cursor) {
    std::erase_if(backups,
                  [&](const BackupEntry& entry) { return entry.commit.sequence >= *cursor; });
  }
  const bool is_last = backups.size() <= limit;
  backups.resize(std::min(backups.size(), limit));
  return json_response(
      {{"backups", to_json_array(backups)},
       {"next_cursor",
        is_last ? ordered_json() : ordered_json(std::to_string(backups.back().commit.sequence))}});
}

Answer show_backup(Call& call) {
  const BackupEntry entry = call.control.backup(call.captured["id"]);
  ordered_json json = to_json(entry.commit, call.control.manifest(entry.commit));
  json["lock"] = to_json(entry)["lock"];
  return json_response(json);
}

Answer change_backup(Call& call) {
  const auto body = call.body({"locked", "locked_until", "reason"});
  const auto locked = flag_member(body, "locked");
  const auto until_text = text_member(body, "locked_until");
  if (!locked || (!*locked && (until_text || body.contains("reason")))) {
    throw Error(ErrorKind::config,
                "the body must say \"locked\": true, with \"locked_until\" and \"reason\" if there "
                "are any, or \"locked\": false");
  }
  BackupEntry::Lock lock;
  if (until_text) {
    lock.until = from_rfc3339(*until_text);
    if (!lock.until) {
      throw Error(ErrorKind::config, "'locked_until' is no time; write it as 2026-11-20T13:02:21Z");
    }
  }
  lock.reason = text_member(body, "reason").value_or("");
  const std::string id = call.control.backup(call.captured["id"]).commit.id;
  if (*locked) {
    call.control.lock_backup(id, lock);
  } else {
    call.control.unlock_backup(id);
  }
  return json_response(to_json(call.control.backup(id)));
}

Answer delete_backup(Call& call) {
  call.control.delete_backup(call.control.backup(call.captured["id"]).commit.id);
  return ServedResponse{.status = 204};
}

ServedResponse task_response(const Task& task, int status) {
  ServedResponse response = json_response(to_json(task), status);
  response.headers.emplace_back("Location", "/api/v1/tasks/" + task.id);
  return response;
}

/// The task when it is over, or as it is at `end`.
Answer wait_for(AgentControl& control, const std::string& id, steady_clock::time_point end) {
  const auto task = control.task(id);
  if (!task) {
    return problem(404, fmt::format("there is no task '{}', or it ended long ago", id));
  }
  const auto now = steady_clock::now();
  if (task->is_over() || now >= end) {
    return task_response(*task, task->is_over() ? 200 : 202);
  }
  return http::Later{std::min(end, now + kLookInterval),
                     [&control, id, end] { return wait_for(control, id, end); }};
}

std::chrono::milliseconds wait_of(const Call& call) {
  const auto text = call.request.target.parameter("wait");
  if (!text) {
    return {};
  }
  const auto wait = parse_duration(*text);
  if (!wait || *wait > kLongestWait) {
    throw Error(ErrorKind::config, fmt::format("'wait' must be a duration of up to {}, such as 30s",
                                               to_duration(kLongestWait)));
  }
  return *wait;
}

StartBackup start_of(const Call& call) {
  const auto body = call.body({"labels", "final", "force"});
  StartBackup start;
  start.final = flag_member(body, "final").value_or(false);
  start.force = flag_member(body, "force").value_or(false);
  if (const auto labels = body.find("labels"); labels != body.end()) {
    if (!labels->is_object()) {
      throw Error(ErrorKind::config, "'labels' must be an object of texts");
    }
    for (const auto& [name, value] : labels->items()) {
      start.labels[name] = text_member(*labels, name).value_or("");
    }
  }
  return start;
}

/// Starts what `start` starts, unless the same was asked before under the same key.
template <typename Start>
std::string start_once(Call& call, const Start& start) {
  const std::string& key = call.request.header("idempotency-key");
  if (key.empty()) {
    return start();
  }
  if (key.size() > kLongestKey) {
    throw Error(ErrorKind::config,
                fmt::format("an Idempotency-Key has at most {} characters", kLongestKey));
  }
  const std::string content = call.request.raw_target + "\n" + call.request.body;
  if (const auto known = call.idempotency.begin(key, content)) {
    return *known;
  }
  try {
    const std::string id = start();
    call.idempotency.finish(key, id);
    return id;
  } catch (...) {
    call.idempotency.abandon(key);
    throw;
  }
}

Answer start_backup(Call& call) {
  call.allow_only({"wait"});
  const auto wait = wait_of(call);
  const StartBackup start = start_of(call);
  const std::string id = start_once(call, [&] { return call.control.start_backup(start); });
  return wait_for(call.control, id, steady_clock::now() + wait);
}

VerifyLevel level_of(const std::string& name) {
  if (name == "checksum") {
    return VerifyLevel::checksum;
  }
  if (name == "load") {
    return VerifyLevel::load;
  }
  if (name != "parse") {
    throw Error(ErrorKind::config, "'level' must be checksum, parse or load");
  }
  return VerifyLevel::parse;
}

Answer start_verify(Call& call) {
  call.allow_only({"wait"});
  const auto wait = wait_of(call);
  const VerifyLevel level = level_of(text_member(call.body({"level"}), "level").value_or("parse"));
  const std::string backup = call.control.backup(call.captured["id"]).commit.id;
  const std::string id = start_once(call, [&] { return call.control.start_verify(backup, level); });
  return wait_for(call.control, id, steady_clock::now() + wait);
}

Answer timeline(Call& call) {
  call.allow_only({"since", "until"});
  const TimeSpan span{call.time("since"), call.time("until")};
  return json_response(
      to_json(call.control.status().source.name, cut(call.control.timeline(), span)));
}

}  // namespace

std::vector<Route> backup_routes() {
  return {
      {"GET", "/api/v1/backups", Access::read, &list_backups},
      {"POST", "/api/v1/backups", Access::write, &start_backup},
      {"GET", "/api/v1/backups/{id}", Access::read, &show_backup},
      {"PATCH", "/api/v1/backups/{id}", Access::write, &change_backup},
      {"DELETE", "/api/v1/backups/{id}", Access::write, &delete_backup},
      {"POST", "/api/v1/backups/{id}/verify", Access::write, &start_verify},
      {"GET", "/api/v1/timeline", Access::read, &timeline},
  };
}

}  // namespace keyrewind::api
