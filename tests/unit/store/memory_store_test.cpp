#include "store/memory_store.h"

#include "base/error.h"

#include <gtest/gtest.h>

#include <string>

namespace keyrewind::store {
namespace {

TEST(MemoryStore, ForgetsAnUploadThatIsDeclaredAbandoned) {
  MemoryStore store;
  const auto but_b = [](const std::string& name) { return name != "orders/b"; };
  const auto upload = store.upload("orders/a", {});
  const auto spared = store.upload("orders/b", {});
  const auto other = store.upload("users/a", {});

  EXPECT_EQ(store.remove_abandoned_uploads("orders/", but_b, {}), 1);

  EXPECT_THROW(upload->complete(), Error);
  EXPECT_EQ(store.head("orders/a", {}), std::nullopt);
  spared->complete();
  EXPECT_NE(store.head("orders/b", {}), std::nullopt);
  other->complete();
  EXPECT_NE(store.head("users/a", {}), std::nullopt);
}

}  // namespace
}  // namespace keyrewind::store
