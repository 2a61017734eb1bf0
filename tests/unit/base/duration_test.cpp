#include "base/duration.h"

#include <gtest/gtest.h>

namespace keyrewind {
namespace {

using namespace std::chrono_literals;

TEST(Duration, IsReadInAnyUnitAndInSeveral) {
  EXPECT_EQ(parse_duration("250ms"), 250ms);
  EXPECT_EQ(parse_duration("10s"), 10s);
  EXPECT_EQ(parse_duration("90m"), 90min);
  EXPECT_EQ(parse_duration("1h30m"), 90min);
  EXPECT_EQ(parse_duration("7d"), 168h);
  EXPECT_EQ(parse_duration("1d2h3m4s5ms"), 26h + 3min + 4s + 5ms);
  EXPECT_EQ(parse_duration("0s"), 0ms);
  EXPECT_EQ(parse_duration("366000d"), kLongestDuration);
}

TEST(Duration, IsNothingElse) {
  for (const char* text : {"",           "10",
                           "s",          "-1s",
                           "+1s",        "1.5s",
                           "10S",        "10 s",
                           " 10s",       "10s ",
                           "1s1s",       "30m1h",
                           "1ms1s",      "1w",
                           "1y",         "1sec",
                           "0x1s",       "1h 30m",
                           "1h30",       "1,5s",
                           "366001d",    "99999999999999999999s",
                           "366000d1ms", "9223372036854775807ms"}) {
    EXPECT_EQ(parse_duration(text), std::nullopt) << text;
  }
}

TEST(Duration, IsWrittenSoThatItReadsBackExactly) {
  EXPECT_EQ(to_duration(0ms), "0s");
  EXPECT_EQ(to_duration(250ms), "250ms");
  EXPECT_EQ(to_duration(90min), "1h30m");
  EXPECT_EQ(to_duration(168h), "7d");
  EXPECT_EQ(to_duration(1001ms), "1s1ms");
  for (const auto duration : {0ms, 1ms, 999ms, 60'000ms, 86'399'999ms, kLongestDuration}) {
    EXPECT_EQ(parse_duration(to_duration(duration)), duration);
  }
}

}  // namespace
}  // namespace keyrewind
