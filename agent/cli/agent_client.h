#pragma once

#include "http/client.h"

#include <nlohmann/json.hpp>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

namespace keyrewind::cli {

/// Talks to the agent that runs on this machine, over its unix socket.
class AgentClient {
 public:
  /// Nothing if nobody answers at `socket` or it is empty: there is no agent. Throws Error(denied)
  /// if there is a socket that this user may not open.
  static std::optional<AgentClient> connect(const std::string& socket, const std::string& source,
                                            const std::stop_token& stop);

  /// The answer to a request. Throws the Error that a problem tells of, and Error(unavailable) if
  /// the agent went away.
  nlohmann::ordered_json ask(const std::string& method, const std::string& target,
                             const nlohmann::ordered_json& body, const std::stop_token& stop);

  /// Starts what `target` starts, and waits for its end; `progress` is told how it goes. Gives what
  /// the task gave. Throws what it failed with. On `stop` it is cancelled.
  nlohmann::ordered_json run_task(
      const std::string& target, const nlohmann::ordered_json& body,
      const std::function<void(const nlohmann::ordered_json& task)>& progress,
      const std::stop_token& stop);

 private:
  explicit AgentClient(const std::string& socket);

  std::unique_ptr<http::Client> client_;
};

}  // namespace keyrewind::cli
