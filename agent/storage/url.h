#pragma once

#include <string>
#include <variant>

namespace keyrewind::storage {

/// "file:///absolute/folder". The path is taken as it stands: no percent sign is decoded, no ".."
/// resolved.
struct FolderUrl {
  std::string folder;
};

/// "s3://bucket/prefix".
struct BucketUrl {
  std::string bucket;
  std::string prefix;  ///< Without a slash at either end; may be empty.
};

using RepositoryUrl = std::variant<FolderUrl, BucketUrl>;

/// What the URL of a repository says. Throws Error(config) for any other, saying what is accepted.
RepositoryUrl parse_url(const std::string& url);

/// Throws Error(config) unless the text is "http://HOST[:PORT]" or the same with https.
void check_endpoint(const std::string& endpoint);

}  // namespace keyrewind::storage
