#include "s3/backoff.h"

#include <gtest/gtest.h>

namespace keyrewind::s3 {
namespace {

using namespace std::chrono_literals;

constexpr Backoff::TimePoint kStart{};
constexpr double kNearlyOne = 0.9999;

TEST(Backoff, WaitsLongerAndLongerUpToABound) {
  Backoff backoff(1h, kStart);

  auto before = 0ms;
  for (int i = 0; i < 20; ++i) {
    const auto pause = backoff.next(kStart, kNearlyOne, false);
    ASSERT_TRUE(pause);
    EXPECT_GE(*pause, before);
    EXPECT_LE(*pause, 10s);
    before = *pause;
  }
  EXPECT_GT(before, 9s);
  EXPECT_EQ(backoff.tries(), 20);
}

TEST(Backoff, DrawsThePauseByLot) {
  Backoff one(1h, kStart);
  Backoff other(1h, kStart);

  EXPECT_EQ(one.next(kStart, 0.0, false), 0ms);
  EXPECT_EQ(other.next(kStart, 0.5, false), 50ms);
}

TEST(Backoff, WaitsLongerForAStoreThatIsOverloaded) {
  Backoff backoff(1h, kStart);

  EXPECT_EQ(backoff.next(kStart, 0.5, true), 500ms);
}

TEST(Backoff, WaitsAsLongAsTheStoreAsks) {
  Backoff backoff(1h, kStart);

  EXPECT_EQ(backoff.next(kStart, 0.5, true, 3s), 3s);
}

TEST(Backoff, EndsWhenTheTimeIsOver) {
  Backoff backoff(10s, kStart);

  EXPECT_EQ(backoff.next(kStart, 0.5, false), 50ms);
  EXPECT_EQ(backoff.next(kStart + 9990ms, 0.5, false), 10ms);
  EXPECT_EQ(backoff.next(kStart + 10s, 0.5, false), std::nullopt);
}

TEST(Backoff, AllowsASecondTryWhateverTheFirstOneTook) {
  Backoff backoff(10s, kStart);

  EXPECT_EQ(backoff.next(kStart + 11s, 0.5, false), 0ms);
  EXPECT_EQ(backoff.next(kStart + 11s, 0.5, false), std::nullopt);
}

TEST(Backoff, DoesNotWaitForAMomentThatIsTooLate) {
  Backoff backoff(10s, kStart);

  EXPECT_EQ(backoff.next(kStart, 0.5, true, 11s), std::nullopt);
}

}  // namespace
}  // namespace keyrewind::s3
