#include "base/clock.h"

#include <gtest/gtest.h>

#include <chrono>

namespace keyrewind {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

Timestamp at(std::int64_t millis) {
  return Timestamp(milliseconds(millis));
}

TEST(Rfc3339, IsUtcWithMilliseconds) {
  EXPECT_EQ(to_rfc3339(at(0)), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(to_rfc3339(at(1795179741123)), "2026-11-20T13:02:21.123Z");
  EXPECT_EQ(to_rfc3339(at(951782400000)), "2000-02-29T00:00:00.000Z");
  EXPECT_EQ(to_rfc3339(at(-1)), "1969-12-31T23:59:59.999Z");
}

TEST(Rfc3339, IsReadBack) {
  for (const std::int64_t millis : {0LL, 1LL, 999LL, -1LL, 1795179741123LL, 951782400000LL,
                                    4102444799999LL, 253402300799999LL}) {
    EXPECT_EQ(from_rfc3339(to_rfc3339(at(millis))), at(millis)) << millis;
  }
}

TEST(Rfc3339, MayHaveAFractionOfAnyLengthOrNone) {
  EXPECT_EQ(from_rfc3339("2026-11-20T13:02:21Z"), at(1795179741000));
  EXPECT_EQ(from_rfc3339("2026-11-20T13:02:21.1Z"), at(1795179741100));
  EXPECT_EQ(from_rfc3339("2026-11-20T13:02:21.12Z"), at(1795179741120));
  EXPECT_EQ(from_rfc3339("2026-11-20T13:02:21.123456789Z"), at(1795179741123));
}

TEST(Rfc3339, IsNothingElse) {
  for (const char* text : {"",
                           "Z",
                           "yesterday",
                           "2026-11-20",
                           "2026-11-20T13:02:21",
                           "2026-11-20 13:02:21Z",
                           "2026-11-20T13:02:21+00:00",
                           "2026-11-20T13:02:21.Z",
                           "2026-11-20T13:02:21.1234567890Z",
                           "2026-11-20T13:02:21.12xZ",
                           "2026-11-20T13:02:21,123Z",
                           "2026-13-20T13:02:21Z",
                           "2026-00-20T13:02:21Z",
                           "2026-02-29T13:02:21Z",
                           "2026-11-31T13:02:21Z",
                           "2026-11-20T24:00:00Z",
                           "2026-11-20T13:60:21Z",
                           "2026-11-20T13:02:61Z",
                           "2026-11-20T13:02:2 Z",
                           "-026-11-20T13:02:21Z",
                           "2026-11-20T13:02:21ZZ",
                           "2026-11-20T+3:02:21Z",
                           "2026/11/20T13:02:21Z",
                           "26-11-20T13:02:21Z"}) {
    EXPECT_EQ(from_rfc3339(text), std::nullopt) << text;
  }
}

TEST(CompactTime, SortsAsTextDoes) {
  EXPECT_EQ(to_compact(at(1795179741123)), "20261120T130221Z");
  EXPECT_LT(to_compact(at(1795179741123)), to_compact(at(1795179742000)));
}

TEST(HumanDuration, HasAtMostTwoUnits) {
  EXPECT_EQ(to_human(milliseconds(0)), "0.0s");
  EXPECT_EQ(to_human(milliseconds(400)), "0.4s");
  EXPECT_EQ(to_human(seconds(10)), "10s");
  EXPECT_EQ(to_human(seconds(59)), "59s");
  EXPECT_EQ(to_human(seconds(60)), "1m 00s");
  EXPECT_EQ(to_human(seconds(125)), "2m 05s");
  EXPECT_EQ(to_human(hours(1) + minutes(2) + seconds(59)), "1h 02m");
  EXPECT_EQ(to_human(hours(100)), "100h 00m");
}

TEST(SystemClock, GoesOn) {
  const SystemClock clock;
  const Timestamp of_this_program = *from_rfc3339("2024-01-01T00:00:00Z");

  EXPECT_GT(clock.now(), of_this_program);
}

}  // namespace
}  // namespace keyrewind
