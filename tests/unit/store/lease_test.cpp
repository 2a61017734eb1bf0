#include "store/lease.h"

#include "base/clock.h"
#include "store/memory_store.h"
#include "support/faulty_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

namespace keyrewind::store {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kTtl{600};
constexpr seconds kLong{20};

class LeaseTest : public testing::Test {
 protected:
  std::unique_ptr<Lease> lease(const std::string& holder, ObjectStore& store) {
    return std::make_unique<Lease>(store, "leases/0.json",
                                   LeaseOptions{.holder = holder, .ttl = kTtl}, clock_);
  }
  std::unique_ptr<Lease> lease(const std::string& holder) { return lease(holder, store_); }

  static void wait_until_ours(const Lease& lease) {
    for (LeaseState state = lease.state(); state != LeaseState::ours;) {
      const LeaseState next = lease.wait_while(state, kLong, {});
      ASSERT_NE(next, state) << "waited too long";
      state = next;
    }
  }

  SystemClock clock_;
  MemoryStore store_;
};

TEST_F(LeaseTest, IsTakenWhenNobodyHasIt) {
  const auto one = lease("one");
  wait_until_ours(*one);
  EXPECT_EQ(one->generation(), 1U);
  EXPECT_FALSE(one->was_ours_before());
  EXPECT_EQ(one->holder(), "one");
}

TEST_F(LeaseTest, GoesToAnotherOnlyAfterItWasGivenBack) {
  auto one = lease("one");
  wait_until_ours(*one);
  const auto two = lease("two");
  EXPECT_EQ(two->wait_while(LeaseState::unknown, kLong, {}), LeaseState::others);
  // Longer than its time to live, but it is renewed.
  EXPECT_EQ(two->wait_while(LeaseState::others, 2 * kTtl, {}), LeaseState::others);
  EXPECT_TRUE(two->others_renew());
  EXPECT_EQ(one->state(), LeaseState::ours);
  one.reset();
  wait_until_ours(*two);
  EXPECT_EQ(two->generation(), 2U);
}

TEST_F(LeaseTest, ComesBackAtOnceToWhoHadIt) {
  test::FaultyStore dying(store_);
  {
    const auto one = lease("one", dying);
    wait_until_ours(*one);
    dying.set({.mode = test::Fault::Mode::fail_before});  // It cannot give it back.
  }
  const auto again = lease("one");
  wait_until_ours(*again);
  EXPECT_EQ(again->generation(), 1U);
  EXPECT_TRUE(again->was_ours_before());
}

TEST_F(LeaseTest, IsNoLongerCountedOnBeforeAnotherTakesIt) {
  test::FaultyStore cut_off(store_);
  const auto one = lease("one", cut_off);
  wait_until_ours(*one);
  const auto two = lease("two");
  EXPECT_EQ(two->wait_while(LeaseState::unknown, kLong, {}), LeaseState::others);
  cut_off.set({.mode = test::Fault::Mode::fail_before});
  wait_until_ours(*two);
  EXPECT_NE(one->state(), LeaseState::ours);
  EXPECT_EQ(two->generation(), 2U);
  EXPECT_FALSE(two->was_ours_before());

  cut_off.set({});
  EXPECT_EQ(one->wait_while(LeaseState::unknown, kLong, {}), LeaseState::others);
  EXPECT_EQ(one->holder(), "two");
  EXPECT_EQ(two->state(), LeaseState::ours);
}

TEST_F(LeaseTest, IsStillOursWhenTheStoreComesBackAndNobodyTookIt) {
  test::FaultyStore cut_off(store_);
  const auto one = lease("one", cut_off);
  wait_until_ours(*one);
  cut_off.set({.mode = test::Fault::Mode::fail_before});
  EXPECT_EQ(one->wait_while(LeaseState::ours, kLong, {}), LeaseState::unknown);
  cut_off.set({});
  wait_until_ours(*one);
  EXPECT_EQ(one->generation(), 1U);
}

TEST_F(LeaseTest, IsKnownToBeOursThoughAnswersAreLost) {
  test::FaultyStore deaf(store_, {.mode = test::Fault::Mode::fail_after, .every = 2});
  const auto one = lease("one", deaf);
  wait_until_ours(*one);
  EXPECT_EQ(one->generation(), 1U);
}

TEST_F(LeaseTest, IsNeverTakenWhereItIsDamaged) {
  ASSERT_TRUE(store_.put_if_absent("leases/0.json", as_bytes(std::string("{}")), {}));
  const auto one = lease("one");
  for (int i = 0; i < 100 && !one->problem(); ++i) {
    one->wait_while(LeaseState::unknown, milliseconds(100), {});
  }
  ASSERT_TRUE(one->problem());
  EXPECT_THAT(one->problem()->what(), testing::HasSubstr("leases/0.json is damaged"));
  EXPECT_EQ(one->state(), LeaseState::unknown);
}

TEST_F(LeaseTest, AsALockIsRefusedWhileSomebodyHasIt) {
  auto lock = try_lease_lock(store_, "writer", kTtl, clock_, {});
  ASSERT_TRUE(lock);
  EXPECT_TRUE(lock->held());
  EXPECT_FALSE(try_lease_lock(store_, "writer", kTtl, clock_, {}));
  lock.reset();
  EXPECT_TRUE(try_lease_lock(store_, "writer", kTtl, clock_, {}));
}

}  // namespace
}  // namespace keyrewind::store
