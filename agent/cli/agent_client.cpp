#include "cli/agent_client.h"

#include "base/bytes.h"
#include "base/error.h"
#include "base/log.h"
#include "flow/pause.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <utility>

namespace keyrewind::cli {
namespace {

using nlohmann::ordered_json;

constexpr std::chrono::milliseconds kLookInterval{200};
/// How long a task that was cancelled may take to end.
constexpr std::chrono::seconds kCancelPatience{20};

constexpr std::array kKinds = {
    ErrorKind::config,    ErrorKind::unavailable,      ErrorKind::denied,  ErrorKind::protocol,
    ErrorKind::no_backup, ErrorKind::target_not_empty, ErrorKind::corrupt, ErrorKind::incompatible,
    ErrorKind::busy,      ErrorKind::cancelled,        ErrorKind::failed,  ErrorKind::internal};

/// The failure that the agent tells of, so that this program ends as if it had failed itself.
Error to_error(const ordered_json& told, const std::string& message) {
  const std::string word = told.value("kind", "failed");
  const int status = told.value("exit_status", static_cast<int>(ExitStatus::failure));
  const Side side = status == static_cast<int>(ExitStatus::repository) ? Side::repository
                    : status == static_cast<int>(ExitStatus::source)   ? Side::source
                                                                       : Side::here;
  for (const ErrorKind kind : kKinds) {
    if (to_string(kind) == word) {
      return {side, kind, message};
    }
  }
  return {side, ErrorKind::failed, message};
}

std::string as_text(const Bytes& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool is_over(const ordered_json& task) {
  const std::string state = task.value("state", "");
  return state != "queued" && state != "running";
}

}  // namespace

AgentClient::AgentClient(const std::string& socket) {
  http::ClientOptions options;
  options.unix_socket = socket;
  client_ = std::make_unique<http::Client>(std::move(options));
}

std::optional<AgentClient> AgentClient::connect(const std::string& socket,
                                                const std::string& source,
                                                const std::stop_token& stop) {
  if (socket.empty() || ::access(socket.c_str(), R_OK | W_OK) != 0) {
    if (!socket.empty() && errno == EACCES) {
      log::warn("the agent's socket may not be opened by this user", {{"socket", socket}});
    }
    return std::nullopt;
  }
  AgentClient agent(socket);
  try {
    const ordered_json status = agent.ask("GET", "/api/v1/status", nullptr, stop);
    if (status.at("source").at("name") != source) {
      log::warn("the agent at the socket has another source", {{"socket", socket}});
      return std::nullopt;
    }
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::cancelled) {
      throw;
    }
    log::debug("no agent answers", {{"socket", socket}, {"error", error.what()}});
    return std::nullopt;
  }
  return agent;
}

ordered_json AgentClient::ask(const std::string& method, const std::string& target,
                              const ordered_json& body, const std::stop_token& stop) {
  const std::string text = body.is_null() ? "" : body.dump();
  http::Request request;
  request.method = method;
  request.url = "http://localhost" + target;
  if (!text.empty()) {
    request.headers = {{"Content-Type", "application/json"}};
    request.body = as_bytes(text);
  }
  http::Response response;
  try {
    response = client_->send(request, stop);
  } catch (const Error& error) {
    throw Error(Side::here, error.kind(), fmt::format("the agent: {}", error.what()));
  }
  const auto json = ordered_json::parse(as_text(response.body), nullptr, false);
  if (response.status >= 400) {
    if (!json.is_object()) {
      throw Error(ErrorKind::failed, fmt::format("the agent answers {}", response.status));
    }
    throw to_error(json,
                   json.value("detail", fmt::format("the agent answers {}", response.status)));
  }
  if (json.is_discarded() && !response.body.empty()) {
    throw Error(ErrorKind::failed, "the agent answers what is no JSON");
  }
  return json;
}

ordered_json AgentClient::run_task(const std::string& target, const ordered_json& body,
                                   const std::function<void(const ordered_json& task)>& progress,
                                   const std::stop_token& stop) {
  ordered_json task = ask("POST", target, body, stop);
  const std::string place = "/api/v1/tasks/" + task.at("id").get<std::string>();
  const auto look = [&](const std::stop_token& token) {
    flow::pause(kLookInterval, token);
    task = ask("GET", place, nullptr, token);
    progress(task);
  };
  try {
    while (!is_over(task)) {
      look(stop);
    }
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::cancelled && !stop.stop_requested()) {
      throw;
    }
  }
  if (!is_over(task)) {
    ask("POST", place + ":cancel", ordered_json::object(), {});
    const auto end = std::chrono::steady_clock::now() + kCancelPatience;
    while (!is_over(task) && std::chrono::steady_clock::now() < end) {
      look({});
    }
  }
  const std::string state = task.value("state", "");
  if (state == "failed") {
    const ordered_json failure = task.at("failure");
    throw to_error(failure, failure.value("message", "the agent failed"));
  }
  if (state != "succeeded") {
    throw Error(ErrorKind::cancelled, "stopped");
  }
  return task.at("result");
}

}  // namespace keyrewind::cli
