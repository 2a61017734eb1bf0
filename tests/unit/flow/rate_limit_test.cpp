#include "flow/rate_limit.h"

#include "base/error.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <limits>
#include <stop_token>
#include <thread>

namespace keyrewind::flow {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// Bytes that pass in `time`, in the pieces that it wants.
std::uint64_t taken_in(RateLimit& limit, milliseconds time) {
  std::uint64_t taken = 0;
  for (const auto end = steady_clock::now() + time; steady_clock::now() < end;) {
    limit.take(limit.piece(), {});
    taken += limit.piece();
  }
  return taken;
}

TEST(RateLimit, WantsPiecesThatKeepItSmooth) {
  EXPECT_EQ(RateLimit(0).piece(), std::numeric_limits<std::size_t>::max());
  EXPECT_EQ(RateLimit(16U << 10U).piece(), 4096U);
  EXPECT_EQ(RateLimit(100'000).piece(), 10'000U);
  EXPECT_EQ(RateLimit(std::uint64_t{1} << 40U).piece(), 64U << 10U);
}

TEST(RateLimit, MakesUpForALittleAndNoMore) {
  RateLimit limit(1'000'000);
  limit.take(1, {});
  std::this_thread::sleep_for(milliseconds(1000));

  // Three tenths of a second's, then what this half second has, and at most two pieces.
  EXPECT_LE(taken_in(limit, milliseconds(500)), 300'000U + 500'000U + 2 * limit.piece() + 20'000U);
}

TEST(RateLimit, IsChangedWhileItHoldsBack) {
  RateLimit limit(1);
  limit.take(1000, {});
  std::jthread faster([&] {
    std::this_thread::sleep_for(milliseconds(50));
    limit.set(0);
  });
  limit.take(1000, {});
  EXPECT_EQ(limit.bytes_per_second(), 0U);
}

TEST(RateLimit, EndsWhenStopped) {
  RateLimit limit(1);
  limit.take(1000, {});
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THROW(limit.take(1, stop.get_token()), Error);
}

}  // namespace
}  // namespace keyrewind::flow
