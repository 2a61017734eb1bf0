#include "flow/pool.h"

#include "base/bytes.h"
#include "base/error.h"
#include "flow/group.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <stop_token>
#include <utility>

namespace keyrewind::flow {
namespace {

using Lease = Pool<Bytes>::Lease;

Bytes make_buffer() {
  return Bytes(16);
}

TEST(Pool, MakesItsBuffersAtOnce) {
  int made = 0;

  Pool<Bytes> pool(3, [&] {
    ++made;
    return make_buffer();
  });

  EXPECT_EQ(made, 3);
  (void)pool.borrow({});
  EXPECT_EQ(made, 3);
}

TEST(Pool, LendsTheSameMemoryAgain) {
  Pool<Bytes> pool(1, make_buffer);
  const std::byte* first = nullptr;
  {
    const Lease lease = pool.borrow({});
    first = lease->data();
  }

  const Lease again = pool.borrow({});

  EXPECT_EQ(again->data(), first);
  EXPECT_EQ(again->size(), 16U);
}

TEST(Pool, LendsNoMoreThanItHas) {
  Pool<Bytes> pool(2, make_buffer);
  const Lease first = pool.borrow({});
  const Lease second = pool.borrow({});
  std::stop_source stopped;
  stopped.request_stop();

  EXPECT_NE(first->data(), second->data());
  EXPECT_THROW((void)pool.borrow(stopped.get_token()), Error);
}

TEST(Pool, LendsNothingOnceStopped) {
  Pool<Bytes> pool(1, make_buffer);
  std::stop_source stopped;
  stopped.request_stop();

  EXPECT_THROW((void)pool.borrow(stopped.get_token()), Error);
  EXPECT_NO_THROW((void)pool.borrow({}));
}

TEST(Pool, GetsABufferBackHoweverItsLeaseWasMoved) {
  Pool<Bytes> pool(2, make_buffer);
  {
    Lease first = pool.borrow({});
    Lease second = std::move(first);
    Lease third = pool.borrow({});
    third = std::move(second);
    const Lease fourth = pool.borrow({});
    EXPECT_NE(third->data(), fourth->data());
  }

  const Lease one = pool.borrow({});
  const Lease other = pool.borrow({});
  EXPECT_NE(one->data(), other->data());
}

TEST(Pool, WakesWhoeverWaits) {
  Pool<Bytes> pool(1, make_buffer);
  std::optional<Lease> held = pool.borrow({});
  std::atomic<bool> got{false};
  Group group{std::stop_token{}};
  group.spawn("waiter", [&](std::stop_token stop) {
    (void)pool.borrow(stop);
    got = true;
  });

  held.reset();
  group.wait();

  EXPECT_TRUE(got);
}

TEST(Pool, LendsEachBufferToOneAtATime) {
  Pool<Bytes> pool(3, make_buffer);
  Group group{std::stop_token{}};
  for (int thread = 0; thread < 6; ++thread) {
    group.spawn("borrower", [&, thread](std::stop_token stop) {
      const auto own = static_cast<std::byte>(thread);
      for (int i = 0; i < 500; ++i) {
        Lease lease = pool.borrow(stop);
        std::fill(lease->begin(), lease->end(), own);
        EXPECT_EQ(std::count(lease->begin(), lease->end(), own), 16);
      }
    });
  }
  group.wait();
}

}  // namespace
}  // namespace keyrewind::flow
