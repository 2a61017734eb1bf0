#include "store/memory_store.h"

#include "base/error.h"

#include <gtest/gtest.h>

namespace keyrewind::store {
namespace {

TEST(MemoryStore, ForgetsAnUploadThatIsDeclaredAbandoned) {
  MemoryStore store;
  const auto upload = store.upload("orders/a", {});
  const auto other = store.upload("users/a", {});

  EXPECT_EQ(store.remove_abandoned_uploads("orders/", {}), 1);

  EXPECT_THROW(upload->complete(), Error);
  EXPECT_EQ(store.head("orders/a", {}), std::nullopt);
  other->complete();
  EXPECT_NE(store.head("users/a", {}), std::nullopt);
}

}  // namespace
}  // namespace keyrewind::store
