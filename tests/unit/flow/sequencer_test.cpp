#include "flow/sequencer.h"

#include "base/error.h"
#include "flow/group.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>

namespace keyrewind::flow {
namespace {

TEST(Sequencer, GivesItemsInTheOrderOfTheirNumbers) {
  Sequencer<int> sequencer(3);

  sequencer.put(2, 20, {});
  sequencer.put(0, 0, {});
  sequencer.put(1, 10, {});
  sequencer.finish(3);

  EXPECT_EQ(sequencer.take({}), 0);
  EXPECT_EQ(sequencer.take({}), 10);
  EXPECT_EQ(sequencer.take({}), 20);
  EXPECT_EQ(sequencer.take({}), std::nullopt);
  EXPECT_EQ(sequencer.take({}), std::nullopt);
}

TEST(Sequencer, EndsAtOnceIfThereIsNothing) {
  Sequencer<int> sequencer(1);

  sequencer.finish(0);

  EXPECT_EQ(sequencer.take({}), std::nullopt);
}

TEST(Sequencer, EndsOnlyOnceAllItemsWereTaken) {
  Sequencer<int> sequencer(4);
  sequencer.finish(2);  // The last items may still be at work.
  sequencer.put(1, 1, {});
  std::optional<int> first;
  std::optional<int> second;
  std::optional<int> end = 7;
  Group group{std::stop_token{}};

  group.spawn("reader", [&](std::stop_token stop) {
    first = sequencer.take(stop);
    second = sequencer.take(stop);
    end = sequencer.take(stop);
  });
  sequencer.put(0, 0, {});
  group.wait();

  EXPECT_EQ(first, 0);
  EXPECT_EQ(second, 1);
  EXPECT_EQ(end, std::nullopt);
}

TEST(Sequencer, HoldsBackAWorkerThatIsTooFarAhead) {
  Sequencer<int> sequencer(2);
  sequencer.put(1, 1, {});
  std::stop_source stopped;
  stopped.request_stop();

  EXPECT_THROW(sequencer.put(2, 2, stopped.get_token()), Error);

  sequencer.put(0, 0, {});
  EXPECT_EQ(sequencer.take({}), 0);
  sequencer.put(2, 2, {});
  EXPECT_EQ(sequencer.take({}), 1);
  EXPECT_EQ(sequencer.take({}), 2);
}

TEST(Sequencer, StopsAReaderRatherThanShowingItAnEnd) {
  std::stop_source stop;
  Sequencer<int> sequencer(2);
  sequencer.put(1, 1, {});
  Group group(stop.get_token());
  group.spawn("reader", [&](std::stop_token token) { (void)sequencer.take(token); });

  stop.request_stop();

  EXPECT_THROW(group.wait(), Error);
}

TEST(Sequencer, OrdersWhatManyWorkersFinish) {
  constexpr std::uint64_t kItems = 3000;
  Sequencer<std::unique_ptr<std::uint64_t>> sequencer(4);
  std::atomic<std::uint64_t> next{0};
  std::uint64_t taken = 0;
  Group group{std::stop_token{}};
  for (int worker = 0; worker < 4; ++worker) {
    group.spawn("worker", [&](std::stop_token stop) {
      for (std::uint64_t number = next++; number < kItems; number = next++) {
        sequencer.put(number, std::make_unique<std::uint64_t>(number), stop);
      }
    });
  }
  group.spawn("reader", [&](std::stop_token stop) {
    while (const auto item = sequencer.take(stop)) {
      ASSERT_EQ(**item, taken);
      ++taken;
    }
  });
  sequencer.finish(kItems);
  group.wait();

  EXPECT_EQ(taken, kItems);
}

}  // namespace
}  // namespace keyrewind::flow
