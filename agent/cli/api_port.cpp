#include "cli/api_port.h"

#include "api/api.h"
#include "base/error.h"
#include "base/log.h"
#include "flow/pause.h"
#include "http/server.h"

#include <chrono>
#include <utility>

namespace keyrewind::cli {
namespace {

constexpr std::chrono::seconds kPause{15};

api::ApiOptions to_api_options(const config::Config& config,
                               const std::function<std::string()>& metrics,
                               metrics::AgentMetrics& agent_metrics) {
  const config::Config::Http& http = config.http;
  return {.auth = {.files = {.bearer_token = http.auth.bearer_token_file,
                             .basic_users = http.auth.basic_users_file},
                   .anonymous_reads = http.auth.anonymous == config::Config::Http::Anonymous::read},
          .metrics = metrics,
          .on_answer = [&agent_metrics](const std::string& route, int status,
                                        std::chrono::microseconds duration) {
            agent_metrics.http().request(route, status, duration);
          }};
}

}  // namespace

void serve_api(const config::Config& config, api::AgentControl& control,
               const std::function<std::string()>& metrics, metrics::AgentMetrics& agent_metrics,
               const std::stop_token& stop) {
  if (config.http.listen.empty() && config.http.socket.empty()) {
    return;
  }
  std::string last_failure;
  while (!stop.stop_requested()) {
    try {
      api::Api api(control, to_api_options(config, metrics, agent_metrics));
      http::Server server({.listen = config.http.listen,
                           .socket = config.http.socket,
                           .cert_file = config.http.tls.cert_file,
                           .key_file = config.http.tls.key_file},
                          api);
      log::info("api served", {{"listen", config.http.listen},
                               {"port", server.port().value_or(0)},
                               {"socket", config.http.socket}});
      server.run(stop);
      return;
    } catch (const Error& error) {
      if (std::exchange(last_failure, error.what()) != error.what()) {
        log::error("api not served; it is tried again", {{"error", error.what()}});
      }
    }
    flow::pause(kPause, stop);
  }
}

}  // namespace keyrewind::cli
