#include "policy/retention.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <list>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace keyrewind::policy {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// 2026-11-30T12:00:00Z, a Monday.
const Timestamp kNow{milliseconds(1796040000000)};

const RetentionRules kNothing{.keep_last = 0,
                              .keep_hourly = 0,
                              .keep_daily = 0,
                              .keep_weekly = 0,
                              .keep_monthly = 0,
                              .keep_yearly = 0,
                              .keep_within = {},
                              .recovery_window = {},
                              .min_backups = 1,
                              .keep_labels = {},
                              .zone = {}};

BackupFacts backup_at(Timestamp created) {
  BackupFacts backup;
  backup.created = created;
  return backup;
}

/// Backups of these times, with the ids "b1", "b2" and so on.
std::vector<BackupFacts> backups_at(const std::vector<Timestamp>& times) {
  std::vector<BackupFacts> backups;
  for (const Timestamp time : times) {
    backups.push_back(backup_at(time));
    backups.back().sequence = backups.size();
    backups.back().id = fmt::format("b{}", backups.size());
  }
  return backups;
}

std::vector<BackupFacts> one_each(milliseconds step, int count) {
  std::vector<Timestamp> times;
  for (int i = count - 1; i >= 0; --i) {
    times.push_back(kNow - i * step);
  }
  return backups_at(times);
}

std::vector<std::string> kept(const Retention& retention) {
  std::vector<std::string> ids;
  for (const BackupVerdict& backup : retention.backups) {
    if (backup.keep) {
      ids.push_back(backup.id);
    }
  }
  return ids;
}

std::vector<std::string> reasons(const Retention& retention, const std::string& id) {
  return std::ranges::find(retention.backups, id, &BackupVerdict::id)->reasons;
}

/// The log of windows lives as long as the program.
std::span<const catalog::LogSpan> keep_log(std::vector<catalog::LogSpan> log) {
  static std::list<std::vector<catalog::LogSpan>> logs;
  return logs.emplace_back(std::move(log));
}

/// A lineage of which a piece of 100 bytes arrives each minute up to now, with snapshots of the
/// backups `at`, by their number, at these offsets.
WindowFacts window_of(const std::vector<BackupFacts>& backups,
                      const std::map<std::size_t, std::int64_t>& at, int minutes,
                      Timestamp end = kNow) {
  WindowFacts window{.lineage = std::string(40, 'a'),
                     .begin = at.empty() ? 0 : at.begin()->second,
                     .until = end,
                     .snapshots = {},
                     .log = {},
                     .held = std::nullopt,
                     .held_by = {}};
  for (const auto& [backup, offset] : at) {
    window.snapshots.push_back({backup, offset, backups[backup].created});
  }
  std::vector<catalog::LogSpan> log;
  for (int i = 0; i < minutes; ++i) {
    log.push_back({i * 100, (i + 1) * 100, end - std::chrono::minutes(minutes - 1 - i), 10});
  }
  window.log = keep_log(std::move(log));
  return window;
}

TEST(Retention, KeepsTheLastOnes) {
  RetentionRules rules = kNothing;
  rules.keep_last = 3;

  const Retention retention = decide_retention(one_each(hours(1), 5), {}, rules, kNow);

  EXPECT_THAT(kept(retention), ElementsAre("b3", "b4", "b5"));
  EXPECT_THAT(reasons(retention, "b5"), ElementsAre("last good backup", "last 1 of 3"));
  EXPECT_THAT(reasons(retention, "b3"), ElementsAre("last 3 of 3"));
  EXPECT_THAT(reasons(retention, "b2"), ElementsAre("not among the last 3"));
}

