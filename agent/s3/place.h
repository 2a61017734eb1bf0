#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace keyrewind::s3 {

struct S3Options;

/// Names and values, not encoded yet. A value may be empty.
using Query = std::vector<std::pair<std::string, std::string>>;

/// Where a repository is: its bucket and prefix, and the URLs to speak of them.
class Place {
 public:
  /// Throws Error(config) if bucket or endpoint can't be right.
  explicit Place(const S3Options& options);

  const std::string& bucket() const noexcept { return bucket_; }
  const std::string& region() const noexcept { return region_; }

  /// "https://host:port", without the bucket.
  const std::string& endpoint() const noexcept { return endpoint_; }

  /// "s3://bucket/prefix", for people.
  std::string url() const;

  /// Whether it is AWS itself, not somebody who speaks like it.
  bool is_aws() const noexcept { return aws_; }

  /// The key of the object `name`: both begin alike, so an empty name is the beginning of all.
  std::string key(std::string_view name) const { return prefix_ + std::string(name); }

  /// The name of the object with that key. Nothing if it is not below the prefix.
  std::optional<std::string> name(std::string_view key) const;

  /// The URL of an object, or of the bucket if `key` is empty.
  std::string request_url(const std::string& key, const Query& query) const;

 private:
  std::string bucket_;
  std::string prefix_;  ///< Ends in a slash, or is empty.
  std::string region_;
  std::string endpoint_;
  std::string base_;  ///< What the key is appended to; ends in a slash.
  bool aws_ = false;
};

}  // namespace keyrewind::s3
