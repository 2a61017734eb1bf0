#include "daemon/scheduler.h"

#include "base/error.h"
#include "base/log.h"
#include "support/manual_clock.h"
#include "support/temp_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

namespace keyrewind::daemon {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Timestamp at(const std::string& text) {
  return from_rfc3339(text).value();
}

class SchedulerTest : public testing::Test {
 protected:
  SchedulerTest() { log::configure(log::Level::error, log::Format::text); }

  static PlannedBackups planned(const std::string& name, const std::string& cron,
                                const std::string& zone = "UTC",
                                policy::CatchUp catch_up = policy::CatchUp::once,
                                milliseconds jitter = milliseconds(0)) {
    return {.schedule = policy::Schedule({.source = "orders",
                                          .name = name,
                                          .cron = policy::Cron(cron),
                                          .zone = policy::Zone(zone),
                                          .jitter = jitter,
                                          .catch_up = catch_up})};
  }

  static std::vector<PlannedBackups> nightly(policy::CatchUp catch_up = policy::CatchUp::once) {
    return {planned("nightly", "0 3 * * *", "UTC", catch_up)};
  }

  void step_at(const std::string& time) {
    clock_.set(at(time));
    scheduler_.step();
  }

  api::ScheduleStatus first() { return scheduler_.list().front(); }

