#include "s3/sts.h"

#include "base/error.h"
#include "codec/sha256.h"
#include "s3/answers.h"
#include "s3/signer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

namespace keyrewind::s3 {
namespace {

using std::chrono::milliseconds;

constexpr std::uint64_t kMaxAnswer = 256U << 10;

/// The partitions of AWS whose endpoints have another domain, by how their regions begin.
constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kDomains = {{
    {"cn-", "amazonaws.com.cn"},
    {"us-iso-", "c2s.ic.gov"},
    {"us-isob-", "sc2s.sgov.gov"},
    {"us-isof-", "csp.hci.ic.gov"},
    {"eu-isoe-", "cloud.adc-e.uk"},
    {"eusc-", "amazonaws.eu"},
}};

std::string_view domain_of(std::string_view region) {
  const auto found = std::find_if(kDomains.begin(), kDomains.end(), [&](const auto& partition) {
    return region.starts_with(partition.first);
  });
  return found == kDomains.end() ? "amazonaws.com" : found->second;
}

bool is_region(std::string_view region) {
  return std::all_of(region.begin(), region.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

std::string configured_url(const Variables& variables) {
  if (variables.is_true("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")) {
    return {};
  }
  std::string url = variables.get("AWS_ENDPOINT_URL_STS");
  if (url.empty()) {
    url = variables.get("AWS_ENDPOINT_URL");
  }
  while (url.ends_with('/')) {
    url.pop_back();
  }
  return url;
}

void add(std::string& form, std::string_view name, std::string_view value) {
  if (!value.empty()) {
    form += fmt::format("{}{}={}", form.empty() ? "" : "&", name, uri_encode(value, false));
  }
}

std::string form_of(std::string_view action, const RoleRequest& request) {
  std::string form;
  add(form, "Action", action);
  add(form, "Version", "2011-06-15");
  add(form, "RoleArn", request.role_arn);
  add(form, "RoleSessionName", request.session_name.empty() ? "keyrewind" : request.session_name);
  add(form, "ExternalId", request.external_id);
  add(form, "DurationSeconds", request.duration_seconds);
  return form;
}

bool asks_to_wait(int status, std::string_view code) {
  // IDPCommunicationError: STS could not reach the identity provider; its page says to try again.
  return status >= 500 || status == 429 || code.starts_with("Throttl") ||
         code == "RequestLimitExceeded" || code == "IDPCommunicationError";
}

std::string_view what_to_do(std::string_view code) {
  if (code == "ExpiredTokenException" || code == "ExpiredToken") {
    return "the token has run out; see that whoever writes it renews it";
  }
  if (code == "InvalidIdentityToken") {
    return "the role's account must know the issuer of the token, and its audience";
  }
  if (code == "InvalidClientTokenId" || code == "InvalidAccessKeyId" ||
      code == "SignatureDoesNotMatch") {
    return "check the access key and the secret key that ask for the role";
  }
  if (code == "RegionDisabledException") {
    return "turn STS on for this region, or name another one";
  }
  if (code.starts_with("AccessDenied")) {
    return "the role's trust policy must allow it to whoever asks";
  }
  return "check the role and its trust policy";
}

Error refusal(const std::string& who, int status, const std::string& code) {
  const std::string answer =
      code.empty() ? std::to_string(status) : fmt::format("{} ({})", status, code);
  if (asks_to_wait(status, code)) {
    return {Side::repository, ErrorKind::unavailable,
            fmt::format("{}: STS answered {}; it is asked again later", who, answer)};
  }
  return {Side::repository, ErrorKind::denied,
          fmt::format("{}: STS answered {}; {}", who, answer, what_to_do(code))};
}

}  // namespace

StsEndpoint sts_endpoint(const Variables& variables, const std::string& region) {
  constexpr const char* kGlobalRegion = "us-east-1";
  const std::string signed_for = region.empty() ? kGlobalRegion : region;
  if (std::string url = configured_url(variables); !url.empty()) {
    return {.url = std::move(url), .region = signed_for};
  }
  if (!is_region(region)) {
    throw Error(ErrorKind::config,
                "the region is none of AWS's, so the address of STS is not known; set the region "
                "or AWS_ENDPOINT_URL_STS");
  }
  return {.url = region.empty() ? "https://sts.amazonaws.com"
                                : fmt::format("https://sts.{}.{}", region, domain_of(region)),
          .region = signed_for};
}

Sts::Sts(StsEndpoint endpoint, const Variables& variables, const Clock& clock)
    : endpoint_(std::move(endpoint)), ca_file_(variables.get("AWS_CA_BUNDLE")), clock_(clock) {}

Credentials Sts::assume_role(const RoleRequest& request, const Credentials& source,
                             std::stop_token stop) const {
  return ask(request, Secret(form_of("AssumeRole", request)), &source, std::move(stop));
}

Credentials Sts::assume_role_with_web_identity(const RoleRequest& request, const Secret& token,
                                               std::stop_token stop) const {
  std::string form = form_of("AssumeRoleWithWebIdentity", request);
  add(form, "WebIdentityToken", token.reveal());
  return ask(request, Secret(std::move(form)), nullptr, std::move(stop));
}

Credentials Sts::ask(const RoleRequest& request, const Secret& form, const Credentials* signer,
                     std::stop_token stop) const {
  const std::string who = "assume role " + request.role_arn;
  const http::Response response = [&] {
    try {
      return send(form, signer, std::move(stop));
    } catch (Error& error) {
      error.add_context(who);
      throw;
    }
  }();
  if (response.status != 200) {
    throw refusal(who, response.status, sts_error_code(response.body));
  }
  return read_sts_answer(response.body, who);
}

http::Response Sts::send(const Secret& form, const Credentials* signer,
                         std::stop_token stop) const {
  http::Request request{
      .method = "POST",
      .url = endpoint_.url + "/",
      .headers = {{"content-type", "application/x-www-form-urlencoded; charset=utf-8"},
                  {"accept", "text/xml"}},
      .body = as_bytes(form.reveal()),
      .max_body = kMaxAnswer};
  if (signer != nullptr) {
    sign(request, codec::sha256_hex(request.body), *signer,
         {.region = endpoint_.region, .service = "sts"}, clock_.now());
  }
  http::Client client({.ca_file = ca_file_, .total_timeout = milliseconds(30000)});
  return client.send(request, std::move(stop));
}

}  // namespace keyrewind::s3