TEST(Retention, KeepsTheNewestOfEachPeriod) {
  struct Case {
    std::uint64_t RetentionRules::*rule;
    std::vector<std::string> times;
    std::vector<std::string> kept;
    std::string reason;
  };
  const std::vector<Case> cases{
      {&RetentionRules::keep_hourly,
       {"2026-11-30T09:59:59Z", "2026-11-30T10:00:00Z", "2026-11-30T10:59:59Z",
        "2026-11-30T11:10:00Z"},
       {"b3", "b4"},
       "hourly 2026-11-30T10:00"},
      {&RetentionRules::keep_daily,
       {"2026-11-28T23:59:59Z", "2026-11-29T00:00:00Z", "2026-11-29T23:59:59Z",
        "2026-11-30T00:00:00Z"},
       {"b3", "b4"},
       "daily 2026-11-29"},
      {&RetentionRules::keep_weekly,
       {"2026-11-22T23:59:59Z", "2026-11-23T00:00:00Z", "2026-11-29T23:59:59Z",
        "2026-11-30T00:00:00Z"},
       {"b3", "b4"},
       "weekly 2026-W48"},
      {&RetentionRules::keep_monthly,
       {"2026-09-30T23:59:59Z", "2026-10-01T00:00:00Z", "2026-10-31T23:59:59Z",
        "2026-11-01T00:00:00Z"},
       {"b3", "b4"},
       "monthly 2026-10"},
      {&RetentionRules::keep_yearly,
       {"2024-12-31T23:59:59Z", "2025-01-01T00:00:00Z", "2025-12-31T23:59:59Z",
        "2026-01-01T00:00:00Z"},
       {"b3", "b4"},
       "yearly 2025"},
  };
  for (const Case& one : cases) {
    RetentionRules rules = kNothing;
    rules.*one.rule = 2;
    std::vector<Timestamp> times;
    for (const std::string& time : one.times) {
      times.push_back(*from_rfc3339(time));
    }

    const Retention retention = decide_retention(backups_at(times), {}, rules, kNow);

    EXPECT_EQ(kept(retention), one.kept) << one.reason;
    EXPECT_THAT(reasons(retention, "b3"), ElementsAre(one.reason));
    EXPECT_THAT(reasons(retention, "b2"), ElementsAre(HasSubstr("b3 stands for its")))
        << one.reason;
    EXPECT_THAT(reasons(retention, "b1"), ElementsAre(HasSubstr("not among 2"))) << one.reason;
  }
}

TEST(Retention, KnowsTheWeeksOfIso8601) {
  RetentionRules rules = kNothing;
  rules.keep_weekly = 10;
  const std::vector<std::pair<std::string, std::string>> cases{
      {"2027-01-01T00:00:00Z", "weekly 2026-W53"},
      {"2027-01-04T00:00:00Z", "weekly 2027-W01"},
      {"2024-12-30T00:00:00Z", "weekly 2025-W01"},
      {"2023-01-01T00:00:00Z", "weekly 2022-W52"}};
  for (const auto& [time, reason] : cases) {
    const auto backups = backups_at({*from_rfc3339(time)});

    EXPECT_THAT(reasons(decide_retention(backups, {}, rules, kNow + days(100)), "b1"),
                Contains(reason));
  }
}

TEST(Retention, KnowsTheDaysOfAZone) {
  RetentionRules rules = kNothing;
  rules.keep_daily = 10;
  rules.zone = Zone("Europe/Berlin");
  const auto backups =
      backups_at({*from_rfc3339("2026-11-28T22:59:59Z"), *from_rfc3339("2026-11-28T23:00:00Z"),
                  *from_rfc3339("2026-11-29T22:59:59Z")});

  const Retention retention = decide_retention(backups, {}, rules, kNow);

  EXPECT_THAT(kept(retention), ElementsAre("b1", "b3"));
  EXPECT_THAT(reasons(retention, "b1"), ElementsAre("daily 2026-11-28"));
}

TEST(Retention, KeepsWhatIsYoungEnough) {
  RetentionRules rules = kNothing;
  rules.keep_within = days(2);

  const Retention retention = decide_retention(one_each(days(1), 5), {}, rules, kNow);

  EXPECT_THAT(kept(retention), ElementsAre("b3", "b4", "b5"));
  EXPECT_THAT(reasons(retention, "b3"), ElementsAre("within 2d"));
  EXPECT_THAT(reasons(retention, "b2"), ElementsAre("older than 2d"));
}

