#include "policy/slot_keeper.h"

#include "times.h"

#include <gmock/gmock.h>

#include <map>
#include <random>
#include <vector>

namespace keyrewind::policy {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

Schedule make(const std::string& cron, CatchUp catch_up = CatchUp::once,
              std::chrono::milliseconds jitter = {}) {
  return Schedule({.source = "orders",
                   .name = "nightly",
                   .cron = Cron(cron),
                   .zone = Zone(),
                   .jitter = jitter,
                   .catch_up = catch_up});
}

SlotKeeper begin(Schedule schedule, const std::vector<Timestamp>& started, Timestamp now) {
  return SlotKeeper(std::move(schedule), started, now);
}

TEST(SlotKeeper, AsksForARunAtItsSlotAndOnlyOnce) {
  auto slots = begin(make("0 3 * * *"), {}, at("2026-11-30T12:00"));

  EXPECT_EQ(slots.look(at("2026-12-01T02:59:59"), Hindrance::none).due, Due::nothing);
  const Look look = slots.look(at("2026-12-01T03:00:01"), Hindrance::none);
  EXPECT_EQ(look.due, Due::run);
  EXPECT_EQ(look.slot, at("2026-12-01T03:00"));
  EXPECT_EQ(look.passed, 0U);
  EXPECT_EQ(slots.look(at("2026-12-01T03:00:02"), Hindrance::none).due, Due::nothing);
  EXPECT_EQ(slots.look(at("2026-12-02T02:59:59"), Hindrance::none).due, Due::nothing);
  EXPECT_EQ(slots.look(at("2026-12-02T03:00:00"), Hindrance::none).due, Due::run);
}

TEST(SlotKeeper, WaitsForTheJitter) {
  const Schedule schedule = make("0 3 * * *", CatchUp::once, minutes(30));
  const ScheduledRun run = schedule.run_of(at("2026-12-01T03:00"));
  ASSERT_GT(run.at, run.slot + seconds(1));
  auto slots = begin(schedule, {}, at("2026-11-30T12:00"));

  EXPECT_EQ(slots.next(at("2026-11-30T12:00")).at, run.at);
  EXPECT_EQ(slots.look(run.at - seconds(1), Hindrance::none).due, Due::nothing);
  EXPECT_EQ(slots.next(run.at - seconds(1)).at, run.at);
  EXPECT_EQ(slots.look(run.at, Hindrance::none).due, Due::run);
}

TEST(SlotKeeper, MissesNothingThatNeverRan) {
  auto slots = begin(make("0 3 * * *"), {}, at("2026-11-30T12:00"));

  EXPECT_EQ(slots.look(at("2026-11-30T12:00"), Hindrance::none).due, Due::nothing);
}

TEST(SlotKeeper, CatchesUpOnceAfterDowntime) {
  auto slots = begin(make("0 3 * * *"), {at("2026-11-20T03:00:10"), at("2026-11-26T03:00:10")},
                     at("2026-11-30T12:00"));

  const Look look = slots.look(at("2026-11-30T12:00"), Hindrance::none);

  EXPECT_EQ(look.due, Due::catch_up);
  EXPECT_EQ(look.slot, at("2026-11-30T03:00"));
  EXPECT_EQ(look.passed, 3U);
  EXPECT_EQ(slots.look(at("2026-11-30T12:00:01"), Hindrance::none).due, Due::nothing);
  EXPECT_EQ(slots.look(at("2026-12-01T03:00"), Hindrance::none).due, Due::run);
}

TEST(SlotKeeper, SkipsAfterDowntimeIfItIsTold) {
  auto slots =
      begin(make("0 3 * * *", CatchUp::skip), {at("2026-11-26T03:00:10")}, at("2026-11-30T12:00"));

  const Look look = slots.look(at("2026-11-30T12:00"), Hindrance::none);

  EXPECT_EQ(look.due, Due::missed);
  EXPECT_EQ(look.passed, 3U);
  EXPECT_EQ(slots.look(at("2026-12-01T03:00"), Hindrance::none).due, Due::run);
}

TEST(SlotKeeper, DoesNotRepeatWhatRanBeforeARestart) {
  const Schedule schedule = make("0 3 * * *", CatchUp::once, minutes(30));
  const ScheduledRun run = schedule.run_of(at("2026-12-01T03:00"));

  auto after = begin(schedule, {run.at + seconds(2)}, run.at + seconds(60));
  EXPECT_EQ(after.look(run.at + seconds(61), Hindrance::none).due, Due::nothing);
  EXPECT_EQ(after.next(run.at + seconds(61)).slot, at("2026-12-02T03:00"));

  // Restarted within the jitter: the run of the day before is no reason to leave this one out.
  auto within = begin(schedule, {at("2026-11-30T03:31")}, run.slot + seconds(1));
  EXPECT_EQ(within.look(run.slot + seconds(1), Hindrance::none).due, Due::nothing);
  EXPECT_EQ(within.look(run.at, Hindrance::none).due, Due::run);
}

TEST(SlotKeeper, SkipsASlotThatComesWhileARunGoesOn) {
  auto slots = begin(make("*/10 * * * *"), {}, at("2026-11-30T12:01"));

  const Look look = slots.look(at("2026-11-30T12:10"), Hindrance::running);
  EXPECT_EQ(look.due, Due::overlapped);
  EXPECT_EQ(look.slot, at("2026-11-30T12:10"));
  EXPECT_EQ(slots.look(at("2026-11-30T12:11"), Hindrance::none).due, Due::nothing);
  EXPECT_EQ(slots.look(at("2026-11-30T12:20"), Hindrance::none).due, Due::run);
}

TEST(SlotKeeper, SaysWhatAPauseLeavesOut) {
  auto slots = begin(make("*/10 * * * *"), {}, at("2026-11-30T12:01"));

  EXPECT_EQ(slots.look(at("2026-11-30T12:10"), Hindrance::paused).due, Due::paused);
  EXPECT_EQ(slots.look(at("2026-11-30T12:15"), Hindrance::none).due, Due::nothing);
  EXPECT_EQ(slots.look(at("2026-11-30T12:20"), Hindrance::none).due, Due::run);
}

TEST(SlotKeeper, RunsEachSlotOnceWhenTheClockWasADayAhead) {
  auto slots = begin(make("0 * * * *"), {}, at("2026-11-30T12:30"));

  // The clock jumps ahead by a day for three hours, and then back.
  EXPECT_EQ(slots.look(at("2026-12-01T12:31"), Hindrance::none).due, Due::catch_up);
  std::map<Timestamp, int> runs{{at("2026-12-01T12:00"), 1}};
  for (Timestamp now = at("2026-12-01T12:32"); now < at("2026-12-01T15:30"); now += seconds(30)) {
    const Look look = slots.look(now, Hindrance::none);
    runs[look.slot] += look.due == Due::run ? 1 : 0;
  }
  for (Timestamp now = at("2026-11-30T15:30"); now < at("2026-12-03T00:00"); now += seconds(30)) {
    const Look look = slots.look(now, Hindrance::none);
    EXPECT_THAT(look.due, testing::AnyOf(Due::nothing, Due::run));
    runs[look.slot] += look.due == Due::run ? 1 : 0;
  }

  // Never twice, and not stuck for the day that the clock was ahead.
  for (Timestamp slot = at("2026-11-30T16:00"); slot < at("2026-12-03T00:00"); slot += hours(1)) {
    EXPECT_EQ(runs[slot], 1) << to_rfc3339(slot);
  }
}

TEST(SlotKeeper, IsNotStuckWhenTheClockIsSetBackByADay) {
  auto slots = begin(make("0 * * * *"), {}, at("2026-11-30T12:30"));
  EXPECT_EQ(slots.look(at("2026-11-30T13:00"), Hindrance::none).due, Due::run);

  EXPECT_EQ(slots.look(at("2026-11-29T13:01"), Hindrance::none).due, Due::nothing);
  EXPECT_EQ(slots.look(at("2026-11-29T14:00"), Hindrance::none).due, Due::run);
  EXPECT_EQ(slots.next(at("2026-11-29T14:00")).slot, at("2026-11-29T15:00"));
  EXPECT_EQ(slots.look(at("2026-11-30T13:00"), Hindrance::none).due, Due::nothing);
  EXPECT_EQ(slots.look(at("2026-11-30T14:00"), Hindrance::none).due, Due::run);
}

TEST(SlotKeeper, IsNotStuckByBackupsFromTheFuture) {
  auto slots = begin(make("0 * * * *"), {at("2027-11-30T12:00:03"), at("2026-11-30T15:00:03")},
                     at("2026-11-30T12:30"));

  EXPECT_EQ(slots.look(at("2026-11-30T13:00"), Hindrance::none).due, Due::run);
  EXPECT_EQ(slots.look(at("2026-11-30T14:00"), Hindrance::none).due, Due::run);
  EXPECT_EQ(slots.next(at("2026-11-30T14:00")).slot, at("2026-11-30T16:00"));
  EXPECT_EQ(slots.look(at("2026-11-30T15:00"), Hindrance::none).due, Due::nothing);
  EXPECT_EQ(slots.look(at("2026-11-30T16:00"), Hindrance::none).due, Due::run);
}

TEST(SlotKeeper, GoesOnByAnotherPlanWithoutMissingAnything) {
  auto slots = begin(make("0 3 * * *"), {at("2026-11-30T03:00:05")}, at("2026-11-30T04:00"));
  slots.change(make("*/10 * * * *"), at("2026-11-30T12:05"));

  EXPECT_EQ(slots.look(at("2026-11-30T12:05:01"), Hindrance::none).due, Due::nothing);
  EXPECT_EQ(slots.look(at("2026-11-30T12:10"), Hindrance::none).due, Due::run);
}

TEST(SlotKeeper, LosesNoSlotWhenTheSamePlanIsLoadedAgain) {
  const Schedule schedule = make("0 3 * * *", CatchUp::once, minutes(30));
  const ScheduledRun run = schedule.run_of(at("2026-12-01T03:00"));
  auto slots = begin(schedule, {}, at("2026-11-30T12:00"));
  slots.change(schedule, run.at - seconds(1));

  EXPECT_EQ(slots.look(run.at, Hindrance::none).due, Due::run);
}

TEST(SlotKeeper, CountsNoFurtherThanSense) {
  auto slots = begin(make("@every 1s"), {at("2020-01-01T00:00")}, at("2026-11-30T12:00"));

  EXPECT_EQ(slots.look(at("2026-11-30T12:00"), Hindrance::none).passed, 10'000U);
}

// Whatever the clock does: no slot runs twice within the memory, and `next` tells the truth.
TEST(SlotKeeper, NeverRunsASlotTwiceWhateverTheClockDoes) {
  std::size_t all = 0;
  for (unsigned seed = 1; seed <= 25; ++seed) {
    std::mt19937 random(seed);
    const auto from = [&](int min, int max) {
      return std::uniform_int_distribution<int>(min, max)(random);
    };
    const Schedule schedule =
        make(from(0, 1) == 0 ? "*/20 * * * *" : "7 3,15 * * *",
             from(0, 1) == 0 ? CatchUp::once : CatchUp::skip, seconds(from(0, 600)));
    Timestamp true_time = at("2026-11-30T12:00");
    seconds wrong{};
    std::vector<Timestamp> started;
    auto slots = begin(schedule, started, true_time);
    std::map<Timestamp, int> runs;
    for (int step = 0; step < 1500; ++step) {
      true_time += seconds(from(0, 60));
      const int what = from(0, 199);
      wrong = what == 0 ? seconds(from(-86400, 86400)) : what <= 5 ? seconds(from(-60, 0)) : wrong;
      const Timestamp now = true_time + wrong;
      if (from(0, 99) == 0) {
        slots = begin(schedule, started, now);
      }
      const ScheduledRun next = slots.next(now - seconds(1));
      const Look look = slots.look(now, Hindrance::none);
      if (look.due == Due::run || look.due == Due::catch_up) {
        started.push_back(now);
        ASSERT_EQ(++runs[look.slot], 1) << "seed " << seed << " slot " << to_rfc3339(look.slot);
        ASSERT_LE(next.at, now) << "seed " << seed;
      }
      ASSERT_GT(slots.next(now).at, now) << "seed " << seed;
    }
    all += runs.size();
  }
  EXPECT_GT(all, 200U);
}

}  // namespace
}  // namespace keyrewind::policy
