#include "config/policy_options.h"

#include "config/load.h"
#include "config/retention_rules.h"
#include "samples.h"

#include <gmock/gmock.h>

namespace keyrewind::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

Config parse_more(const std::string& more, std::vector<Problem>& problems) {
  return parse(kSmallest + more, "c.yaml", {}, problems);
}

/// The mistakes of the smallest configuration and `more`, which begins in line 7.
std::vector<std::string> mistakes(const std::string& more) {
  std::vector<Problem> problems;
  parse_more(more, problems);
  std::vector<std::string> lines;
  for (const Problem& problem : problems) {
    lines.push_back(problem.place + ": " + problem.message);
  }
  return lines;
}

Config parse_well(const std::string& more) {
  std::vector<Problem> problems;
  Config config = parse_more(more, problems);
  for (const Problem& problem : problems) {
    ADD_FAILURE() << problem.place << ": " << problem.message;
  }
  return config;
}

std::string failure_of(const Environment& environment) {
  Environment all{{"KEYREWIND_CONFIG_YAML", kSmallest}};
  all.insert(environment.begin(), environment.end());
  try {
    load(std::nullopt, all);
  } catch (const Error& error) {
    return error.what();
  }
  return "no failure";
}

TEST(PolicyOptions, AreReadFromAFile) {
  const Config config = parse_well(
      "snapshots:\n"
      "  schedules:\n"
      "  - {name: nightly, cron: '0 3 * * *', time_zone: America/New_York, labels: [tier=daily]}\n"
      "  - {name: often, cron: '@every 6h'}\n"
      "  time_zone: Europe/Berlin\n"
      "  jitter: 90s\n"
      "  catch_up: skip\n"
      "  method: full_sync\n"
      "  min_free_memory: 35%\n"
      "retention: {keep_last: 1, keep_hourly: 2, keep_daily: 3, keep_weekly: 4, keep_monthly: 5,\n"
      "            keep_yearly: 6, keep_within: 7h, recovery_window: 8h, min_backups: 9,\n"
      "            keep_labels: [release, tier=monthly], enabled: false}\n"
      "quotas: {manual_per_24h: 20, max_stored: 500GiB}\n");

  const auto& snapshots = config.snapshots;
  ASSERT_EQ(snapshots.schedules.size(), 2U);
  EXPECT_EQ(snapshots.schedules[0].name, "nightly");
  EXPECT_EQ(snapshots.schedules[0].cron, "0 3 * * *");
  EXPECT_EQ(snapshots.schedules[0].time_zone, "America/New_York");
  EXPECT_THAT(snapshots.schedules[0].labels, ElementsAre("tier=daily"));
  EXPECT_EQ(snapshots.schedules[1].cron, "@every 6h");
  EXPECT_EQ(snapshots.schedules[1].time_zone, "");
  EXPECT_EQ(snapshots.time_zone, "Europe/Berlin");
  EXPECT_EQ(snapshots.jitter, std::chrono::seconds(90));
  EXPECT_EQ(snapshots.catch_up, policy::CatchUp::skip);
  EXPECT_EQ(snapshots.method, policy::Method::full_sync);
  EXPECT_EQ(snapshots.min_free_memory, 35U);
  const auto& keep = config.retention;
  EXPECT_THAT((std::vector{keep.keep_last, keep.keep_hourly, keep.keep_daily, keep.keep_weekly,
                           keep.keep_monthly, keep.keep_yearly, keep.min_backups}),
              ElementsAre(1, 2, 3, 4, 5, 6, 9));
  EXPECT_EQ(keep.keep_within, std::chrono::hours(7));
  EXPECT_EQ(keep.recovery_window, std::chrono::hours(8));
  EXPECT_THAT(keep.keep_labels, ElementsAre("release", "tier=monthly"));
  EXPECT_FALSE(keep.enabled);
  EXPECT_EQ(config.quotas.manual_per_24h, 20U);
  EXPECT_EQ(config.quotas.max_stored, std::uint64_t{500} << 30U);
}

