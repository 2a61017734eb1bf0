#include "base/error.h"
#include "catalog/names.h"
#include "catalog/repository.h"
#include "restore/verify.h"
#include "store/memory_store.h"
#include "unit/prune/sample.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace keyrewind::restore {
namespace {

using testing::HasSubstr;

class VerifyCommit : public testing::Test {
 protected:
  void SetUp() override {
    catalog::ensure_repository(store_, clock_, {});
    commit_ = test::take_backup(catalog_, clock_, std::string(40, 'a'), 100);
    name_ = catalog::names::commit("orders", commit_.sequence, commit_.id);
  }

  void put(const std::string& content) {
    store_.remove(name_, {});
    store_.put_if_absent(name_, as_bytes(content), {});
  }

  Error failure() {
    try {
      Progress progress;
      verify_backup(catalog_, commit_, VerifyOptions(), progress, {});
    } catch (const Error& error) {
      return error;
    }
    return {ErrorKind::internal, "nothing was thrown"};
  }

  store::MemoryStore store_;
  test::ManualClock clock_{test::prune_time()};
  catalog::Catalog catalog_{store_, "orders"};
  catalog::Commit commit_;
  std::string name_;
};

TEST_F(VerifyCommit, FindsOneThatIsDamagedThoughAPageToldOfTheBackup) {
  put("{");

  EXPECT_EQ(failure().kind(), ErrorKind::corrupt);
  EXPECT_THAT(failure().what(), HasSubstr(name_));
}

TEST_F(VerifyCommit, FindsOneThatSaysSomethingElse) {
  catalog::Commit other = commit_;
  ++other.keys;
  put(catalog::encode(other));

  EXPECT_EQ(failure().kind(), ErrorKind::corrupt);
  EXPECT_THAT(failure().what(), HasSubstr("does not say what a page says"));
}

TEST_F(VerifyCommit, FindsThatItIsGone) {
  store_.remove(name_, {});

  EXPECT_EQ(failure().kind(), ErrorKind::no_backup);
}

}  // namespace
}  // namespace keyrewind::restore
