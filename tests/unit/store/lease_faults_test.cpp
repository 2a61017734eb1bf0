// Leases while the store fails, hangs and loses answers, and while many want the same one.

#include "base/clock.h"
#include "store/lease.h"
#include "store/memory_store.h"
#include "support/faulty_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace keyrewind::store {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;
using test::Fault;
using test::FaultyStore;

constexpr milliseconds kTtl{300};
constexpr seconds kLong{60};

const SystemClock kClock;

std::unique_ptr<Lease> make_lease(const std::string& holder, ObjectStore& store) {
  return std::make_unique<Lease>(store, "leases/0.json",
                                 LeaseOptions{.holder = holder, .ttl = kTtl}, kClock);
}

/// Waits for a state, without guessing how long that takes.
void wait_for(const Lease& lease, LeaseState wanted) {
  const auto deadline = steady_clock::now() + kLong;
  while (lease.state() != wanted) {
    ASSERT_LT(steady_clock::now(), deadline) << "waited in vain";
    lease.wait_while(lease.state(), milliseconds(50), {});
  }
}

TEST(LeaseInTrouble, IsNobodysAsFarAsIsKnownWhileTheStoreDoesNotAnswer) {
  MemoryStore inner;
  FaultyStore store(inner, {.mode = Fault::Mode::fail_before});
  const auto lease = make_lease("one", store);
  const auto deadline = steady_clock::now() + kLong;
  while (store.calls() < 5) {
    ASSERT_LT(steady_clock::now(), deadline);
    EXPECT_EQ(lease->wait_while(LeaseState::unknown, milliseconds(5), {}), LeaseState::unknown);
  }
  EXPECT_EQ(lease->generation(), 0U);
  EXPECT_EQ(lease->holder(), "");
  ASSERT_TRUE(lease->problem());
  EXPECT_EQ(lease->problem()->kind(), ErrorKind::unavailable);
  EXPECT_FALSE(inner.read_record("leases/0.json", {}));

  store.set({});
  wait_for(*lease, LeaseState::ours);
  EXPECT_EQ(lease->problem(), std::nullopt);
}

class LeaseFailsAtCall : public testing::TestWithParam<Fault::Mode> {};

INSTANTIATE_TEST_SUITE_P(Mode, LeaseFailsAtCall,
                         testing::Values(Fault::Mode::fail_before, Fault::Mode::fail_after),
                         [](const auto& mode) {
                           return mode.param == Fault::Mode::fail_before ? "Before" : "After";
                         });

TEST_P(LeaseFailsAtCall, AndIsTakenOnceAllTheSame) {
  constexpr std::uint64_t kCalls = 5;  // A look, the taking, and some renewals.
  for (std::uint64_t call = 1; call <= kCalls; ++call) {
    MemoryStore inner;
    FaultyStore store(inner, {.mode = GetParam(), .call = call});
    auto one = make_lease("one", store);
    const auto deadline = steady_clock::now() + kLong;
    while (store.calls() <= call) {
      ASSERT_LT(steady_clock::now(), deadline);
      one->wait_while(one->state(), milliseconds(5), {});
    }
    wait_for(*one, LeaseState::ours);
    EXPECT_EQ(one->generation(), 1U) << "call " << call;

    auto two = make_lease("two", inner);
    wait_for(*two, LeaseState::others);
    EXPECT_EQ(two->holder(), "one");
    one.reset();
    wait_for(*two, LeaseState::ours);
    EXPECT_EQ(two->generation(), 2U) << "call " << call;
    EXPECT_FALSE(two->was_ours_before());
  }
}

TEST(LeaseInTrouble, IsGivenUpByAHolderWhoseRequestHangsBeforeAnotherTakesIt) {
  MemoryStore inner;
  FaultyStore store(inner);
  const auto one = make_lease("one", store);
  wait_for(*one, LeaseState::ours);
  const auto two = make_lease("two", inner);
  wait_for(*two, LeaseState::others);
  store.set({.mode = Fault::Mode::hang});
  while (two->state() != LeaseState::ours) {
    const bool still_counted_on = one->state() == LeaseState::ours;
    ASSERT_FALSE(two->state() == LeaseState::ours && still_counted_on &&
                 one->state() == LeaseState::ours);
    two->wait_while(LeaseState::others, milliseconds(5), {});
  }
  EXPECT_EQ(one->state(), LeaseState::unknown);

  // What was on its way for so long arrives after all, and changes nothing.
  store.set({});
  wait_for(*one, LeaseState::others);
  EXPECT_EQ(two->state(), LeaseState::ours);
  EXPECT_EQ(two->generation(), 2U);
  EXPECT_EQ(one->generation(), 1U);
}

