#include "daemon/backup_desk.h"

#include "base/error.h"
#include "support/manual_clock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace keyrewind::daemon {
namespace {

using catalog::Trigger;
using std::chrono::milliseconds;
using testing::HasSubstr;

class BackupDeskTest : public testing::Test {
 protected:
  BackupWish wish(const std::string& schedule = "") {
    return {.origin = {.trigger = schedule.empty() ? Trigger::manual : Trigger::schedule,
                       .schedule = schedule},
            .job = tasks_.add(api::Task::Kind::backup, schedule)};
  }

  /// Why another wish is refused now.
  std::string refusal() {
    try {
      desk_.ask(wish());
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::busy);
      return error.what();
    }
    ADD_FAILURE() << "not refused";
    return "";
  }

  test::ManualClock clock_{Timestamp(std::chrono::hours(500000))};
  Tasks tasks_{clock_};
  BackupDesk desk_;
};

TEST_F(BackupDeskTest, HasOneAtATime) {
  desk_.ask(wish("nightly"));
  EXPECT_THAT(refusal(), HasSubstr("schedule nightly, waiting"));

  EXPECT_EQ(desk_.take().value().origin.schedule, "nightly");
  EXPECT_FALSE(desk_.waiting());
  EXPECT_THAT(refusal(), HasSubstr("(schedule nightly)"));

  desk_.end();
  desk_.ask(wish());
  EXPECT_EQ(desk_.waiting().value().origin.trigger, Trigger::manual);
}

TEST_F(BackupDeskTest, IsBusyWithTheSnapshotThatALogBeginsWith) {
  desk_.begin_base();
  EXPECT_THAT(refusal(), HasSubstr("for the log to begin with"));

  desk_.end();
  desk_.ask(wish());
}

TEST_F(BackupDeskTest, GivesUpWhatIsCancelledOrHasWaitedLong) {
  EXPECT_FALSE(desk_.give_up(milliseconds(0))) << "there is none";
  const BackupWish first = wish();
  desk_.ask(first);
  EXPECT_FALSE(desk_.give_up(std::chrono::hours(1)));

  tasks_.cancel(first.job->id());
  EXPECT_EQ(desk_.give_up(std::chrono::hours(1)).value().job, first.job);

  desk_.ask(wish());
  EXPECT_TRUE(desk_.give_up(milliseconds(0)));
  EXPECT_FALSE(desk_.waiting());
}

TEST_F(BackupDeskTest, WakesWhoeverWatchesTheShard) {
  for (const bool asks : {true, false}) {
    std::jthread other([&] { asks ? desk_.ask(wish()) : desk_.wake(); });
    const auto before = std::chrono::steady_clock::now();
    desk_.wait(std::chrono::hours(1), {});
    EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::minutes(30));
  }
}

}  // namespace
}  // namespace keyrewind::daemon
