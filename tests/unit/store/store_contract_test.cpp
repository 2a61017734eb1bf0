#include "support/store_contract.h"

#include "store/file_store.h"
#include "store/memory_store.h"
#include "support/temp_dir.h"

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

INSTANTIATE_TEST_SUITE_P(Stores, StoreContract,
                         testing::Values(StoreFactory{"memory", open_memory},
                                         StoreFactory{"file", open_folder}),
                         [](const auto& factory) { return factory.param.name; });

}  // namespace
}  // namespace keyrewind::test
