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
constexpr std::uint64_t kMaxAnswer = 64 * 1024;

/// "Container credential provider", AWS SDKs and Tools Reference Guide.
constexpr const char* kEcsEndpoint = "http://169.254.170.2";
constexpr std::array<std::string_view, 3> kContainerHosts = {"169.254.170.2", "169.254.170.23",
                                                             "[fd00:ec2::23]"};

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

/// The answer, whatever its status. One that says "later" and none at all are asked for again.
http::Response ask(http::Request request, std::stop_token stop) {
  request.max_body = kMaxAnswer;
  http::Client client(link_local());
  for (int attempt = 1;; ++attempt) {
    try {
      http::Response response = client.send(request, stop);
      if (!is_trouble(response.status) || attempt == kTries) {
        return response;
      }
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::unavailable || attempt == kTries) {
        throw;
      }
    }
    flow::pause(kBetweenTries, stop);
  }
}

Error refusal(const std::string& who, int status, std::string_view what_to_do) {
  const ErrorKind kind = is_trouble(status) ? ErrorKind::unavailable : ErrorKind::denied;
  return {Side::repository, kind, fmt::format("{} answered {}; {}", who, status, what_to_do)};
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

/// A conversation with the instance's service: a token first, which all that follows carries.
class Session {
 public:
  Session(std::string endpoint, std::stop_token stop)
      : endpoint_(std::move(endpoint)), stop_(std::move(stop)) {
    const http::Response response = send(
        "PUT", "/latest/api/token", {{"x-aws-ec2-metadata-token-ttl-seconds", kTokenLifetime}});
    if (response.status != 200) {
      throw refusal("instance metadata", response.status,
                    "its version 2 must be turned on for this instance");
    }
    token_ = Secret(std::string(trimmed(as_text(response.body))));
    if (!is_one_word(token_.reveal())) {
      throw Error(Side::repository, ErrorKind::protocol,
                  "instance metadata: the answer is no token");
    }
  }

  http::Response get(const std::string& path) {
    return send("GET", path, {{"x-aws-ec2-metadata-token", std::string(token_.reveal())}});
  }

 private:
  static constexpr const char* kTokenLifetime = "300";  ///< Seconds; it serves one conversation.

  http::Response send(const char* method, const std::string& path, http::Headers headers) {
    return ask({.method = method, .url = endpoint_ + path, .headers = std::move(headers)}, stop_);
  }

  const std::string endpoint_;
  const std::stop_token stop_;
  Secret token_;
};

Credentials ask_instance(const std::string& endpoint, std::stop_token stop) {
  constexpr const char* kRoles = "/latest/meta-data/iam/security-credentials/";
  constexpr const char* kNoRole = "attach a role to this instance that may use the bucket";
  Session session(endpoint, std::move(stop));
  const http::Response roles = session.get(kRoles);
  if (roles.status != 200) {
    throw refusal("instance metadata, asked for the role,", roles.status, kNoRole);
  }
  const std::string_view list = trimmed(as_text(roles.body));
  const std::string_view role = trimmed(list.substr(0, list.find('\n')));
  if (!is_one_word(role)) {
    throw Error(Side::repository, ErrorKind::denied,
                fmt::format("instance metadata names no role; {}", kNoRole));
  }
  const http::Response answer = session.get(kRoles + uri_encode(role, false));
  if (answer.status != 200) {
    throw refusal("instance metadata, asked for the role's credentials,", answer.status, kNoRole);
  }
  return read_metadata_answer(answer.body, "instance metadata");
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
  const http::Response response = ask(std::move(request), std::move(stop));
  if (response.status != 200) {
    throw refusal("container metadata", response.status,
                  "check the role of this task, or the pod identity of this service account");
  }
  return Found{.credentials = read_metadata_answer(response.body, "container metadata")};
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
  try {
    Found found{.credentials = ask_instance(instance_endpoint(variables_), std::move(stop))};
    is_there_ = true;
    return found;
  } catch (const Error& error) {
    const bool none_here =
        !is_there_ && (error.kind() == ErrorKind::unavailable || error.kind() == ErrorKind::denied);
    if (!none_here) {
      throw;
    }
    why_ = error.what();
    return std::nullopt;
  }
}

std::string InstanceMetadata::place() const {
  return why_.empty() ? "instance metadata" : fmt::format("instance metadata ({})", why_);
}

}  // namespace keyrewind::s3
