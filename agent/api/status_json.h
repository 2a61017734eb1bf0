#pragma once

#include "api/agent_control.h"
#include "api/status.h"
#include "api/task.h"

#include <nlohmann/json.hpp>

#include <string_view>

/// What the agent says of itself, as JSON. Fields are only ever added.
namespace keyrewind::api {

std::string_view to_string(Task::Kind kind) noexcept;
std::string_view to_string(Task::State state) noexcept;
std::string_view to_string(Status::Agent::Role role) noexcept;

nlohmann::ordered_json to_json(const Health& health);
nlohmann::ordered_json to_json(const ScheduleStatus& schedule);
nlohmann::ordered_json to_json(const Status& status);
nlohmann::ordered_json to_json(const Task& task);
nlohmann::ordered_json to_json(const RestoreRequest& request);
/// The backup with its "lock".
nlohmann::ordered_json to_json(const BackupEntry& entry);

/// An array of what `to_json` makes of each.
template <typename Things>
nlohmann::ordered_json to_json_array(const Things& things) {
  auto array = nlohmann::ordered_json::array();
  for (const auto& thing : things) {
    array.push_back(to_json(thing));
  }
  return array;
}

}  // namespace keyrewind::api
