#include "flow/group.h"

#include "base/bytes.h"
#include "base/error.h"
#include "flow/channel.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <stop_token>
#include <string>

namespace keyrewind::flow {
namespace {

/// Waits for the group and returns what it failed with, or "" if it did not.
std::string failure_of(Group& group) {
  try {
    group.wait();
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(Group, ReportsTheFirstFailureAndStopsTheOthers) {
  Group group{std::stop_token{}};
  Channel<Bytes> never_filled(1);
  group.spawn("reader", [&](std::stop_token stop) { (void)never_filled.pop(stop); });
  group.spawn("writer",
              [](std::stop_token) { throw Error(ErrorKind::unavailable, "connection reset"); });
  EXPECT_EQ(failure_of(group), "connection reset");
}

TEST(Group, StopsWhenItsParentStops) {
  std::stop_source parent;
  Group group(parent.get_token());
  Channel<int> idle(1);
  group.spawn("idle", [&](std::stop_token stop) { (void)idle.pop(stop); });
  parent.request_stop();
  EXPECT_EQ(failure_of(group), "stopped");
}

TEST(Group, JoinsWhenItsScopeEnds) {
  Channel<int> idle(1);
  bool ended = false;
  {
    Group group{std::stop_token{}};
    group.spawn("idle", [&](std::stop_token stop) {
      EXPECT_THROW((void)idle.pop(stop), Error);
      ended = true;
    });
  }
  EXPECT_TRUE(ended);
}

TEST(Group, ThrowsAnyExceptionOfItsThreads) {
  Group group{std::stop_token{}};

  group.spawn("thrower", [](std::stop_token) { throw std::runtime_error("not one of ours"); });

  EXPECT_THROW(group.wait(), std::runtime_error);
}

TEST(Group, StopsAtOnceIfItsParentHasStopped) {
  std::stop_source parent;
  parent.request_stop();
  Group group(parent.get_token());
  Channel<int> idle(1);

  group.spawn("idle", [&](std::stop_token stop) { (void)idle.pop(stop); });

  EXPECT_EQ(failure_of(group), "stopped");
}

TEST(Group, TakesNamesLongerThanLinuxKeeps) {
  Group group{std::stop_token{}};

  group.spawn("a name of more than fifteen characters", [](std::stop_token) {});

  EXPECT_EQ(failure_of(group), "");
}

}  // namespace
}  // namespace keyrewind::flow
