#include "s3/metadata.h"

#include "base/error.h"
#include "flow/pause.h"
#include "http/client.h"
#include "s3/answers.h"
#include "s3/signer.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <strings.h>

#include <algorithm>
#include <array>
#include <chrono>

namespace keyrewind::s3 {
namespace {

using std::chrono::milliseconds;

constexpr int kTries = 2;
constexpr milliseconds kBetweenTries{200};
constexpr std::uint64_t kMaxAnswer = 64U << 10;

/// "Container credential provider", AWS SDKs and Tools Reference Guide.
constexpr const char* kEcsEndpoint = "http://169.254.170.2";
constexpr std::array<std::string_view, 3> kContainerHosts = {"169.254.170.2", "169.254.170.23",
                                                             "[fd00:ec2::23]"};

constexpr const char* kContainer = "container metadata";
constexpr const char* kInstance = "instance metadata";

http::ClientOptions link_local() {
  return {.ca_file = {},
          .connect_timeout = milliseconds(1000),
          .stall_timeout = milliseconds(3000),
          .total_timeout = milliseconds(3000),
          .use_proxy = false};
}

bool is_trouble(int status) {
  return status >= 500 || status == 429;
}

/// The answer of `who`, whatever its status. One that says "later" and none at all are asked for
/// again.
http::Response ask(const std::string& who, http::Request request, const std::stop_token& stop) {
  request.max_body = kMaxAnswer;
  http::Client client(link_local());
  for (int attempt = 1;; ++attempt) {
    try {
      http::Response response = client.send(request, stop);
      if (!is_trouble(response.status) || attempt == kTries) {
        return response;
      }
    } catch (Error& error) {
      if (error.kind() != ErrorKind::unavailable || attempt == kTries) {
        error.add_context(who);
        throw;
      }
    }
    flow::pause(kBetweenTries, stop);
  }
}

Error refusal(const std::string& who, int status, std::string_view what_to_do) {
  if (is_trouble(status)) {
    return {Side::repository, ErrorKind::unavailable,
            fmt::format("{}: it answered {}; it is asked again later", who, status)};
  }
  return {Side::repository, ErrorKind::denied,
          fmt::format("{}: it answered {}; {}", who, status, what_to_do)};
}

std::string_view host_of(std::string_view authority) {
  const std::size_t end =
      authority.starts_with('[') ? authority.find(']') + 1 : authority.find(':');
  return authority.substr(0, end);
}

/// Only what nothing can read in another way: no names, no shortened addresses.
bool is_loopback(std::string_view host) {
  if (host == "[::1]" || host == "localhost") {
    return true;
  }
  in_addr address{};
  constexpr std::uint32_t kLoopback = 127;
  return ::inet_pton(AF_INET, std::string(host).c_str(), &address) == 1 &&
         ntohl(address.s_addr) >> 24U == kLoopback;
}

void check_full_uri(const std::string& uri) {
  constexpr const char* kName = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
  const bool https = strncasecmp(uri.c_str(), "https://", 8) == 0;
  const bool http = strncasecmp(uri.c_str(), "http://", 7) == 0;
  std::string_view rest(uri);
  rest.remove_prefix(https ? 8 : http ? 7 : 0);
  const std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  const bool plain = is_one_word(uri) && !host_of(authority).empty() &&
                     authority.find_first_of("@\\%") == std::string_view::npos;
  if ((!https && !http) || !plain) {
    throw Error(ErrorKind::config, fmt::format("{} is no URL of http or https", kName));
  }
  const std::string_view host = host_of(authority);
  const bool allowed = https || is_loopback(host) ||
                       std::count(kContainerHosts.begin(), kContainerHosts.end(), host) != 0;
  if (!allowed) {
    throw Error(ErrorKind::config,
                fmt::format("{} names the host {}, to which a token may not go without TLS; use "
                            "https, or an address of this machine, ECS or EKS",
                            kName, host));
  }
}

/// What goes into the authorization header; a file wins, and is read anew each time.
Secret authorization(const Variables& variables) {
  constexpr const char* kFile = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
  constexpr const char* kToken = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
  if (variables.has(kFile)) {
    return read_word_file(kFile, variables.get(kFile));
  }
  Secret token = variables.secret(kToken);
  const std::string_view text = token.reveal();
  if (std::any_of(text.begin(), text.end(), [](char c) { return c < ' ' || c == '\x7f'; })) {
    throw Error(ErrorKind::config, fmt::format("{} holds a line break or the like", kToken));
  }
  return token;
}

std::string instance_endpoint(const Variables& variables) {
  std::string endpoint = variables.get("AWS_EC2_METADATA_SERVICE_ENDPOINT");
  if (endpoint.empty()) {
    const std::string mode = variables.get("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
    return strcasecmp(mode.c_str(), "ipv6") == 0 ? "http://[fd00:ec2::254]"
                                                 : "http://169.254.169.254";
  }
  while (endpoint.ends_with('/')) {
    endpoint.pop_back();
  }
  return endpoint;
}

http::Response ask_instance(const std::string& url, const Secret& token,
                            const std::stop_token& stop) {
  return ask(kInstance,
             {.url = url, .headers = {{"x-aws-ec2-metadata-token", std::string(token.reveal())}}},
             stop);
}

/// Those of the role that is attached to the instance.
Credentials role_credentials(const std::string& endpoint, const Secret& token,
                             const std::stop_token& stop) {
  constexpr const char* kWhatToDo = "attach a role that may use the bucket to this instance";
  const std::string roles_url = endpoint + "/latest/meta-data/iam/security-credentials/";
  const http::Response roles = ask_instance(roles_url, token, stop);
  if (roles.status != 200) {
    throw refusal(kInstance, roles.status, kWhatToDo);
  }
  const std::string_view list = trimmed(as_text(roles.body));
  const std::string_view role = trimmed(list.substr(0, list.find('\n')));
  if (!is_one_word(role)) {
    throw Error(Side::repository, ErrorKind::denied,
                fmt::format("{}: it names no role; {}", kInstance, kWhatToDo));
  }
  const http::Response answer = ask_instance(roles_url + uri_encode(role, false), token, stop);
  if (answer.status != 200) {
    throw refusal(kInstance, answer.status, kWhatToDo);
  }
  return read_metadata_answer(answer.body, kInstance);
}

}  // namespace

std::string container_credentials_url(const Variables& variables) {
  constexpr const char* kRelative = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
  if (const std::string uri = variables.get(kRelative); !uri.empty()) {
    if (!uri.starts_with('/') || !is_one_word(uri)) {
      throw Error(ErrorKind::config, fmt::format("{} is no path that begins with '/'", kRelative));
    }
    return kEcsEndpoint + uri;
  }
  std::string uri = variables.get("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  if (!uri.empty()) {
    check_full_uri(uri);
  }
  return uri;
}

std::optional<Found> ContainerMetadata::find(std::stop_token stop) {
  const std::string url = container_credentials_url(variables_);
  if (url.empty()) {
    return std::nullopt;
  }
  http::Request request{.url = url, .headers = {{"accept", "application/json"}}};
  if (const Secret token = authorization(variables_); !token.empty()) {
    request.headers.emplace_back("authorization", token.reveal());
  }
  const http::Response response = ask(kContainer, std::move(request), stop);
  if (response.status != 200) {
    throw refusal(kContainer, response.status,
                  "check the role of this task, or the pod identity of this service account");
  }
  return Found{.credentials = read_metadata_answer(response.body, kContainer)};
}

std::string ContainerMetadata::place() const {
  return "container metadata (AWS_CONTAINER_CREDENTIALS_FULL_URI)";
}

InstanceMetadata::InstanceMetadata(Variables variables)
    : variables_(std::move(variables)),
      is_there_(variables_.has("AWS_EC2_METADATA_SERVICE_ENDPOINT")) {}

std::optional<Found> InstanceMetadata::find(std::stop_token stop) {
  if (variables_.is_true("AWS_EC2_METADATA_DISABLED")) {
    why_ = "turned off by AWS_EC2_METADATA_DISABLED";
    return std::nullopt;
  }
  const std::string endpoint = instance_endpoint(variables_);
  const std::optional<Secret> token = fetch_token(endpoint, stop);
  if (!token) {
    return std::nullopt;
  }
  return Found{.credentials = role_credentials(endpoint, *token, stop)};
}

std::optional<Secret> InstanceMetadata::fetch_token(const std::string& endpoint,
                                                    const std::stop_token& stop) {
  constexpr const char* kSeconds = "300";  // It serves one conversation.
  http::Response response;
  try {
    response = ask(kInstance,
                   {.method = "PUT",
                    .url = endpoint + "/latest/api/token",
                    .headers = {{"x-aws-ec2-metadata-token-ttl-seconds", kSeconds}}},
                   stop);
  } catch (const Error& error) {
    if (is_there_ || error.kind() != ErrorKind::unavailable) {
      throw;
    }
    why_ = "it does not answer; from a container the instance's hop limit must be 2 or more";
    return std::nullopt;
  }
  if (response.status != 200) {
    const Error error =
        refusal(kInstance, response.status, "turn on its version 2 for this instance");
    if (is_there_ || error.kind() == ErrorKind::unavailable) {
      throw Error(error);
    }
    why_ = fmt::format("it answered {}, so has no version 2", response.status);
    return std::nullopt;
  }
  is_there_ = true;
  Secret token(std::string(trimmed(as_text(response.body))));
  if (!is_one_word(token.reveal())) {
    throw Error(Side::repository, ErrorKind::protocol,
                fmt::format("{}: the answer is no token", kInstance));
  }
  return token;
}

std::string InstanceMetadata::place() const {
  return why_.empty() ? "instance metadata" : fmt::format("instance metadata ({})", why_);
}

}  // namespace keyrewind::s3
