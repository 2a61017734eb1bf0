#include "http/stall_watch.h"

#include <gtest/gtest.h>

namespace keyrewind::http {
namespace {

using namespace std::chrono_literals;

constexpr StallWatch::TimePoint kStart{};

TEST(StallWatch, LetsASlowTransferBe) {
  StallWatch watch(10s, kStart);
  std::int64_t moved = 0;

  for (int second = 1; second <= 60; ++second) {
    moved += 1100;
    EXPECT_FALSE(watch.hangs(kStart + std::chrono::seconds(second), moved)) << second;
  }
}

TEST(StallWatch, EndsATransferThatCrawls) {
  StallWatch watch(10s, kStart);
  std::int64_t moved = 0;

  for (int second = 1; second < 10; ++second) {
    moved += 900;
    EXPECT_FALSE(watch.hangs(kStart + std::chrono::seconds(second), moved)) << second;
  }

  EXPECT_TRUE(watch.hangs(kStart + 10s, moved));
  EXPECT_TRUE(watch.moved_at_all());
}

TEST(StallWatch, CountsFromWhenSomethingMovedLast) {
  StallWatch watch(10s, kStart);
  EXPECT_FALSE(watch.hangs(kStart + 9s, 1 << 20));

  EXPECT_FALSE(watch.hangs(kStart + 18s, 1 << 20));

  EXPECT_TRUE(watch.hangs(kStart + 19s, 1 << 20));
  EXPECT_FALSE(watch.moved_at_all());
}

TEST(StallWatch, DoesNotCountTheTimeThatWasHeldBack) {
  StallWatch watch(10s, kStart);

  watch.forgive(30s);

  EXPECT_FALSE(watch.hangs(kStart + 39s, 0));
  EXPECT_TRUE(watch.hangs(kStart + 40s, 0));
}

TEST(StallWatch, WantsSomethingOfTheShortestTransfers) {
  StallWatch watch(1ms, kStart);

  EXPECT_TRUE(watch.hangs(kStart + 1ms, 0));
  EXPECT_FALSE(watch.hangs(kStart + 2ms, 1));
}

}  // namespace
}  // namespace keyrewind::http
