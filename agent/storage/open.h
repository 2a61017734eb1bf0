#pragma once

#include "base/clock.h"
#include "codec/age.h"
#include "s3/s3_store.h"
#include "store/object_store.h"
#include "store/report.h"

#include <memory>
#include <string>
#include <vector>

/// Puts together the store of a repository: the kind that its URL says, encrypted if there are
/// keys.
namespace keyrewind::storage {

struct StorageOptions {
  std::string url;     ///< "file:///absolute/folder" or "s3://bucket/prefix".
  s3::S3Options s3{};  ///< But for `observer`, and `bucket` and `prefix`, which the URL has.
  std::vector<codec::AgeRecipient> recipients{};
  std::vector<codec::AgeIdentity> identities{};
  store::Observer observer{};  ///< Of all requests, whatever the kind of store.
};

/// Nothing is contacted yet. Throws Error(config) for any other URL, saying what is accepted.
/// `clock` must outlive the store.
std::unique_ptr<store::ObjectStore> open(const StorageOptions& options, const Clock& clock);

}  // namespace keyrewind::storage