TEST(Retention, NeverRemovesTheLastGoodBackup) {
  const auto backups = backups_at({kNow - days(900), kNow - days(800)});

  const Retention retention = decide_retention(backups, {}, kNothing, kNow);

  EXPECT_THAT(kept(retention), ElementsAre("b2"));
  EXPECT_THAT(reasons(retention, "b2"), ElementsAre("last good backup"));
  EXPECT_THAT(reasons(retention, "b1"), ElementsAre("no rule keeps it"));
}

TEST(Retention, KeepsAtLeastSoMany) {
  RetentionRules rules = kNothing;
  rules.min_backups = 3;

  EXPECT_THAT(kept(decide_retention(one_each(days(1), 5), {}, rules, kNow)),
              ElementsAre("b3", "b4", "b5"));
  EXPECT_THAT(kept(decide_retention(one_each(days(1), 2), {}, rules, kNow)),
              ElementsAre("b1", "b2"));
  rules.min_backups = 0;
  EXPECT_THAT(kept(decide_retention(one_each(days(1), 2), {}, rules, kNow)), ElementsAre("b2"));
}

TEST(Retention, KeepsWhatIsLockedAsLongAsItIs) {
  auto backups = one_each(days(1), 4);
  backups[0].lock = LockFacts{kNow + seconds(1), ""};
  backups[1].lock = LockFacts{kNow, ""};
  backups[2].lock = LockFacts{std::nullopt, "for the auditors"};

  const Retention retention = decide_retention(backups, {}, kNothing, kNow);

  EXPECT_THAT(kept(retention), ElementsAre("b1", "b3", "b4"));
  EXPECT_THAT(reasons(retention, "b1"), ElementsAre("locked until 2026-11-30T12:00:01.000Z"));
  EXPECT_THAT(reasons(retention, "b2"), ElementsAre("its lock has ended"));
  EXPECT_THAT(reasons(retention, "b3"), ElementsAre("locked"));
}

TEST(Retention, KeepsWhatSomebodyReads) {
  auto backups = one_each(days(1), 3);
  backups[0].held_by = "restore on orders-0";

  const Retention retention = decide_retention(backups, {}, kNothing, kNow);

  EXPECT_THAT(reasons(retention, "b1"), ElementsAre("read by restore on orders-0"));
  EXPECT_THAT(kept(retention), ElementsAre("b1", "b3"));
}

TEST(Retention, KeepsWhatIsLabelledSo) {
  RetentionRules rules = kNothing;
  rules.keep_labels = {"release", "keep=yes"};
  auto backups = one_each(days(1), 5);
  backups[0].labels = {{"release", "7"}};
  backups[1].labels = {{"keep", "yes"}};
  backups[2].labels = {{"keep", "no"}, {"other", ""}};

  const Retention retention = decide_retention(backups, {}, rules, kNow);

  EXPECT_THAT(kept(retention), ElementsAre("b1", "b2", "b5"));
  EXPECT_THAT(reasons(retention, "b1"), ElementsAre("label release"));
  EXPECT_THAT(reasons(retention, "b2"), ElementsAre("label keep=yes"));
}

TEST(Retention, KeepsTheChainOfTheRecoveryWindow) {
  RetentionRules rules = kNothing;
  rules.recovery_window = std::chrono::minutes(30);
  // Minute i ends at offset 100 i: now is 6000.
  auto backups = backups_at({kNow - std::chrono::minutes(59), kNow - std::chrono::minutes(40),
                             kNow - std::chrono::minutes(35), kNow - std::chrono::minutes(10)});
  const auto window = window_of(backups, {{0, 100}, {1, 2000}, {2, 2500}, {3, 5000}}, 60);

  const Retention retention = decide_retention(backups, {window}, rules, kNow);

  // The last one before the window begins, and the one that the agent goes on from.
  EXPECT_THAT(kept(retention), ElementsAre("b3", "b4"));
  EXPECT_THAT(reasons(retention, "b3"), ElementsAre("recovery window"));
  ASSERT_EQ(retention.logs.size(), 1U);
  EXPECT_EQ(retention.logs[0].keep_from, 2500);
  EXPECT_THAT(retention.logs[0].reasons, ElementsAre("recovery window", "the running log"));
  EXPECT_EQ(retention.oldest_wanted, kNow - std::chrono::minutes(30));
}