TEST(LeaseInTrouble, IsTakenByOneOfManyAtATime) {
  MemoryStore inner;
  std::vector<std::unique_ptr<FaultyStore>> stores;
  std::vector<std::unique_ptr<Lease>> leases;
  constexpr std::array kModes{Fault::Mode::fail_before, Fault::Mode::fail_after};
  for (std::size_t i = 0; i < 5; ++i) {
    stores.push_back(
        std::make_unique<FaultyStore>(inner, Fault{.mode = kModes.at(i % 2), .every = 2 + i}));
    leases.push_back(make_lease(std::to_string(i), *stores.back()));
  }
  const auto holder = [&]() -> std::optional<std::size_t> {
    for (std::size_t i = 0; i < leases.size(); ++i) {
      if (leases[i]->state() == LeaseState::ours) {
        return i;
      }
    }
    return std::nullopt;
  };
  // Whoever has it and still has it has had it all the time, as long as the generation is the same.
  const auto expect_alone = [&](std::size_t one) {
    const std::uint64_t generation = leases[one]->generation();
    for (std::size_t other = 0; other < leases.size(); ++other) {
      const bool two = other != one && leases[other]->state() == LeaseState::ours;
      ASSERT_FALSE(two && leases[one]->state() == LeaseState::ours &&
                   leases[one]->generation() == generation);
    }
  };
  const auto deadline = steady_clock::now() + kLong;
  std::uint64_t highest = 0;
  int terms = 0;
  while (terms < 8) {
    ASSERT_LT(steady_clock::now(), deadline);
    const auto one = holder();
    if (!one) {
      leases.front()->wait_while(leases.front()->state(), milliseconds(1), {});
      continue;
    }
    expect_alone(*one);
    if (const std::uint64_t generation = leases[*one]->generation(); generation > highest) {
      highest = generation;
      ++terms;
      // It ends: in order, or so that nobody is told.
      if (terms % 2 == 0) {
        stores[*one]->set({.mode = Fault::Mode::fail_before});
      }
      leases[*one].reset();
      stores[*one]->set({.mode = kModes.at(*one % 2), .every = 2 + *one});
      leases[*one] = make_lease(std::to_string(*one) + "-" + std::to_string(terms), *stores[*one]);
    }
  }
  EXPECT_GE(highest, 8U);
}

TEST(LeaseInTrouble, IsWonByOneOfManyWhoBeginAtOnce) {
  for (int round = 0; round < 20; ++round) {
    MemoryStore store;
    std::vector<std::unique_ptr<Lease>> leases;
    for (int i = 0; i < 6; ++i) {
      leases.push_back(make_lease(std::to_string(i), store));
    }
    std::size_t winners = 0;
    for (const auto& lease : leases) {
      const auto deadline = steady_clock::now() + kLong;
      while (lease->state() == LeaseState::unknown) {
        ASSERT_LT(steady_clock::now(), deadline);
        lease->wait_while(LeaseState::unknown, milliseconds(50), {});
      }
      winners += lease->generation() == 1 ? 1U : 0U;
    }
    EXPECT_EQ(winners, 1U);
  }
}

TEST(LeaseInTrouble, BelongsToNobodyWhenItsRecordIsRemovedAndIsTakenWithTheNextGeneration) {
  MemoryStore store;
  const auto one = make_lease("one", store);
  wait_for(*one, LeaseState::ours);
  store.remove("leases/0.json", {});
  const auto deadline = steady_clock::now() + kLong;
  while (one->generation() == 1) {
    ASSERT_LT(steady_clock::now(), deadline);
    one->wait_while(one->state(), milliseconds(5), {});
  }
  wait_for(*one, LeaseState::ours);
  EXPECT_EQ(one->generation(), 2U);
}

TEST(LeaseInTrouble, AsALockSaysThatItWasLost) {
  MemoryStore inner;
  FaultyStore store(inner);
  const auto lock = try_lease_lock(store, "writer", kTtl, kClock, {});
  ASSERT_TRUE(lock);
  store.set({.mode = Fault::Mode::fail_before});
  const auto other = try_lease_lock(inner, "writer", kTtl, kClock, {});
  ASSERT_TRUE(other) << "nobody renews it";
  EXPECT_FALSE(lock->held());
  EXPECT_TRUE(other->held());
}

TEST(LeaseInTrouble, AsALockFailsWithTheStore) {
  MemoryStore inner;
  FaultyStore store(inner, {.mode = Fault::Mode::fail_before});
  try {
    try_lease_lock(store, "writer", kTtl, kClock, {});
    FAIL() << "there is no lock";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::unavailable);
  }
  std::stop_source stop;
  stop.request_stop();
  try {
    try_lease_lock(inner, "writer", kTtl, kClock, stop.get_token());
    FAIL() << "it was to stop";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::cancelled);
  }
}

}  // namespace
}  // namespace keyrewind::store
