#include "api/gate.h"

#include "api/problem.h"

#include <chrono>
#include <string>
#include <string_view>

namespace keyrewind::api {
namespace {

using http::Answer;
using http::ServedRequest;
using http::ServedResponse;

ServedResponse unauthorized() {
  ServedResponse response = problem(401, "credentials are missing or wrong");
  response.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"keyrewind\"");
  response.headers.emplace_back("WWW-Authenticate", "Basic realm=\"keyrewind\", charset=\"UTF-8\"");
  return response;
}

/// "host:port" without the port.
std::string_view host_of(std::string_view authority) {
  if (authority.starts_with('[')) {
    return authority.substr(0, authority.find(']') + 1);
  }
  return authority.substr(0, authority.find(':'));
}

bool names_this_machine(std::string_view authority) {
  const std::string_view host = host_of(authority);
  return host == "localhost" || host == "[::1]" || host.starts_with("127.");
}

/// Whether a browser sent it for a page that is not ours.
bool is_from_another_site(const ServedRequest& request) {
  const std::string& site = request.header("sec-fetch-site");
  if (!site.empty() && site != "same-origin" && site != "none") {
    return true;
  }
  const std::string_view origin = request.header("origin");
  const std::size_t scheme = origin.find("://");
  return !origin.empty() &&
         (scheme == std::string_view::npos || origin.substr(scheme + 3) != request.header("host"));
}

}  // namespace

Gate::Gate(const AuthOptions& options)
    : anonymous_reads_(options.anonymous_reads), credentials_(options.files) {}

std::optional<Answer> Gate::check(const ServedRequest& request, Access access) {
  if (access == Access::open) {
    return std::nullopt;
  }
  if (access == Access::write && is_from_another_site(request)) {
    return problem(403, "a page of another site may not do this");
  }
  if (request.peer.address == "unix" || (access == Access::read && anonymous_reads_)) {
    return std::nullopt;
  }
  if (credentials_.are_configured()) {
    return check_credentials(request);
  }
  if (request.peer.is_local && names_this_machine(request.header("host"))) {
    return std::nullopt;
  }
  return problem(
      403,
      "no credentials are configured, so this is only for clients on the agent's machine; "
      "set http.auth.bearer_token_file or http.auth.basic_users_file");
}

std::optional<Answer> Gate::check_credentials(const ServedRequest& request) {
  const std::string& value = request.header("authorization");
  if (value.empty()) {
    return unauthorized();
  }
  const std::string& peer = request.peer.address;
  if (attempts_.are_too_many(peer)) {
    ServedResponse response =
        problem(429, "too many wrong credentials; try again in a few seconds");
    response.headers.emplace_back("Retry-After", "5");
    return response;
  }
  if (credentials_.allow(value)) {
    return std::nullopt;
  }
  const auto when = attempts_.fail(peer, std::chrono::steady_clock::now());
  return http::Later{when, [this, peer] {
                       attempts_.told(peer);
                       return Answer(unauthorized());
                     }};
}

}  // namespace keyrewind::api