TEST(PolicyOptions, ComeFromVariablesAlone) {
  const Config config =
      load(std::nullopt, {{"KEYREWIND_CONFIG_YAML", kSmallest},
                          {"KEYREWIND_SNAPSHOTS__SCHEDULES__0__NAME", "nightly"},
                          {"KEYREWIND_SNAPSHOTS__SCHEDULES__0__CRON", "0 3 * * mon-fri"},
                          {"KEYREWIND_SNAPSHOTS__SCHEDULES__0__LABELS", "a=b, c=d"},
                          {"KEYREWIND_SNAPSHOTS__MIN_FREE_MEMORY", "0%"},
                          {"KEYREWIND_QUOTAS__MAX_STORED", "0"}});

  ASSERT_EQ(config.snapshots.schedules.size(), 1U);
  EXPECT_EQ(config.snapshots.schedules[0].cron, "0 3 * * mon-fri");
  EXPECT_THAT(config.snapshots.schedules[0].labels, ElementsAre("a=b", "c=d"));
  EXPECT_EQ(config.snapshots.min_free_memory, 0U);
}

TEST(PolicyOptions, NameTheVariableOfABadCron) {
  EXPECT_THAT(failure_of({{"KEYREWIND_SNAPSHOTS__SCHEDULES__0__NAME", "nightly"},
                          {"KEYREWIND_SNAPSHOTS__SCHEDULES__0__CRON", "0 25 * * *"}}),
              HasSubstr("KEYREWIND_SNAPSHOTS__SCHEDULES__0__CRON: snapshots.schedules.0.cron: "
                        "'0 25 * * *' is no schedule: the hour must be from 0 to 23, not '25'"));
  EXPECT_THAT(failure_of({{"KEYREWIND_SNAPSHOTS__SCHEDULES__0__CRON", "@daily"}}),
              HasSubstr("snapshots.schedules.0.name is missing; write 'name: nightly', or set "
                        "KEYREWIND_SNAPSHOTS__SCHEDULES__0__NAME"));
}

TEST(PolicyOptions, TellEveryMistakeAtOnce) {
  EXPECT_THAT(
      mistakes("snapshots:\n"
               "  schedules:\n"
               "  - {name: a, cron: '0 0 3 * * *', time_zone: Europe/Berln}\n"
               "  - {name: a, cron: '0 0 30 2 *', labels: [x, a=b, =c]}\n"
               "  - {name: 'b c'}\n"
               "  time_zone: Mars\n"
               "  jitter: -5m\n"
               "  method: compact\n"
               "  min_free_memory: 20\n"
               "  catch_up: never\n"
               "retention: {keep_last: -1, min_backups: 0, keep_within: 1y}\n"
               "quotas: {max_stored: -1, manual_per_24h: -3}\n"),
      ElementsAre(
          "c.yaml:9:21: snapshots.schedules.0.cron: '0 0 3 * * *' is no schedule: it has 6 fields "
          "and needs five: minute, hour, day of month, month, day of week; there are no seconds, "
          "so leave the first one out: '0 3 * * *'",
          "c.yaml:9:47: snapshots.schedules.0.time_zone: 'Europe/Berln' is no time zone; write a "
          "name such as Europe/Berlin or UTC; did you mean 'Europe/Berlin'?",
          "c.yaml:10:12: snapshots.schedules.1.name 'a' is another schedule's already",
          "c.yaml:10:21: snapshots.schedules.1.cron: '0 0 30 2 *' is no schedule: no month that it "
          "names has such a day",
          "c.yaml:10:44: snapshots.schedules.1.labels: 'x' is no label; write KEY=VALUE",
          "c.yaml:10:52: snapshots.schedules.1.labels: '=c' is no label; write KEY=VALUE",
          "c.yaml:11:5: snapshots.schedules.2.cron is missing; write 'cron: 0 3 * * *', or set "
          "KEYREWIND_SNAPSHOTS__SCHEDULES__2__CRON",
          "c.yaml:11:12: snapshots.schedules.2.name must be 1 to 63 letters, digits, '.', '_' or "
          "'-', beginning with a letter or digit, not 'b c'",
          "c.yaml:12:14: snapshots.time_zone: 'Mars' is no time zone; write a name such as "
          "Europe/Berlin or UTC",
          "c.yaml:13:11: snapshots.jitter must be a duration from 0s to 1d, such as 30m, not '-5m'",
          "c.yaml:14:11: snapshots.method must be one of auto, full_sync, not 'compact'",
          "c.yaml:15:20: snapshots.min_free_memory must be a percentage from 0% to 100%, such as "
          "30%, not '20'",
          "c.yaml:16:13: snapshots.catch_up must be one of once, skip, not 'never'",
          "c.yaml:17:24: retention.keep_last must be a whole number from 0 to 100000, not '-1'",
          "c.yaml:17:41: retention.min_backups must be a whole number from 1 to 100000, not '0'",
          "c.yaml:17:57: retention.keep_within must be a duration from 0s to 36500d, such as 14d, "
          "not '1y'",
          "c.yaml:18:22: quotas.max_stored must be 0 or a size of at least 1MiB, such as 500GiB, "
          "not '-1'",
          "c.yaml:18:42: quotas.manual_per_24h must be a whole number from 0 to 100000, not "
          "'-3'"));
}

