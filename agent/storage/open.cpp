#include "storage/open.h"

#include "base/error.h"
#include "storage/url.h"
#include "store/encrypted_store.h"
#include "store/file_store.h"

#include <utility>
#include <variant>

namespace keyrewind::storage {
namespace {

std::unique_ptr<store::ObjectStore> open_place(const StorageOptions& options) {
  const RepositoryUrl url = parse_url(options.url);
  if (const auto* folder = std::get_if<FolderUrl>(&url)) {
    return std::make_unique<store::FileStore>(folder->folder);
  }
  throw Error(ErrorKind::config, "s3:// is not available in this version");
}

}  // namespace

std::unique_ptr<store::ObjectStore> open(const StorageOptions& options, const Clock& /*clock*/) {
  return std::make_unique<store::EncryptedStore>(open_place(options), options.recipients,
                                                 options.identities);
}

}  // namespace keyrewind::storage
