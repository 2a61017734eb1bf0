#include "flow/read_ahead.h"

#include "base/error.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <latch>
#include <mutex>
#include <stop_token>

namespace keyrewind::flow {
namespace {

/// Waits until `stop` is requested, as a request that nobody answers does.
void hang(std::stop_token stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait(lock, stop, [] { return false; });
  throw Error(ErrorKind::cancelled, "stopped");
}

ErrorKind failure_of(ReadAhead<int>& things) {
  try {
    static_cast<void>(things.next({}));
  } catch (const Error& error) {
    return error.kind();
  }
  return ErrorKind::internal;
}

TEST(ReadAhead, GivesThingsInOrderWhoeverMadeThem) {
  for (const std::size_t threads : {1U, 3U, 8U}) {
    for (const std::size_t buffers : {1U, 2U, 9U}) {
      ReadAhead<int> things(
          {"test", threads, buffers}, 100,
          [](std::uint64_t number, int& into, std::stop_token) { into = static_cast<int>(number); },
          {});

      for (int i = 0; i < 100; ++i) {
        const auto thing = things.next({});
        ASSERT_TRUE(thing);
        ASSERT_EQ(**thing, i);
      }
      EXPECT_FALSE(things.next({}));
      EXPECT_FALSE(things.next({}));
    }
  }
}

TEST(ReadAhead, HasNothingOfNothing) {
  ReadAhead<int> things({"test", 4, 4}, 0, [](std::uint64_t, int&, std::stop_token) {}, {});

  EXPECT_FALSE(things.next({}));
}

TEST(ReadAhead, MakesSeveralAtOnce) {
  constexpr int kThreads = 4;
  std::latch all_there(kThreads);
  ReadAhead<int> things({"test", kThreads, kThreads + 1}, kThreads,
                        [&](std::uint64_t, int&, std::stop_token) { all_there.arrive_and_wait(); },
                        {});

  for (int i = 0; i < kThreads; ++i) {
    EXPECT_TRUE(things.next({}));
  }
}

TEST(ReadAhead, IsNeverFurtherAheadThanItHasBuffers) {
  std::atomic<std::int64_t> begun{0};
  ReadAhead<int> things({"test", 8, 3}, 50, [&](std::uint64_t, int&, std::stop_token) { ++begun; },
                        {});

  for (std::int64_t taken = 1; taken <= 50; ++taken) {
    const auto thing = things.next({});
    ASSERT_TRUE(thing);
    ASSERT_LE(begun, taken + 2);
  }
}

TEST(ReadAhead, ThrowsAFailureInItsTurnAndBeginsNothingBehindIt) {
  std::atomic<std::uint64_t> last{0};
  ReadAhead<int> things({"test", 3, 4}, 1000,
                        [&](std::uint64_t number, int& into, std::stop_token) {
                          last = std::max<std::uint64_t>(last, number);
                          if (number == 5) {
                            throw Error(ErrorKind::unavailable, "gone");
                          }
                          into = static_cast<int>(number);
                        },
                        {});

  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(**things.next({}), i);
  }
  EXPECT_EQ(failure_of(things), ErrorKind::unavailable);
  EXPECT_LT(last, 10U);
}

TEST(ReadAhead, EndsAWaitWhenItIsStopped) {
  std::stop_source stop;
  std::latch hangs(1);
  ReadAhead<int> things(
      {"test", 1, 2}, 10,
      [&](std::uint64_t, int&, std::stop_token inner) {
        hangs.count_down();
        hang(inner);
      },
      stop.get_token());
  Group group{std::stop_token{}};
  ErrorKind kind = ErrorKind::internal;
  group.spawn("reader", [&](std::stop_token) {
    try {
      static_cast<void>(things.next(stop.get_token()));
    } catch (const Error& error) {
      kind = error.kind();
    }
  });

  hangs.wait();
  stop.request_stop();
  group.wait();

  EXPECT_EQ(kind, ErrorKind::cancelled);
}

TEST(ReadAhead, StopsWhatIsStillAtWorkWhenItGoes) {
  std::latch hang_both(2);
  {
    const ReadAhead<int> things({"test", 2, 2}, 10,
                                [&](std::uint64_t, int&, std::stop_token stop) {
                                  hang_both.count_down();
                                  hang(stop);
                                },
                                {});
    hang_both.wait();
  }
  SUCCEED() << "the destructor came back";
}

}  // namespace
}  // namespace keyrewind::flow
