#include "storage/open.h"

#include "storage/url.h"
#include "store/encrypted_store.h"
#include "store/file_store.h"
#include "store/observed_store.h"

#include <utility>
#include <variant>

namespace keyrewind::storage {
namespace {

std::unique_ptr<store::ObjectStore> open_place(const StorageOptions& options, const Clock& clock) {
  RepositoryUrl url = parse_url(options.url);
  if (const auto* folder = std::get_if<FolderUrl>(&url)) {
    auto files = std::make_unique<store::FileStore>(folder->folder);
    if (!options.observer) {
      return files;
    }
    return std::make_unique<store::ObservedStore>(std::move(files), options.observer);
  }
  auto& place = std::get<BucketUrl>(url);
  s3::S3Options s3 = options.s3;
  s3.bucket = std::move(place.bucket);
  s3.prefix = std::move(place.prefix);
  s3.observer = options.observer;
  return std::make_unique<s3::S3Store>(std::move(s3), clock);
}

}  // namespace

std::unique_ptr<store::ObjectStore> open(const StorageOptions& options, const Clock& clock) {
  return std::make_unique<store::EncryptedStore>(open_place(options, clock), options.recipients,
                                                 options.identities);
}

}  // namespace keyrewind::storage
