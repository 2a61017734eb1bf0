#include "api/api.h"

#include "api/problem.h"
#include "base/error.h"
#include "base/log.h"

#include <algorithm>
#include <optional>

namespace keyrewind::api {
namespace {

using http::Answer;
using http::ServedRequest;
using http::ServedResponse;
using std::chrono::steady_clock;

constexpr const char* kMetricsType = "text/plain; version=0.0.4; charset=utf-8";
constexpr const char* kPolicy =
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The routes that no agent is asked for; Api::own_answer knows what they answer.
std::vector<Route> own_routes() {
  return {
      {"GET", "/", Access::open},
      {"GET", "/console.js", Access::open},
      {"GET", "/console.css", Access::open},
      {"GET", "/metrics", Access::read},
      {"GET", "/api/v1/openapi.json", Access::open},
  };
}

std::vector<Route> all_routes() {
  std::vector<Route> routes = own_routes();
  for (const auto& more : {agent_routes(), backup_routes()}) {
    routes.insert(routes.end(), more.begin(), more.end());
  }
  return routes;
}

std::vector<std::string> split(const std::string& path) {
  std::vector<std::string> segments;
  for (std::size_t begin = 1; begin < path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    segments.push_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  return segments;
}

bool has_method(const Route& route, const std::string& method) {
  return route.method == method || (route.method == "GET" && method == "HEAD");
}

ServedResponse page(std::string_view content, const char* type) {
  return {.headers = {{"Content-Type", type}}, .body = std::string(content)};
}

}  // namespace

std::optional<std::map<std::string, std::string>> match(const std::string& path,
                                                        const std::vector<std::string>& segments) {
  const auto wanted = split(path);
  if (wanted.size() != segments.size()) {
    return std::nullopt;
  }
  std::map<std::string, std::string> captured;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (!wanted[i].starts_with('{')) {
      if (wanted[i] != segments[i]) {
        return std::nullopt;
      }
      continue;
    }
    const std::size_t close = wanted[i].find('}');
    const std::string suffix = wanted[i].substr(close + 1);
    const std::string& given = segments[i];
    if (given.size() <= suffix.size() || !given.ends_with(suffix) ||
        (suffix.empty() && given.find(':') != std::string::npos)) {
      return std::nullopt;
    }
    captured[wanted[i].substr(1, close - 1)] = given.substr(0, given.size() - suffix.size());
  }
  return captured;
}

/// The route for a request, or those that its path has for other methods.
struct Api::Found {
  const Route* route = nullptr;
  std::map<std::string, std::string> captured{};
  std::string allowed{};
};

Api::Api(AgentControl& control, ApiOptions options)
    : control_(control),
      options_(std::move(options)),
      routes_(all_routes()),
      gate_(options_.auth) {}

std::vector<std::pair<std::string, std::string>> Api::routes() const {
  std::vector<std::pair<std::string, std::string>> routes;
  for (const Route& route : routes_) {
    routes.emplace_back(route.method, route.path);
  }
  return routes;
}

bool Api::is_quick(const ServedRequest& request) const {
  // Metrics need no repository; with credentials to check they may take the time of a bcrypt.
  return request.raw_target.starts_with("/-/healthy") ||
         request.raw_target.starts_with("/-/ready") ||
         (request.raw_target.starts_with("/metrics") && options_.auth.anonymous_reads);
}

Answer Api::handle(const ServedRequest& request) {
  const auto began = steady_clock::now();
  const Found found = find(request);
  const std::string route = found.route == nullptr ? "other" : found.route->path;
  return finish(answer(request, found), request, route, began);
}

ServedResponse Api::refuse(int status) const {
  options_.on_answer("other", status, {});
  switch (status) {
    case 400:
      return problem(status, "the request is none that could be understood");
    case 413:
      return problem(status, "the body is too large");
    case 503:
      return problem(status, "the agent is about to stop");
    default:
      return problem(status, "the agent failed by a bug; its log says more");
  }
}

Api::Found Api::find(const ServedRequest& request) const {
  Found found;
  for (const Route& route : routes_) {
    auto captured = match(route.path, request.target.segments);
    if (!captured) {
      continue;
    }
    if (has_method(route, request.method)) {
      return {.route = &route, .captured = std::move(*captured)};
    }
    found.allowed += (found.allowed.empty() ? "" : ", ") + route.method +
                     (route.method == "GET" ? ", HEAD" : "");
  }
  return found;
}

Answer Api::answer(const ServedRequest& request, const Found& found) {
  if (found.route == nullptr) {
    if (found.allowed.empty()) {
      return problem(404, "there is nothing of that name");
    }
    ServedResponse response = problem(405, "this can't be done here; it can be: " + found.allowed);
    response.headers.emplace_back("Allow", found.allowed);
    return response;
  }
  try {
    if (auto refusal = gate_.check(request, found.route->access)) {
      return std::move(*refusal);
    }
    if (!request.body.empty() && !request.header("content-type").starts_with("application/json")) {
      return problem(415, "the body must be application/json");
    }
    if (found.route->answer == nullptr) {
      return own_answer(found.route->path).value();
    }
    Call call{request, control_, idempotency_, found.captured};
    return found.route->answer(call);
  } catch (const Error& error) {
    return problem(error);
  }
}

std::optional<ServedResponse> Api::own_answer(const std::string& path) const {
  if (path == "/metrics") {
    return page(options_.metrics(), kMetricsType);
  }
  if (path == "/api/v1/openapi.json") {
    return page(openapi_document(), "application/json");
  }
  if (path == "/console.js") {
    return page(console_script(), "text/javascript; charset=utf-8");
  }
  if (path == "/console.css") {
    return page(console_style(), "text/css; charset=utf-8");
  }
  if (path == "/") {
    return page(console_page(), "text/html; charset=utf-8");
  }
  return std::nullopt;
}

/// Adds what all answers have in common, and tells of it once there is a response.
Answer Api::finish(Answer answer, const ServedRequest& request, const std::string& route,
                   steady_clock::time_point began) const {
  if (auto* later = std::get_if<http::Later>(&answer)) {
    auto then = [this, next = std::move(later->then), &request, route, began] {
      try {
        return finish(next(), request, route, began);
      } catch (const Error& error) {
        return finish(problem(error), request, route, began);
      }
    };
    return http::Later{later->when, std::move(then)};
  }
  auto& response = std::get<ServedResponse>(answer);
  response.headers.emplace_back("X-Content-Type-Options", "nosniff");
  response.headers.emplace_back("Content-Security-Policy", kPolicy);
  response.headers.emplace_back("Referrer-Policy", "no-referrer");
  response.headers.emplace_back("Cache-Control", "no-store");
  const auto duration =
      std::chrono::duration_cast<std::chrono::microseconds>(steady_clock::now() - began);
  options_.on_answer(route, response.status, duration);
  log::debug("request answered", {{"method", request.method},
                                  {"route", route},
                                  {"status", response.status},
                                  {"peer", request.peer.address}});
  return answer;
}

}  // namespace keyrewind::api
