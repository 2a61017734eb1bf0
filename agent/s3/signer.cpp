#include "s3/signer.h"

#include "base/error.h"
#include "codec/hmac_sha256.h"
#include "codec/sha256.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <utility>
#include <vector>

namespace keyrewind::s3 {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";

/// What `sign` itself sets. They go first, so that a request can be signed again when it is sent
/// again.
constexpr std::array<std::string_view, 5> kOurHeaders = {
    "host", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token", "authorization"};

struct Url {
  std::string_view host;  ///< With its port, unless it is the scheme's own.
  std::string_view path;
  std::string_view query;
};

Url split(std::string_view url) {
  const std::size_t scheme_end = url.find("://");
  if (scheme_end == std::string_view::npos) {
    throw Error(ErrorKind::config,
                "the URL of the store is none; write https://host or "
                "https://host:port");
  }
  const std::string_view scheme = url.substr(0, scheme_end);
  url.remove_prefix(scheme_end + 3);
  url = url.substr(0, url.find('#'));

  Url parts;
  if (const std::size_t question = url.find('?'); question != std::string_view::npos) {
    parts.query = url.substr(question + 1);
    url = url.substr(0, question);
  }
  const std::size_t slash = std::min(url.find('/'), url.size());
  parts.host = url.substr(0, slash);
  parts.path = slash == url.size() ? "/" : url.substr(slash);

  // Clients leave out the scheme's own port, and a store computes the signature of what was sent.
  const std::string_view usual_port = scheme == "http" ? ":80" : ":443";
  if (parts.host.ends_with(usual_port)) {
    parts.host.remove_suffix(usual_port.size());
  }
  return parts;
}

char to_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string to_lower(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) { return to_lower(c); });
  return lower;
}

void remove_our_headers(http::Headers& headers) {
  std::erase_if(headers, [](const auto& header) {
    return std::count(kOurHeaders.begin(), kOurHeaders.end(), to_lower(header.first)) != 0;
  });
}

/// Sorted by name and then value: not as whole pieces, for '=' is greater than '-' and the digits.
std::string canonical_query(std::string_view query) {
  std::vector<std::pair<std::string_view, std::string_view>> parameters;
  while (!query.empty()) {
    const std::string_view piece = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(piece.size() + 1, query.size()));
    const std::size_t equals = std::min(piece.find('='), piece.size());
    if (!piece.empty()) {
      parameters.emplace_back(piece.substr(0, equals),
                              piece.substr(std::min(equals + 1, piece.size())));
    }
  }
  std::sort(parameters.begin(), parameters.end());

  std::string canonical;
  for (const auto& [name, value] : parameters) {
    canonical += fmt::format("{}{}={}", canonical.empty() ? "" : "&", name, value);
  }
  return canonical;
}

/// Without blanks at the ends, and with one where there are several.
std::string canonical_value(std::string_view value) {
  std::string canonical;
  for (const char c : value) {
    const bool blank = c == ' ' || c == '\t';
    if (!blank || (!canonical.empty() && canonical.back() != ' ')) {
      canonical.push_back(blank ? ' ' : c);
    }
  }
  if (canonical.ends_with(' ')) {
    canonical.pop_back();
  }
  return canonical;
}

struct CanonicalHeaders {
  std::string lines;  ///< "name:value\n" each.
  std::string names;  ///< Joined by ';'.
};

CanonicalHeaders canonical_headers(const http::Headers& headers) {
  std::map<std::string, std::string> values;
  for (const auto& [name, value] : headers) {
    const auto [found, is_new] = values.try_emplace(to_lower(name), canonical_value(value));
    if (!is_new) {
      found->second += "," + canonical_value(value);
    }
  }
  CanonicalHeaders canonical;
  for (const auto& [name, value] : values) {
    canonical.lines += fmt::format("{}:{}\n", name, value);
    canonical.names += (canonical.names.empty() ? "" : ";") + name;
  }
  return canonical;
}

std::string signature(const Secret& secret, std::string_view date, const SigningScope& scope,
                      std::string_view text) {
  const Secret first("AWS4" + std::string(secret.reveal()));
  auto key = codec::hmac_sha256(as_bytes(first.reveal()), as_bytes(date));
  for (const std::string_view part :
       {std::string_view(scope.region), std::string_view(scope.service),
        std::string_view("aws4_request")}) {
    key = codec::hmac_sha256(key, as_bytes(part));
  }
  return to_hex(codec::hmac_sha256(key, as_bytes(text)));
}

}  // namespace

std::string uri_encode(std::string_view text, bool keep_slash) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string encoded;
  encoded.reserve(text.size());
  for (const char c : text) {
    const bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~' || (c == '/' && keep_slash);
    if (plain) {
      encoded.push_back(c);
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    encoded.push_back('%');
    encoded.push_back(kDigits[byte >> 4U]);
    encoded.push_back(kDigits[byte & 0xFU]);
  }
  return encoded;
}

void sign(http::Request& request, std::string_view payload_sha256, const Credentials& credentials,
          const SigningScope& scope, Timestamp now) {
  const Url url = split(request.url);
  const std::string time = to_compact(now);
  const std::string_view date = std::string_view(time).substr(0, 8);

  http::Headers& headers = request.headers;
  remove_our_headers(headers);
  headers.emplace_back("host", url.host);
  headers.emplace_back("x-amz-date", time);
  if (scope.service == "s3") {
    headers.emplace_back("x-amz-content-sha256", payload_sha256);
  }
  if (!credentials.session_token.empty()) {
    headers.emplace_back("x-amz-security-token", credentials.session_token.reveal());
  }

  const CanonicalHeaders canonical = canonical_headers(headers);
  const std::string canonical_request =
      fmt::format("{}\n{}\n{}\n{}\n{}\n{}", request.method, url.path, canonical_query(url.query),
                  canonical.lines, canonical.names, payload_sha256);
  const std::string full_scope =
      fmt::format("{}/{}/{}/aws4_request", date, scope.region, scope.service);
  const std::string to_sign = fmt::format("{}\n{}\n{}\n{}", kAlgorithm, time, full_scope,
                                          codec::sha256_hex(as_bytes(canonical_request)));
  headers.emplace_back(
      "authorization",
      fmt::format("{} Credential={}/{}, SignedHeaders={}, Signature={}", kAlgorithm,
                  credentials.access_key_id, full_scope, canonical.names,
                  signature(credentials.secret_access_key, date, scope, to_sign)));
}

}  // namespace keyrewind::s3
