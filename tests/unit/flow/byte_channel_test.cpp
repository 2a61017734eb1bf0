#include "flow/byte_channel.h"

#include "flow/group.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace keyrewind::flow {
namespace {

using namespace std::chrono_literals;

constexpr auto kLong = 20000ms;

ErrorKind kind_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.kind();
  }
  return ErrorKind::internal;
}

TEST(ByteChannel, GivesItemsInTheirOrder) {
  ByteChannel<std::string> channel(100);
  EXPECT_TRUE(channel.push("one", 3, 0ms, {}));
  EXPECT_TRUE(channel.push("two", 3, 0ms, {}));

  EXPECT_EQ(channel.pop({}), "one");
  EXPECT_EQ(channel.pop({}), "two");
}

TEST(ByteChannel, IsFullByBytesAndNotByItems) {
  ByteChannel<int> channel(100);
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(channel.push(i, 1, 0ms, {}));
  }
  EXPECT_FALSE(channel.push(100, 1, 1ms, {}));
  EXPECT_TRUE(channel.push(100, 0, 0ms, {}));
}

TEST(ByteChannel, HasRoomAgainOnceSomethingWasTaken) {
  ByteChannel<int> channel(10);
  ASSERT_TRUE(channel.push(1, 6, 0ms, {}));
  ASSERT_TRUE(channel.push(2, 4, 0ms, {}));
  ASSERT_FALSE(channel.push(3, 5, 0ms, {}));

  (void)channel.pop({});

  EXPECT_TRUE(channel.push(3, 6, 0ms, {}));
  EXPECT_FALSE(channel.push(4, 1, 0ms, {}));
}

TEST(ByteChannel, TakesAnItemThatIsTooLargeOnlyWhenItIsEmpty) {
  ByteChannel<int> channel(10);
  EXPECT_TRUE(channel.push(1, 1000, 0ms, {}));
  EXPECT_FALSE(channel.push(2, 1, 0ms, {}));
  (void)channel.pop({});
  EXPECT_TRUE(channel.push(2, 1, 0ms, {}));
  EXPECT_FALSE(channel.push(3, 1000, 0ms, {}));
}

TEST(ByteChannel, WakesAWriterThatWaitsForRoom) {
  ByteChannel<int> channel(1);
  ASSERT_TRUE(channel.push(1, 1, 0ms, {}));
  std::atomic<bool> pushed{false};
  std::jthread writer([&] { pushed = channel.push(2, 1, kLong, {}); });

  EXPECT_EQ(channel.pop({}), 1);
  EXPECT_EQ(channel.pop({}), 2);

  writer.join();
  EXPECT_TRUE(pushed);
}

/// Whether a small item gets in as soon as there is room for it, while large ones wait that do not
/// fit.
bool passes_the_large_ones() {
  ByteChannel<int> channel(10);
  if (!channel.push(1, 1, 0ms, {}) || !channel.push(2, 9, 0ms, {})) {
    return false;
  }
  std::atomic<int> waiting{0};
  const auto push = [&](std::size_t bytes, const std::stop_token& stop) {
    ++waiting;
    try {
      return channel.push(0, bytes, 600s, stop);
    } catch (const Error&) {
      return false;  // Stopped at the end of the test.
    }
  };
  std::vector<std::jthread> large;
  for (int i = 0; i < 4; ++i) {
    large.emplace_back([&](const std::stop_token& stop) { (void)push(10, stop); });
  }
  std::atomic<bool> passed{false};
  std::jthread small([&](const std::stop_token& stop) { passed = push(1, stop); });
  while (waiting < 5) {
    std::this_thread::yield();
  }
  // Finds no room either; by then the others most likely wait.
  if (channel.push(0, 10, 5ms, {})) {
    return false;
  }
  (void)channel.pop({});
  const auto deadline = std::chrono::steady_clock::now() + 5s;
  while (!passed && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::yield();
  }
  return passed;
}

TEST(ByteChannel, WakesEveryWriterForWhichThereIsRoom) {
  for (int round = 0; round < 10; ++round) {
    ASSERT_TRUE(passes_the_large_ones());
  }
}

TEST(ByteChannel, EndsOnlyAfterEverythingWasTaken) {
  ByteChannel<int> channel(10);
  ASSERT_TRUE(channel.push(1, 1, 0ms, {}));
  channel.finish();

  EXPECT_EQ(channel.pop({}), 1);
  EXPECT_EQ(channel.pop({}), std::nullopt);
  EXPECT_EQ(channel.pop({}), std::nullopt);
}

TEST(ByteChannel, StopEndsAWaitAndIsNoEnd) {
  ByteChannel<int> channel(1);
  std::stop_source stop;
  std::atomic<ErrorKind> kind{ErrorKind::internal};
  std::jthread reader([&] { kind = kind_of([&] { (void)channel.pop(stop.get_token()); }); });

  stop.request_stop();
  reader.join();

  EXPECT_EQ(kind, ErrorKind::cancelled);
  EXPECT_EQ(kind_of([&] { (void)channel.push(1, 1, kLong, stop.get_token()); }),
            ErrorKind::cancelled);
}

TEST(ByteChannel, CarriesWhatCannotBeCopied) {
  ByteChannel<std::unique_ptr<int>> channel(10);
  ASSERT_TRUE(channel.push(std::make_unique<int>(7), 1, 0ms, {}));
  const auto item = channel.pop({});
  ASSERT_TRUE(item);
  EXPECT_EQ(**item, 7);
}

TEST(ByteChannel, CarriesEverythingUnderLoad) {
  ByteChannel<int> channel(64);
  constexpr int kItems = 20000;
  Group group({});
  group.spawn("writer", [&](const std::stop_token& stop) {
    std::mt19937 random(1);
    for (int i = 0; i < kItems; ++i) {
      if (!channel.push(i, random() % 80, kLong, stop)) {
        throw Error(ErrorKind::internal, "no room for long");
      }
    }
    channel.finish();
  });
  int next = 0;
  while (const auto item = channel.pop({})) {
    ASSERT_EQ(*item, next++);
  }
  group.wait();
  EXPECT_EQ(next, kItems);
}

}  // namespace
}  // namespace keyrewind::flow
