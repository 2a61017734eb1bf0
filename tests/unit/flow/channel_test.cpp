#include "flow/channel.h"

#include "base/error.h"
#include "flow/group.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <stop_token>
#include <vector>

namespace keyrewind::flow {
namespace {

TEST(Channel, EndsOnlyAfterEverythingWasTaken) {
  Channel<int> channel(4);
  channel.push(1, {});
  channel.push(2, {});
  channel.finish();
  EXPECT_EQ(channel.pop({}), 1);
  EXPECT_EQ(channel.pop({}), 2);
  EXPECT_EQ(channel.pop({}), std::nullopt);
}

TEST(Channel, StoppedReaderThrowsRatherThanSeeingAnEnd) {
  Channel<int> channel(4);
  channel.push(1, {});
  std::stop_source stopped;
  stopped.request_stop();
  EXPECT_THROW((void)channel.pop(stopped.get_token()), Error);
}

TEST(Channel, HandsItemsOverInTheirOrder) {
  constexpr int kItems = 10'000;
  Channel<int> channel(3);
  std::vector<int> taken;
  Group group{std::stop_token{}};

  group.spawn("writer", [&](std::stop_token stop) {
    for (int i = 0; i < kItems; ++i) {
      channel.push(i, stop);
    }
    channel.finish();
  });
  group.spawn("reader", [&](std::stop_token stop) {
    while (const std::optional<int> item = channel.pop(stop)) {
      taken.push_back(*item);
    }
  });
  group.wait();

  ASSERT_EQ(taken.size(), static_cast<std::size_t>(kItems));
  for (int i = 0; i < kItems; ++i) {
    ASSERT_EQ(taken[static_cast<std::size_t>(i)], i);
  }
}

TEST(Channel, NeverHoldsMoreThanItsCapacity) {
  constexpr int kCapacity = 3;
  Channel<int> channel(kCapacity);
  std::atomic<int> pushed{0};
  std::atomic<int> popped{0};
  Group group{std::stop_token{}};

  group.spawn("writer", [&](std::stop_token stop) {
    for (int i = 0; i < 1000; ++i) {
      channel.push(i, stop);
      ++pushed;
    }
    channel.finish();
  });
  group.spawn("reader", [&](std::stop_token stop) {
    do {
      EXPECT_LE(pushed - popped, kCapacity);
      ++popped;
    } while (channel.pop(stop));
  });
  group.wait();
}

TEST(Channel, StopsAWriterThatWaitsForRoom) {
  std::stop_source stop;
  Channel<int> channel(1);
  channel.push(1, {});
  Group group(stop.get_token());
  group.spawn("writer", [&](std::stop_token token) { channel.push(2, token); });

  stop.request_stop();

  EXPECT_THROW(group.wait(), Error);
}

TEST(Channel, MovesWhatCannotBeCopied) {
  Channel<std::unique_ptr<int>> channel(1);

  channel.push(std::make_unique<int>(7), {});

  EXPECT_EQ(**channel.pop({}), 7);
}

}  // namespace
}  // namespace keyrewind::flow
