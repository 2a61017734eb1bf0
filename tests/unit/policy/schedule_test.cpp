#include "policy/schedule.h"

#include "times.h"

#include <gmock/gmock.h>

#include <set>

namespace keyrewind::policy {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

Schedule make(const std::string& cron, seconds jitter, const std::string& name = "nightly",
              const std::string& zone = "UTC") {
  return Schedule(
      {.source = "orders", .name = name, .cron = Cron(cron), .zone = Zone(zone), .jitter = jitter});
}

TEST(Schedule, RunsAtItsSlotsWithoutJitter) {
  const Schedule schedule = make("0 3 * * *", seconds(0), "nightly", "Europe/Berlin");

  const auto runs = schedule.next_runs(at("2026-11-30T12:00"), 3);

  ASSERT_EQ(runs.size(), 3U);
  EXPECT_EQ(runs[0].at, at("2026-12-01T02:00"));
  EXPECT_EQ(runs[0].slot, runs[0].at);
  EXPECT_EQ(runs[2].at, at("2026-12-03T02:00"));
}

TEST(Schedule, DelaysARunByWhatFollowsFromItsNames) {
  const Timestamp slot = at("2026-12-01T03:00");

  std::set<Timestamp> seen;
  for (const char* name : {"a", "b", "c", "d", "e", "f", "g", "h"}) {
    const ScheduledRun run = make("0 3 * * *", minutes(5), name).run_of(slot);
    EXPECT_EQ(run.at, make("0 3 * * *", minutes(5), name).run_of(slot).at);
    EXPECT_GE(run.at, slot);
    EXPECT_LE(run.at, slot + minutes(5));
    EXPECT_EQ((run.at - slot) % seconds(1), seconds(0));
    seen.insert(run.at);
  }

  EXPECT_GE(seen.size(), 6U);
}

TEST(Schedule, SpreadsItsRunsOverAllOfTheJitter) {
  const Schedule schedule = make("0 3 * * *", minutes(10));

  int early = 0;
  const auto runs = schedule.next_runs(at("2026-11-30T12:00"), 400);
  for (const ScheduledRun& run : runs) {
    early += run.at - run.slot < minutes(5) ? 1 : 0;
  }

  EXPECT_GT(early, 140);
  EXPECT_LT(early, 260);
}

// An agent of another version, or on another machine, must find the same runs.
TEST(Schedule, NeverChangesItsJitter) {
  EXPECT_EQ(to_rfc3339(make("0 3 * * *", minutes(5)).run_of(at("2026-12-01T03:00")).at),
            "2026-12-01T03:04:44.000Z");
}

TEST(Schedule, IsNeverDelayedByMoreThanHalfTheWay) {
  const Schedule schedule = make("* * * * *", minutes(5));

  Timestamp last{};
  for (const ScheduledRun& run : schedule.next_runs(at("2026-11-30T12:00"), 200)) {
    EXPECT_LE(run.at, run.slot + seconds(30));
    EXPECT_GT(run.at, last);
    last = run.at;
  }
}

TEST(Schedule, HasARunBeforeAndOneAfterAnyMoment) {
  const Schedule schedule = make("*/10 * * * *", minutes(5));

  for (Timestamp time = at("2026-11-30T12:00"); time < at("2026-11-30T13:00"); time += seconds(7)) {
    const ScheduledRun last = schedule.last_run(time);
    const ScheduledRun next = schedule.next_run(time);
    EXPECT_LE(last.at, time);
    EXPECT_GT(next.at, time);
    EXPECT_EQ(next.slot - last.slot, minutes(10));
  }
}

TEST(Schedule, KnowsItsLongestGap) {
  const Timestamp now = at("2026-10-01T00:00");

  EXPECT_EQ(make("0 3 * * *", minutes(5)).longest_gap(now), hours(24));
  EXPECT_EQ(make("0 9 * * mon-fri", seconds(0)).longest_gap(now), hours(72));
  EXPECT_EQ(make("@every 15m", seconds(0)).longest_gap(now), minutes(15));
  EXPECT_EQ(make("0 * * * *", seconds(0), "h", "Europe/Berlin").longest_gap(at("2026-10-20T00:00")),
            hours(2));
}

}  // namespace
}  // namespace keyrewind::policy
