#include "catalog/hold.h"

#include "catalog/names.h"
#include "catalog/restore_request.h"
#include "sample.h"
#include "store/memory_store.h"
#include "support/manual_clock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace keyrewind::catalog {
namespace {

using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;

class HoldTest : public testing::Test {
 protected:
  void ask(const std::string& backup, const std::string& at) {
    request_restore(catalog_, {.backup = backup, .at = at, .by = "desk"}, "0", clock_, {});
  }
  Holds holds() { return list_holds(catalog_, clock_.now(), {}); }

  test::ManualClock clock_{test::sample_time()};
  store::MemoryStore store_;
  Catalog catalog_{store_, "orders"};

 private:
  void SetUp() override { store_.create(); }
};

TEST_F(HoldTest, OfAPendingRequestIsThatOfTheBackupThatItNames) {
  EXPECT_THAT(holds().in_force, IsEmpty());
  ask("b1", "");

  const Holds found = holds();

  ASSERT_THAT(found.in_force, ElementsAre(Field(&Hold::backup, "b1")));
  EXPECT_FALSE(found.in_force[0].everything);
  EXPECT_EQ(found.in_force[0].by, "restore request 1 by desk");
  EXPECT_THAT(found.ended, IsEmpty());
}

TEST_F(HoldTest, OfAPendingRequestIsEverythingWhereItIsForAMoment) {
  ask("", "before:75a4f1c0-7");
  EXPECT_THAT(holds().in_force, ElementsAre(Field(&Hold::everything, true)));
  cancel_restore_request(catalog_, 1, clock_, {});
  ask("b1", "offset:7");
  EXPECT_THAT(holds().in_force, ElementsAre(Field(&Hold::everything, true)));
}

TEST_F(HoldTest, OfARequestEndsWithIt) {
  ask("b1", "");
  note_restore_outcome(catalog_, 1, "0", {}, {});
  EXPECT_THAT(holds().in_force, IsEmpty());

  ask("b1", "");
  cancel_restore_request(catalog_, 2, clock_, {});
  EXPECT_THAT(holds().in_force, IsEmpty());
}

TEST_F(HoldTest, OfARequestThatNobodyCanReadIsEverything) {
  store_.put_if_absent(names::restore_request("orders", 1), as_bytes(std::string("{")), {});

  const Holds found = holds();

  ASSERT_THAT(found.in_force, ElementsAre(Field(&Hold::everything, true)));
  EXPECT_THAT(found.in_force[0].by, HasSubstr("cannot be read"));
}

}  // namespace
}  // namespace keyrewind::catalog
