#include "api/problem.h"
#include "api/routes.h"
#include "api/status_json.h"
#include "base/error.h"

#include <fmt/format.h>

namespace keyrewind::api {
namespace {

using http::Answer;
using http::ServedResponse;

/// Kubernetes starts a container again that does not answer 200 here. That helps against nothing
/// which a person must look at, so what is the matter stands in the body alone.
Answer healthy(Call& call) {
  return json_response(to_json(call.control.health()), call.control.is_alive() ? 200 : 503);
}

Answer ready(Call& call) {
  const bool is_ready = call.control.is_ready();
  return json_response({{"ready", is_ready}}, is_ready ? 200 : 503);
}

Answer reload(Call& call) {
  try {
    call.control.reload();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::config) {
      throw;
    }
    // The request is fine, the file isn't.
    return problem(422, error.what());
  }
  return json_response({{"reloaded", true}});
}

Answer status(Call& call) {
  return json_response(to_json(call.control.status()));
}

Answer config(Call& call) {
  return json_response(call.control.config());
}

Answer schedules(Call& call) {
  return json_response({{"schedules", to_json_array(call.control.schedules())}});
}

/// The schedule as it is now, if there is one of that name.
Answer schedule_or_problem(Call& call, bool is_there) {
  const std::string& name = call.captured["name"];
  for (const ScheduleStatus& schedule : call.control.schedules()) {
    if (is_there && schedule.name == name) {
      return json_response(to_json(schedule));
    }
  }
  return problem(404, fmt::format("there is no schedule '{}'", name));
}

Answer pause_schedule(Call& call) {
  return schedule_or_problem(call, call.control.pause_schedule(call.captured["name"]));
}

Answer resume_schedule(Call& call) {
  return schedule_or_problem(call, call.control.resume_schedule(call.captured["name"]));
}

Answer task_answer(const Task& task, int status) {
  ServedResponse response = json_response(to_json(task), status);
  response.headers.emplace_back("Location", "/api/v1/tasks/" + task.id);
  return response;
}

Answer no_task(const std::string& id) {
  return problem(404, fmt::format("there is no task '{}', or it ended long ago", id));
}

Answer run_schedule(Call& call) {
  const auto id = call.control.run_schedule(call.captured["name"]);
  if (!id) {
    return schedule_or_problem(call, false);
  }
  const auto task = call.control.task(*id);
  return task ? task_answer(*task, 202) : no_task(*id);
}

Answer tasks(Call& call) {
  return json_response({{"tasks", to_json_array(call.control.tasks())}});
}

Answer task(Call& call) {
  const auto found = call.control.task(call.captured["id"]);
  return found ? Answer(json_response(to_json(*found))) : no_task(call.captured["id"]);
}

Answer cancel_task(Call& call) {
  const std::string& id = call.captured["id"];
  if (!call.control.cancel_task(id)) {
    return no_task(id);
  }
  const auto found = call.control.task(id);
  return found ? Answer(json_response(to_json(*found), 202)) : no_task(id);
}

Answer restore_request(Call& call) {
  const auto request = call.control.restore_request();
  return request ? Answer(json_response(to_json(*request)))
                 : problem(404, "there is no restore request");
}

Answer put_restore_request(Call& call) {
  const auto body = call.body({"backup", "at"});
  RestoreRequest request;
  request.backup = text_member(body, "backup").value_or("latest");
  request.at = text_member(body, "at").value_or("");
  call.control.put_restore_request(request);
  return restore_request(call);
}

Answer delete_restore_request(Call& call) {
  return call.control.delete_restore_request() ? ServedResponse{.status = 204}
                                               : problem(404, "there is no restore request");
}

}  // namespace

std::vector<Route> agent_routes() {
  return {
      {"GET", "/-/healthy", Access::open, &healthy},
      {"GET", "/-/ready", Access::open, &ready},
      {"POST", "/-/reload", Access::write, &reload},
      {"GET", "/api/v1/status", Access::read, &status},
      {"GET", "/api/v1/config", Access::read, &config},
      {"GET", "/api/v1/schedules", Access::read, &schedules},
      {"POST", "/api/v1/schedules/{name}:pause", Access::write, &pause_schedule},
      {"POST", "/api/v1/schedules/{name}:resume", Access::write, &resume_schedule},
      {"POST", "/api/v1/schedules/{name}:run", Access::write, &run_schedule},
      {"GET", "/api/v1/tasks", Access::read, &tasks},
      {"GET", "/api/v1/tasks/{id}", Access::read, &task},
      {"POST", "/api/v1/tasks/{id}:cancel", Access::write, &cancel_task},
      {"GET", "/api/v1/restore-request", Access::read, &restore_request},
      {"PUT", "/api/v1/restore-request", Access::write, &put_restore_request},
      {"DELETE", "/api/v1/restore-request", Access::write, &delete_restore_request},
  };
}

}  // namespace keyrewind::api
