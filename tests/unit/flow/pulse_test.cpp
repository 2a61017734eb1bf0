#include "flow/pulse.h"

#include <gtest/gtest.h>

#include <chrono>

namespace keyrewind::flow {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

TEST(Pulse, IsFeltUntilABeatIsOverdue) {
  Pulse pulse;
  EXPECT_TRUE(pulse.is_felt()) << "nothing was promised yet";

  pulse.beat(hours(1));
  EXPECT_TRUE(pulse.is_felt());

  pulse.beat(milliseconds(-1));
  EXPECT_FALSE(pulse.is_felt());

  pulse.beat(hours(1));
  EXPECT_TRUE(pulse.is_felt());
}

TEST(Pulse, IsFeltWhileItRests) {
  Pulse pulse;
  pulse.beat(milliseconds(-1));

  pulse.rest();

  EXPECT_TRUE(pulse.is_felt());
}

TEST(Pulse, MayBeMissing) {
  beat(nullptr, milliseconds(1));

  Pulse pulse;
  beat(&pulse, milliseconds(-1));
  EXPECT_FALSE(pulse.is_felt());
}

}  // namespace
}  // namespace keyrewind::flow
