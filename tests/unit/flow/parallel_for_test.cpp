#include "flow/parallel_for.h"

#include "base/error.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <latch>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

namespace keyrewind::flow {
namespace {

TEST(ParallelFor, CallsTheBodyOnceForEachNumber) {
  for (const std::size_t threads : {0U, 1U, 3U, 50U}) {
    std::vector<std::atomic<int>> calls(20);

    parallel_for({"test", threads}, calls.size(),
                 [&](std::uint64_t number, std::stop_token) { ++calls[number]; }, {});

    for (const auto& count : calls) {
      EXPECT_EQ(count, 1) << threads << " threads";
    }
  }
}

TEST(ParallelFor, CallsSeveralAtOnce) {
  constexpr int kThreads = 4;
  std::latch all_there(kThreads);

  // Ends only if all four are inside at the same time.
  parallel_for({"test", kThreads}, kThreads,
               [&](std::uint64_t, std::stop_token) { all_there.arrive_and_wait(); }, {});
}

TEST(ParallelFor, UsesTheCallingThreadForOneCall) {
  std::thread::id used;

  parallel_for({"test", 8}, 1,
               [&](std::uint64_t, std::stop_token) { used = std::this_thread::get_id(); }, {});

  EXPECT_EQ(used, std::this_thread::get_id());
}

TEST(ParallelFor, CallsNothingForNothing) {
  parallel_for({"test", 8}, 0, [](std::uint64_t, std::stop_token) { FAIL(); }, {});
}

TEST(ParallelFor, ThrowsTheFirstFailureAndStopsTheOthers) {
  std::atomic<int> stopped{0};
  std::latch others_wait(3);
  try {
    parallel_for({"test", 3}, 1000,
                 [&](std::uint64_t number, std::stop_token stop) {
                   others_wait.arrive_and_wait();
                   if (number == 1) {
                     throw Error(ErrorKind::unavailable, "gone");
                   }
                   std::mutex mutex;
                   std::condition_variable_any never;
                   std::unique_lock lock(mutex);
                   never.wait(lock, stop, [] { return false; });
                   ++stopped;
                 },
                 {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::unavailable);
  }
  EXPECT_EQ(stopped, 2);
}

TEST(ParallelFor, BeginsNothingOnceStopped) {
  std::stop_source stop;
  stop.request_stop();
  for (const std::size_t threads : {1U, 3U}) {
    std::atomic<int> calls{0};
    try {
      parallel_for(
          {"test", threads}, 10, [&](std::uint64_t, std::stop_token) { ++calls; },
          stop.get_token());
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::cancelled);
    }
    EXPECT_EQ(calls, 0);
  }
}

}  // namespace
}  // namespace keyrewind::flow
