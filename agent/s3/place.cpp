#include "s3/place.h"

#include "base/error.h"
#include "s3/s3_store.h"
#include "s3/signer.h"

#include <fmt/format.h>

#include <algorithm>

namespace keyrewind::s3 {
namespace {

constexpr std::string_view kDefaultRegion = "us-east-1";
constexpr std::string_view kAwsDomain = "amazonaws.com";

Error wrong(std::string message) {
  return {Side::repository, ErrorKind::config, std::move(message)};
}

/// What a bucket's name may have. Old ones may also have capitals and '_'.
bool is_bucket(std::string_view name) {
  return name.size() >= 3 && name.size() <= 255 && name.find("..") == std::string_view::npos &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '-' || c == '_';
         });
}

std::string region_of(const S3Options& options) {
  if (!options.region.empty()) {
    return options.region;
  }
  const std::string ambient = ambient_region(options.credentials);
  return ambient.empty() ? std::string(kDefaultRegion) : ambient;
}

std::string aws_endpoint(const std::string& region) {
  return fmt::format("https://s3.{}.{}{}", region, kAwsDomain,
                     region.starts_with("cn-") ? ".cn" : "");
}

std::string checked_endpoint(std::string endpoint) {
  while (endpoint.ends_with('/')) {
    endpoint.pop_back();
  }
  const std::size_t scheme = endpoint.find("://");
  const bool known = endpoint.starts_with("https://") || endpoint.starts_with("http://");
  if (!known || scheme + 3 == endpoint.size() ||
      endpoint.find_first_of("?#@ ") != std::string::npos) {
    throw wrong(
        fmt::format("s3.endpoint \"{}\" is no address of a store; write https://host or "
                    "http://host:port",
                    endpoint.find('@') == std::string::npos ? endpoint : "…"));
  }
  return endpoint;
}

/// Host and port.
std::string_view authority(std::string_view endpoint) {
  endpoint.remove_prefix(endpoint.find("://") + 3);
  return endpoint.substr(0, endpoint.find('/'));
}

/// Numbers have no names below them: the bucket can only be in the path.
bool is_ip_address(std::string_view host) {
  if (host.starts_with('[')) {
    return true;
  }
  host = host.substr(0, host.find(':'));
  return host.find_first_not_of("0123456789.") == std::string_view::npos;
}

}  // namespace

Place::Place(const S3Options& options)
    : bucket_(options.bucket),
      prefix_(options.prefix.empty() ? "" : options.prefix + "/"),
      region_(region_of(options)),
      endpoint_(options.endpoint.empty() ? aws_endpoint(region_)
                                         : checked_endpoint(options.endpoint)) {
  if (!is_bucket(bucket_)) {
    throw wrong(fmt::format("\"{}\" is no name of a bucket; write s3://bucket/prefix", bucket_));
  }
  const std::string_view host = authority(endpoint_);
  const std::string_view name = host.substr(0, host.find(':'));
  aws_ = name.ends_with(fmt::format(".{}", kAwsDomain)) ||
         name.ends_with(fmt::format(".{}.cn", kAwsDomain));
  // A certificate for *.host does not hold for a bucket with a dot in its name.
  const bool dotted = bucket_.find('.') != std::string::npos && endpoint_.starts_with("https:");
  if (options.path_style || is_ip_address(host) || dotted) {
    base_ = fmt::format("{}/{}/", endpoint_, bucket_);
  } else {
    const std::size_t at = endpoint_.find("://") + 3;
    base_ = fmt::format("{}{}.{}/", endpoint_.substr(0, at), bucket_, endpoint_.substr(at));
  }
}

std::string Place::url() const {
  return prefix_.empty()
             ? "s3://" + bucket_
             : fmt::format("s3://{}/{}", bucket_, prefix_.substr(0, prefix_.size() - 1));
}

std::optional<std::string> Place::name(std::string_view key) const {
  if (!key.starts_with(prefix_)) {
    return std::nullopt;
  }
  return std::string(key.substr(prefix_.size()));
}

std::string Place::request_url(const std::string& key, const Query& query) const {
  std::string url = base_ + uri_encode(key, true);
  for (std::size_t i = 0; i < query.size(); ++i) {
    url += fmt::format("{}{}={}", i == 0 ? '?' : '&', uri_encode(query[i].first, false),
                       uri_encode(query[i].second, false));
  }
  return url;
}

}  // namespace keyrewind::s3
