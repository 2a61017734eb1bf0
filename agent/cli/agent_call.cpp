#include "cli/agent_call.h"

#include "base/bytes.h"
#include "base/error.h"
#include "http/client.h"

#include <fmt/format.h>

#include <chrono>

namespace keyrewind::cli {
namespace {

using nlohmann::ordered_json;

/// An agent on this machine answers at once, or does not.
constexpr std::chrono::milliseconds kPatience{10000};

ErrorKind kind_of(int status) noexcept {
  switch (status) {
    case 401:
    case 403:
      return ErrorKind::denied;
    case 400:
    case 404:
    case 422:
      return ErrorKind::config;
    case 409:
    case 429:
      return ErrorKind::busy;
    default:
      return ErrorKind::failed;
  }
}

http::Response send(http::Client& client, const std::string& socket, const std::string& method,
                    const std::string& path, const std::stop_token& stop) {
  http::Request request;
  request.method = method;
  request.url = "http://agent" + path;
  try {
    return client.send(request, stop);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::cancelled) {
      throw;
    }
    throw Error(ErrorKind::unavailable,
                fmt::format("no agent answers at {} (http.socket): {}; start one with 'keyrewind "
                            "agent', as a user who may open that socket",
                            socket, error.what()));
  }
}

ordered_json result_of(const http::Response& response) {
  auto json = ordered_json::parse(as_text(response.body), nullptr, false);
  if (response.status / 100 == 2 && json.is_object()) {
    return json;
  }
  const auto detail = json.is_object() ? json.value("detail", json.value("title", "")) : "";
  throw Error(
      kind_of(response.status),
      detail.empty() ? fmt::format("the agent answers with status {}", response.status) : detail);
}

}  // namespace

ordered_json call_agent(const config::Config& config, const std::string& method,
                        const std::string& path, const std::stop_token& stop) {
  const std::string& socket = config.http.socket;
  if (socket.empty()) {
    throw Error(ErrorKind::config,
                "http.socket is empty; without it a running agent can't be asked");
  }
  http::Client client({.ca_file = {},
                       .connect_timeout = kPatience,
                       .stall_timeout = kPatience,
                       .total_timeout = kPatience,
                       .unix_socket = socket,
                       .use_proxy = false});
  // Whoever has a socket of that name may be the agent of something else.
  const ordered_json status = result_of(send(client, socket, "GET", "/api/v1/status", stop));
  const auto source = status.find("source");
  const std::string name = source == status.end() ? "" : source->value("name", "");
  if (name != config.source.name) {
    throw Error(
        ErrorKind::unavailable,
        fmt::format("the agent at {} (http.socket) is one of the source '{}'", socket, name));
  }
  return result_of(send(client, socket, method, path, stop));
}

}  // namespace keyrewind::cli
