#include "storage/url.h"

#include "base/error.h"
#include "store/object_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string_view>

namespace keyrewind::storage {
namespace {

constexpr std::string_view kFileScheme = "file://";
constexpr std::string_view kS3Scheme = "s3://";
constexpr std::string_view kFileExample = "file:///var/lib/keyrewind/repository";
constexpr std::string_view kS3Example = "s3://bucket/prefix";
constexpr std::string_view kSmallLettersAndDigits = "abcdefghijklmnopqrstuvwxyz0123456789";
/// Enough for every name of ours behind it: S3's keys have at most 1024 bytes.
constexpr std::size_t kMaxPrefix = 256;

Error not_accepted(const std::string& url, std::string_view why, std::string_view example) {
  return {ErrorKind::config, fmt::format("'{}' {}; write it like {}", url, why, example)};
}

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

FolderUrl parse_folder(const std::string& url) {
  std::string path = url.substr(kFileScheme.size());
  if (path.empty() || path.front() != '/') {
    throw not_accepted(url, "has no absolute path after file://", kFileExample);
  }
  if (std::any_of(path.begin(), path.end(), is_control)) {
    throw not_accepted(url, "holds a control character", kFileExample);
  }
  while (path.size() > 1 && path.back() == '/') {
    path.pop_back();
  }
  if (path == "/") {
    throw not_accepted(url, "names the root of the file system", kFileExample);
  }
  return {path};
}

bool looks_like_an_address(std::string_view bucket) {
  return bucket.find_first_not_of("0123456789.") == std::string_view::npos &&
         std::count(bucket.begin(), bucket.end(), '.') == 3;
}

/// AWS's "Bucket naming rules", which stores that are laxer accept as well.
bool is_bucket(std::string_view bucket) {
  const bool has_good_ends =
      bucket.size() >= 3 && bucket.size() <= 63 &&
      kSmallLettersAndDigits.find(bucket.front()) != std::string_view::npos &&
      kSmallLettersAndDigits.find(bucket.back()) != std::string_view::npos;
  const bool has_good_inside = std::all_of(bucket.begin(), bucket.end(), [](char c) {
    return c == '.' || c == '-' || kSmallLettersAndDigits.find(c) != std::string_view::npos;
  });
  return has_good_ends && has_good_inside && bucket.find("..") == std::string_view::npos &&
         !looks_like_an_address(bucket);
}

std::string_view without_slashes_around(std::string_view prefix) {
  while (prefix.starts_with('/')) {
    prefix.remove_prefix(1);
  }
  while (prefix.ends_with('/')) {
    prefix.remove_suffix(1);
  }
  return prefix;
}

void refuse_what_is_no_plain_url(const std::string& url) {
  if (url.find('@') != std::string::npos) {
    // Not repeated: there may be a password in it.
    throw Error(ErrorKind::config,
                fmt::format("the URL has a user name or an '@'; write it like {}, and "
                            "the keys as options of their own",
                            kS3Example));
  }
  if (url.find_first_of("?#") != std::string::npos) {
    throw Error(ErrorKind::config,
                fmt::format("'{}' has a query or a fragment; write it like "
                            "{}, and region and endpoint as options of their own",
                            url.substr(0, url.find_first_of("?#")), kS3Example));
  }
  if (url.find('%') != std::string::npos) {
    throw not_accepted(url, "has a percent sign, which is not decoded", kS3Example);
  }
}

BucketUrl parse_bucket(const std::string& url) {
  refuse_what_is_no_plain_url(url);
  const std::string_view rest = std::string_view(url).substr(kS3Scheme.size());
  const std::string_view bucket = rest.substr(0, rest.find('/'));
  if (bucket.empty()) {
    throw not_accepted(url, "names no bucket", kS3Example);
  }
  if (!is_bucket(bucket)) {
    throw not_accepted(url,
                       "names no valid bucket: 3 to 63 small letters, digits, '.' and '-', "
                       "beginning and ending with a letter or digit",
                       kS3Example);
  }
  const std::string_view prefix =
      without_slashes_around(rest.substr(std::min(bucket.size(), rest.size())));
  if (!prefix.empty() && !store::is_valid_name(std::string(prefix))) {
    throw not_accepted(url,
                       "has a prefix that is not made of letters, digits, '.', '_', '=' and '-' "
                       "with single slashes between them",
                       kS3Example);
  }
  if (prefix.size() > kMaxPrefix) {
    throw not_accepted(url, fmt::format("has a prefix of more than {} bytes", kMaxPrefix),
                       kS3Example);
  }
  return {std::string(bucket), std::string(prefix)};
}

bool is_port(std::string_view text) {
  unsigned port = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), port);
  return failure == std::errc() && end == text.data() + text.size() && port >= 1 && port <= 65535;
}

/// "host", "10.0.0.1", "[::1]", each with or without a port.
bool is_authority(std::string_view text) {
  constexpr std::string_view kInHost =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
  std::size_t end_of_host = text.find(':');
  if (text.starts_with('[')) {
    const auto bracket = text.find(']');
    if (bracket == std::string_view::npos || bracket < 3 ||
        text.substr(1, bracket - 1).find_first_not_of("0123456789abcdefABCDEF:.") !=
            std::string_view::npos) {
      return false;
    }
    end_of_host = bracket + 1 == text.size() ? std::string_view::npos : bracket + 1;
  } else if (text.empty() || end_of_host == 0 ||
             text.substr(0, end_of_host).find_first_not_of(kInHost) != std::string_view::npos) {
    return false;
  }
  return end_of_host == std::string_view::npos ||
         (text[end_of_host] == ':' && is_port(text.substr(end_of_host + 1)));
}

}  // namespace

RepositoryUrl parse_url(const std::string& url) {
  if (url.empty()) {
    throw not_accepted(url, "is empty", kFileExample);
  }
  if (url.starts_with(kFileScheme)) {
    return parse_folder(url);
  }
  if (url.starts_with(kS3Scheme)) {
    return parse_bucket(url);
  }
  if (url.find('@') != std::string::npos || url.find('?') != std::string::npos) {
    refuse_what_is_no_plain_url(url);
  }
  throw not_accepted(url, "is of a kind that this Keyrewind doesn't know: file:// and s3:// are",
                     fmt::format("{} or {}", kFileExample, kS3Example));
}

void check_endpoint(const std::string& endpoint) {
  std::string_view rest = endpoint;
  for (const std::string_view scheme : {"https://", "http://"}) {
    if (rest.starts_with(scheme)) {
      rest.remove_prefix(scheme.size());
      break;
    }
  }
  if (rest.size() == endpoint.size() || !is_authority(rest)) {
    // Not repeated: whoever puts keys into an endpoint's URL has put a secret there.
    throw Error(ErrorKind::config,
                "must be https://HOST or https://HOST:PORT, and nothing behind that");
  }
}

}  // namespace keyrewind::storage
