#include "policy/quota.h"

#include "times.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <limits>
#include <random>
#include <vector>

namespace keyrewind::policy {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

TEST(ManualQuota, AllowsWhatFitsIntoAnyDay) {
  const std::vector<Timestamp> manual{at("2026-11-30T10:00"), at("2026-11-29T14:00")};
  const Timestamp now = at("2026-11-30T12:00");

  EXPECT_EQ(wait_for_manual_quota(manual, 3, now), std::nullopt);
  EXPECT_EQ(wait_for_manual_quota(manual, 2, now), at("2026-11-30T14:00"));
  EXPECT_EQ(wait_for_manual_quota(manual, 2, at("2026-11-30T14:00")), std::nullopt);
  EXPECT_EQ(wait_for_manual_quota(manual, 2, at("2026-11-30T13:59:59")), at("2026-11-30T14:00"));
  EXPECT_EQ(wait_for_manual_quota(manual, 1, now), at("2026-12-01T10:00"));
  EXPECT_EQ(wait_for_manual_quota(manual, 0, now), std::nullopt);
  EXPECT_EQ(wait_for_manual_quota({}, 1, now), std::nullopt);
}

TEST(ManualQuota, CountsThoseThatAClockAheadMade) {
  const std::vector<Timestamp> manual{at("2026-12-01T10:00"), at("2026-12-01T11:00")};

  EXPECT_EQ(wait_for_manual_quota(manual, 2, at("2026-11-30T12:00")), at("2026-12-02T10:00"));
  EXPECT_EQ(wait_for_manual_quota(manual, 2, at("2026-11-30T11:00")), std::nullopt);
}

// Whatever is allowed: no 24 hours ever hold more; and the moment that is named is the first.
TEST(ManualQuota, HoldsInAnyContiguousDay) {
  for (unsigned seed = 1; seed <= 200; ++seed) {
    std::mt19937 random(seed);
    const auto from = [&](int min, int max) {
      return std::uniform_int_distribution<int>(min, max)(random);
    };
    const auto limit = static_cast<std::uint64_t>(from(1, 5));
    std::vector<Timestamp> manual;
    Timestamp now = at("2026-11-30T12:00");
    for (int step = 0; step < 100; ++step) {
      now += minutes(from(0, 400));
      const auto wait = wait_for_manual_quota(manual, limit, now);
      if (!wait) {
        manual.push_back(now);
      } else {
        ASSERT_GT(*wait, now) << "seed " << seed;
        ASSERT_EQ(wait_for_manual_quota(manual, limit, *wait), std::nullopt) << "seed " << seed;
        ASSERT_NE(wait_for_manual_quota(manual, limit, *wait - std::chrono::milliseconds(1)),
                  std::nullopt)
            << "seed " << seed;
      }
    }
    for (const Timestamp first : manual) {
      const auto inside = std::count_if(manual.begin(), manual.end(), [&](Timestamp time) {
        return time >= first && time < first + hours(24);
      });
      ASSERT_LE(static_cast<std::uint64_t>(inside), limit) << "seed " << seed;
    }
  }
}

TEST(Fill, WarnsFromNineTenthsOn) {
  EXPECT_EQ(fill_of(0, 0), Fill::ok);
  EXPECT_EQ(fill_of(1'000'000, 0), Fill::ok);
  EXPECT_EQ(fill_of(899, 1000), Fill::ok);
  EXPECT_EQ(fill_of(900, 1000), Fill::warn);
  EXPECT_EQ(fill_of(999, 1000), Fill::warn);
  EXPECT_EQ(fill_of(1000, 1000), Fill::full);
  EXPECT_EQ(fill_of(2000, 1000), Fill::full);
  constexpr auto kMost = std::numeric_limits<std::uint64_t>::max();
  EXPECT_EQ(fill_of(kMost / 2, kMost), Fill::ok);
  EXPECT_EQ(fill_of(kMost - 1, kMost), Fill::warn);
}

TEST(Fill, NeverHoldsBackTheLog) {
  for (const Fill fill : {Fill::ok, Fill::warn, Fill::full}) {
    EXPECT_TRUE(may_store(fill, Asker::log));
    EXPECT_TRUE(may_store(fill, Asker::schedule));
    EXPECT_EQ(may_store(fill, Asker::person), fill != Fill::full);
  }
  EXPECT_EQ(to_string(Fill::full), "full");
}

}  // namespace
}  // namespace keyrewind::policy
