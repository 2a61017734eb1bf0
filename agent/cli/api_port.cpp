#include "cli/api_port.h"

#include "api/api.h"
#include "base/error.h"
#include "base/log.h"
#include "flow/group.h"
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

/// Serves until stopped; whatever does not work at first is tried again.
void serve(const http::ServerOptions& options, const api::ApiOptions& api_options,
           api::AgentControl& control, const std::stop_token& stop) {
  std::string last_failure;
  while (!stop.stop_requested()) {
    try {
      api::Api api(control, api_options);
      http::Server server(options, api);
      if (options.socket.empty()) {
        log::info("api served", {{"listen", options.listen}, {"port", server.port().value_or(0)}});
      } else {
        log::info("api served", {{"socket", options.socket.string()}});
      }
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

}  // namespace

void serve_api(const config::Config& config, api::AgentControl& control,
               const std::function<std::string()>& metrics, metrics::AgentMetrics& agent_metrics,
               const std::stop_token& stop) {
  const api::ApiOptions api = to_api_options(config, metrics, agent_metrics);
  // Each by itself: a port that is taken must not keep commands on this machine from the agent.
  flow::Group servers(stop);
  if (!config.http.listen.empty()) {
    servers.spawn("http-port", [&](const std::stop_token& end) {
      serve({.listen = config.http.listen,
             .cert_file = config.http.tls.cert_file,
             .key_file = config.http.tls.key_file},
            api, control, end);
    });
  }
  if (!config.http.socket.empty()) {
    servers.spawn("http-socket", [&](const std::stop_token& end) {
      serve({.socket = config.http.socket}, api, control, end);
    });
  }
  servers.wait();
}

}  // namespace keyrewind::cli