  test::TempDir folder_;
  test::ManualClock clock_{at("2026-11-30T12:00:00Z")};
  std::vector<std::string> asked_;
  std::vector<std::string> skipped_;
  std::string refusal_;  ///< Why nothing can be taken; empty: it can.
  bool busy_ = false;
  Scheduler scheduler_{
      folder_.path(),
      {.busy = [this] { return busy_; },
       .ask =
           [this](const PlannedBackups& schedule) {
             if (!refusal_.empty()) {
               throw Error(ErrorKind::busy, refusal_);
             }
             asked_.push_back(schedule.name());
           },
       .skipped = [this](const std::string& schedule,
                         const std::string& why) { skipped_.push_back(schedule + ": " + why); }},
      clock_};
};

TEST_F(SchedulerTest, AsksOnceForEachSlot) {
  scheduler_.configure(nightly());
  scheduler_.begin({});
  EXPECT_EQ(first().next, at("2026-12-01T03:00:00Z"));

  step_at("2026-12-01T02:59:59Z");
  EXPECT_THAT(asked_, IsEmpty());
  step_at("2026-12-01T03:00:00Z");
  step_at("2026-12-01T03:00:01Z");
  EXPECT_THAT(asked_, ElementsAre("nightly"));
  EXPECT_EQ(first().next, at("2026-12-02T03:00:00Z"));
}

TEST_F(SchedulerTest, DoesNothingWhileAnotherAgentWorks) {
  scheduler_.configure(nightly());
  step_at("2026-12-01T03:00:00Z");
  scheduler_.begin({});
  scheduler_.end();
  step_at("2026-12-02T03:00:00Z");

  EXPECT_THAT(asked_, IsEmpty());
}

TEST_F(SchedulerTest, MakesUpForDowntimeOnce) {
  scheduler_.configure(nightly());
  scheduler_.begin({{"nightly", {at("2026-11-26T03:00:05Z")}}});
  scheduler_.step();
  scheduler_.step();

  EXPECT_THAT(asked_, ElementsAre("nightly"));
  EXPECT_EQ(first().next, at("2026-12-01T03:00:00Z"));
  EXPECT_EQ(first().last_success, at("2026-11-26T03:00:05Z"));
}

TEST_F(SchedulerTest, MakesUpForNothingIfItIsToSkip) {
  scheduler_.configure(nightly(policy::CatchUp::skip));
  scheduler_.begin({{"nightly", {at("2026-11-26T03:00:05Z")}}});
  scheduler_.step();

  EXPECT_THAT(asked_, IsEmpty());
  EXPECT_THAT(skipped_, ElementsAre(HasSubstr("while no agent worked")));
}

TEST_F(SchedulerTest, HasNothingToMakeUpForAfterTheLastRunOrWithoutAny) {
  scheduler_.configure(nightly());
  scheduler_.begin({{"nightly", {at("2026-11-30T03:00:05Z")}}});
  scheduler_.step();
  EXPECT_THAT(asked_, IsEmpty());

  scheduler_.begin({});
  scheduler_.step();
  EXPECT_THAT(asked_, IsEmpty());
}

TEST_F(SchedulerTest, SaysWhichRunsItSkips) {
  scheduler_.configure(nightly());
  scheduler_.begin({});
  refusal_ = "another backup is under way";
  step_at("2026-12-01T03:00:00Z");

  EXPECT_THAT(skipped_, ElementsAre("nightly: another backup is under way"));
  EXPECT_EQ(first().last_result, "skipped");
  EXPECT_EQ(first().missed, 1U);

  refusal_.clear();
  step_at("2026-12-02T03:00:00Z");
  EXPECT_THAT(asked_, ElementsAre("nightly"));
}

TEST_F(SchedulerTest, SkipsWhatOverlapsAndSaysSo) {
  scheduler_.configure(nightly());
  scheduler_.begin({});
  busy_ = true;
  step_at("2026-12-01T03:00:00Z");
  busy_ = false;
  scheduler_.step();

  EXPECT_THAT(asked_, IsEmpty());
  EXPECT_THAT(skipped_, ElementsAre("nightly: another backup was under way"));
}

TEST_F(SchedulerTest, RunsOnceWhenTheClockJumpsADayAhead) {
  scheduler_.configure(nightly());
  scheduler_.begin({});
  step_at("2026-12-03T12:00:00Z");
  scheduler_.step();

  EXPECT_THAT(asked_, ElementsAre("nightly"));
  EXPECT_EQ(first().next, at("2026-12-04T03:00:00Z"));
}

TEST_F(SchedulerTest, IsNotStoppedByAClockThatIsSetBackADay) {
  scheduler_.configure(nightly());
  scheduler_.begin({});
  step_at("2026-12-03T03:00:00Z");
  ASSERT_EQ(asked_.size(), 1U);

  step_at("2026-12-01T12:00:00Z");
  step_at("2026-12-02T03:00:00Z");
  EXPECT_EQ(asked_.size(), 2U);
}

TEST_F(SchedulerTest, RunsNoSlotTwiceWhenTheClockStepsBackALittle) {
  scheduler_.configure(nightly());
  scheduler_.begin({});
  step_at("2026-12-01T03:00:00Z");
  step_at("2026-12-01T02:59:50Z");
  step_at("2026-12-01T03:00:00Z");

  EXPECT_EQ(asked_.size(), 1U);
}

TEST_F(SchedulerTest, RunsTheHourThatDaylightSavingShowsTwiceOnce) {
  clock_.set(at("2026-10-24T12:00:00Z"));
  scheduler_.configure({planned("nightly", "30 2 * * *", "Europe/Berlin")});
  scheduler_.begin({});
  for (Timestamp time = at("2026-10-24T12:00:00Z"); time < at("2026-10-25T12:00:00Z");
       time += minutes(10)) {
    clock_.set(time);
    scheduler_.step();
  }

  EXPECT_EQ(asked_.size(), 1U);
  EXPECT_EQ(first().time_zone, "Europe/Berlin");
}

TEST_F(SchedulerTest, PausesUntilItIsResumedWhateverStarts) {
  scheduler_.configure(nightly());
  scheduler_.begin({});
  EXPECT_TRUE(scheduler_.pause("nightly"));
  EXPECT_FALSE(scheduler_.pause("weekly"));
  scheduler_.configure(nightly());
  EXPECT_TRUE(first().paused);
  EXPECT_EQ(first().next, std::nullopt);
  step_at("2026-12-01T03:00:00Z");
  EXPECT_THAT(asked_, IsEmpty());

  EXPECT_TRUE(scheduler_.resume("nightly"));
  scheduler_.step();
  EXPECT_THAT(asked_, IsEmpty()) << "what was due meanwhile is not made up for";
  step_at("2026-12-02T03:00:00Z");
  EXPECT_EQ(asked_.size(), 1U);
}

TEST_F(SchedulerTest, SpreadsItsRunsTheSameWayEachTime) {
  const auto spread = [](const std::string& name) {
    return planned(name, "0 3 * * *", "UTC", policy::CatchUp::once, minutes(30));
  };
  scheduler_.configure({spread("nightly"), spread("other")});
  scheduler_.begin({});
  const Timestamp next = first().next.value();
  EXPECT_GE(next, at("2026-12-01T03:00:00Z"));
  EXPECT_LE(next, at("2026-12-01T03:30:00Z"));
  EXPECT_NE(scheduler_.list().back().next, next);

  scheduler_.configure({spread("nightly")});
  EXPECT_EQ(first().next, next);
}

TEST_F(SchedulerTest, KnowsTheLongestSpanBetweenTwoRuns) {
  scheduler_.configure({planned("work", "0 3 * * mon-fri"), planned("nightly", "0 3 * * *")});

  EXPECT_EQ(scheduler_.interval("work"), hours(72));
  EXPECT_EQ(scheduler_.interval("nightly"), hours(24));
  EXPECT_EQ(scheduler_.interval("unknown"), seconds(0));
}

TEST_F(SchedulerTest, KeepsWhatItKnowsOfASchedule) {
  scheduler_.configure(nightly());
  scheduler_.begin({});
  scheduler_.note("nightly", Scheduler::Result::failure, "no space left",
                  at("2026-11-30T03:00:00Z"));
  scheduler_.note("weekly", Scheduler::Result::success, "", at("2026-11-30T03:00:00Z"));

  scheduler_.configure(nightly());

  EXPECT_EQ(first().last_result, "failure");
  EXPECT_THAT(first().last_message, HasSubstr("no space"));
  EXPECT_EQ(first().last_success, std::nullopt);
  scheduler_.configure({});
  EXPECT_THAT(scheduler_.list(), IsEmpty());
}

}  // namespace
}  // namespace keyrewind::daemon