TEST(Retention, KeepsTheFirstSnapshotIfTheWindowBeginsWithinTheRecoveryWindow) {
  RetentionRules rules = kNothing;
  rules.recovery_window = days(7);
  const auto backups =
      backups_at({kNow - std::chrono::minutes(50), kNow - std::chrono::minutes(5)});
  const auto window = window_of(backups, {{0, 1000}, {1, 5500}}, 60);

  const Retention retention = decide_retention(backups, {window}, rules, kNow);

  EXPECT_THAT(kept(retention), ElementsAre("b1", "b2"));
  EXPECT_EQ(retention.logs[0].keep_from, 1000);
}

TEST(Retention, DropsTheLogOfAnOldLineageAsAWhole) {
  RetentionRules rules = kNothing;
  rules.recovery_window = days(7);
  rules.keep_yearly = 2;
  const auto backups = backups_at({kNow - days(400), kNow - days(399), kNow - hours(1)});
  WindowFacts old = window_of(backups, {{0, 0}, {1, 500}}, 10, kNow - days(399));
  WindowFacts running = window_of(backups, {{2, 0}}, 60);
  running.lineage = std::string(40, 'b');

  const Retention retention = decide_retention(backups, {old, running}, rules, kNow);

  EXPECT_THAT(kept(retention), ElementsAre("b2", "b3"));
  ASSERT_EQ(retention.logs.size(), 2U);
  EXPECT_EQ(retention.logs[0].keep_from, std::nullopt);
  EXPECT_EQ(retention.logs[1].keep_from, 0);
}

TEST(Retention, NeverRemovesWhatTheAgentGoesOnFrom) {
  // No rule wants anything, and a backup of elsewhere is newer.
  auto backups = backups_at({kNow - days(20), kNow - days(1)});
  const auto running = window_of(backups, {{0, 0}}, 60);
  WindowFacts alone = window_of(backups, {{1, 77}}, 0, kNow - days(1));
  alone.lineage = std::string(40, 'b');

  const Retention retention = decide_retention(backups, {running, alone}, kNothing, kNow);

  EXPECT_THAT(kept(retention), ElementsAre("b1", "b2"));
  EXPECT_THAT(reasons(retention, "b1"), Contains("the running log"));
  ASSERT_EQ(retention.logs.size(), 1U);
  EXPECT_EQ(retention.logs[0].keep_from, 0);
}

TEST(Retention, TakesNoSnapshotWithoutLogForARunningOne) {
  RetentionRules rules = kNothing;
  rules.keep_last = 1;
  const auto backups = backups_at({kNow - days(2), kNow});
  const auto alone = window_of(backups, {{1, 77}}, 0);

  const Retention retention = decide_retention(backups, {alone}, rules, kNow + days(1));

  EXPECT_THAT(reasons(retention, "b2"),
              ElementsAre("last good backup", "last 1 of 1", "recovery window"));
  EXPECT_THAT(retention.logs, IsEmpty());
}

TEST(Retention, KeepsLogThatNoSnapshotIsOnForADay) {
  WindowFacts fresh = window_of({}, {}, 10, kNow - hours(23));
  WindowFacts old = window_of({}, {}, 10, kNow - hours(25));
  old.lineage = std::string(40, 'b');
  const auto backups = backups_at({kNow});

  const Retention retention = decide_retention(backups, {fresh, old}, kNothing, kNow);

  ASSERT_EQ(retention.logs.size(), 2U);
  EXPECT_EQ(retention.logs[0].keep_from, 0);
  EXPECT_THAT(retention.logs[0].reasons, ElementsAre("no snapshot is on it yet"));
  EXPECT_EQ(retention.logs[1].keep_from, std::nullopt);
}