TEST(PolicyOptions, HandLabelsToRetention) {
  const Config config = parse_well("retention: {keep_labels: [release, tier=monthly]}\n");

  EXPECT_THAT(to_retention_rules(config).keep_labels, ElementsAre("release", "tier=monthly"));
}

TEST(PolicyOptions, RefuseLabelsWithoutAName) {
  EXPECT_THAT(
      mistakes("retention: {keep_labels: [ok, '', =monthly]}\n"),
      ElementsAre(
          "c.yaml:7:31: retention.keep_labels has an empty entry",
          "c.yaml:7:35: retention.keep_labels: '=monthly' is no label; write NAME, or NAME=VALUE"));
}

TEST(PolicyOptions, MustKeepSomethingIfRetentionIsOn) {
  const std::string nothing =
      "keep_last: 0, keep_daily: 0, keep_weekly: 0, keep_monthly: 0, keep_within: 0s, "
      "recovery_window: 0s";

  EXPECT_THAT(mistakes("retention: {" + nothing + "}\n"),
              ElementsAre("c.yaml:7:24: retention keeps nothing: all of its keep_… and its "
                          "recovery_window are 0 or empty; set one of them, or enabled: false to "
                          "remove nothing"));
  EXPECT_THAT(mistakes("retention: {" + nothing + ", enabled: false}\n"), IsEmpty());
  EXPECT_THAT(mistakes("retention: {" + nothing + ", keep_yearly: 1}\n"), IsEmpty());
  EXPECT_THAT(mistakes("retention: {" + nothing + ", keep_labels: [release]}\n"), IsEmpty());
}

TEST(PolicyOptions, ShowNoValueThatAVariableHolds) {
  std::vector<Problem> problems;
  parse(std::string(kSmallest) + "snapshots: {time_zone: '${ZONE}'}\n", "c.yaml",
        {{"ZONE", "hunter2"}}, problems);

  ASSERT_EQ(problems.size(), 1U);
  EXPECT_THAT(problems[0].message, Not(HasSubstr("hunter2")));
  EXPECT_THAT(problems[0].message, HasSubstr("snapshots.time_zone: the value of '${ZONE}' is not"));
}

TEST(PolicyOptions, LetAListBeEmptyInEveryWay) {
  EXPECT_THAT(parse_well("snapshots:\n  schedules: []\n").snapshots.schedules, IsEmpty());
  EXPECT_THAT(parse_well("snapshots:\n  schedules:\n").snapshots.schedules, IsEmpty());
  EXPECT_THAT(mistakes("snapshots: {schedules: '0 3 * * *'}\n"),
              ElementsAre("c.yaml:7:24: snapshots.schedules must be a list of maps, not a single "
                          "value"));
  EXPECT_THAT(mistakes("snapshots: {schedules: ['0 3 * * *']}\n"),
              ElementsAre("c.yaml:7:25: snapshots.schedules.0 must be a map of options, not a "
                          "single value"));
}

}  // namespace
}  // namespace keyrewind::config
