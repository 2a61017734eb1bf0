#include "support/store_contract.h"

#include "codec/age.h"
#include "store/encrypted_store.h"
#include "store/file_store.h"
#include "store/memory_store.h"
#include "store/observed_store.h"
#include "suffixed_store.h"
#include "support/temp_dir.h"

#include <memory>
#include <utility>
#include <vector>

namespace keyrewind::test {
namespace {

OpenedStore open_memory() {
  return {nullptr, std::make_unique<store::MemoryStore>()};
}

OpenedStore open_folder() {
  auto folder = std::make_shared<TempDir>();
  auto store = std::make_unique<store::FileStore>(folder->path());
  return {std::move(folder), std::move(store)};
}

OpenedStore open_observed() {
  return {nullptr,
          std::make_unique<store::ObservedStore>(std::make_unique<store::MemoryStore>(),
                                                 [](const store::RequestReport& /*report*/) {})};
}

std::unique_ptr<store::ObjectStore> make_encrypted(std::vector<codec::AgeIdentity> identities) {
  return std::make_unique<store::EncryptedStore>(
      std::make_unique<store::MemoryStore>(),
      std::vector<codec::AgeRecipient>{codec::AgeIdentity(kSecret).recipient()},
      std::move(identities));
}

/// With names that are not encrypted.
OpenedStore open_plain_names() {
  return {nullptr, make_encrypted({codec::AgeIdentity(kSecret)})};
}

/// With names that are.
OpenedStore open_encrypted_names() {
  return {nullptr, std::make_unique<SuffixedStore>(make_encrypted({codec::AgeIdentity(kSecret)}))};
}

/// The same by the keys of its own objects that the store remembers.
OpenedStore open_own_objects() {
  return {nullptr, std::make_unique<SuffixedStore>(make_encrypted({}))};
}

INSTANTIATE_TEST_SUITE_P(
    Stores, StoreContract,
    testing::Values(
        StoreFactory{"memory", open_memory}, StoreFactory{"file", open_folder},
        StoreFactory{"observed", open_observed},
        StoreFactory{"encrypted_plain_names", open_plain_names},
        StoreFactory{.name = "encrypted", .open = open_encrypted_names, .encrypts = true},
        StoreFactory{.name = "encrypted_own", .open = open_own_objects, .encrypts = true}),
    [](const auto& factory) { return factory.param.name; });

}  // namespace
}  // namespace keyrewind::test