TEST(Retention, KeepsLogThatSomebodyReads) {
  const auto backups = backups_at({kNow - days(30), kNow});
  WindowFacts old = window_of(backups, {{0, 0}}, 10, kNow - days(29));
  old.held = 300;
  old.held_by = "restore on orders-0";
  WindowFacts alone = window_of(backups, {{1, 9000}}, 0);
  alone.lineage = std::string(40, 'b');

  const Retention retention = decide_retention(backups, {old, alone}, kNothing, kNow);

  ASSERT_EQ(retention.logs.size(), 1U);
  EXPECT_EQ(retention.logs[0].keep_from, 300);
  EXPECT_THAT(retention.logs[0].reasons, ElementsAre("read by restore on orders-0"));
}

TEST(Retention, IsNotMovedByAClockThatJumpsAhead) {
  RetentionRules rules = kNothing;
  rules.keep_within = days(2);
  rules.recovery_window = days(7);
  const auto backups = one_each(hours(12), 10);
  const auto window = window_of(backups, {{0, 0}, {9, 5900}}, 60);

  const Retention today = decide_retention(backups, {window}, rules, kNow);
  const Retention later = decide_retention(backups, {window}, rules, kNow + days(365));

  EXPECT_EQ(kept(today), kept(later));
  EXPECT_EQ(today.logs[0].keep_from, later.logs[0].keep_from);
}

TEST(Retention, KeepsMoreWhenTheClockIsBehind) {
  RetentionRules rules = kNothing;
  rules.keep_within = days(2);
  const auto backups = one_each(hours(12), 10);

  const auto usual = kept(decide_retention(backups, {}, rules, kNow));
  const auto behind = kept(decide_retention(backups, {}, rules, kNow - days(1)));

  EXPECT_GT(behind.size(), usual.size());
}

TEST(Retention, TrustsSequenceAndNotTimes) {
  RetentionRules rules = kNothing;
  rules.keep_last = 2;
  const auto backups = backups_at({kNow + days(1), kNow - hours(2), kNow - hours(1)});

  EXPECT_THAT(kept(decide_retention(backups, {}, rules, kNow)), ElementsAre("b2", "b3"));
}

TEST(Retention, DoesNotLoseMomentsWhoseTimesTwoClocksTellDifferently) {
  RetentionRules rules = kNothing;
  rules.recovery_window = std::chrono::minutes(30);
  // By the server's clock the second one is young; by the agent's the log behind it is old.
  auto backups = backups_at({kNow - std::chrono::minutes(55), kNow - std::chrono::minutes(20),
                             kNow - std::chrono::minutes(19)});
  const auto window = window_of(backups, {{0, 0}, {1, 1000}, {2, 1100}}, 60);

  const Retention retention = decide_retention(backups, {window}, rules, kNow);

  EXPECT_THAT(reasons(retention, "b2"), ElementsAre("recovery window"));
  EXPECT_EQ(retention.logs[0].keep_from, 1000);
}

TEST(Retention, OfNothingIsNothing) {
  const Retention retention = decide_retention({}, {}, RetentionRules{}, kNow);

  EXPECT_THAT(retention.backups, IsEmpty());
  EXPECT_THAT(retention.logs, IsEmpty());
}

TEST(Retention, BearsTheLargestNumbers) {
  const std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  RetentionRules rules{most,         most,         most, most, most, most,
                       days(366000), days(366000), most, {},   {}};

  const Retention retention = decide_retention(one_each(days(1), 5), {}, rules, kNow);

  EXPECT_EQ(kept(retention).size(), 5U);
}

}  // namespace
}  // namespace keyrewind::policy
