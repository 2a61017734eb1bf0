#include "policy/cron.h"

#include "base/error.h"
#include "times.h"

#include <gmock/gmock.h>

#include <array>
#include <string>
#include <utility>
#include <vector>

namespace keyrewind::policy {
namespace {

using testing::EndsWith;

std::string next(const std::string& cron, const std::string& after,
                 const std::string& zone = "UTC") {
  return to_rfc3339(Cron(cron).next_after(at(after), Zone(zone))).substr(0, 19);
}

std::string last(const std::string& cron, const std::string& until,
                 const std::string& zone = "UTC") {
  return to_rfc3339(Cron(cron).last_until(at(until), Zone(zone))).substr(0, 19);
}

std::string refusal(const std::string& cron) {
  try {
    Cron taken(cron);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::config);
    return error.what();
  }
  return "taken";
}

TEST(Cron, FindsTheNextSlot) {
  const std::vector<std::array<std::string, 3>> cases{
      {"0 3 * * *", "2026-11-30T03:00", "2026-12-01T03:00:00"},
      {"0 3 * * *", "2026-11-30T02:59:59", "2026-11-30T03:00:00"},
      {"*/15 * * * *", "2026-11-30T03:44", "2026-11-30T03:45:00"},
      {"*/15 * * * *", "2026-11-30T23:45", "2026-12-01T00:00:00"},
      {"5,10-12 * * * *", "2026-11-30T03:10", "2026-11-30T03:11:00"},
      {"10-40/10 8-18/2 * * *", "2026-11-30T08:40", "2026-11-30T10:10:00"},
      {"0 0 31 * *", "2026-11-30T00:00", "2026-12-31T00:00:00"},
      {"0 0 30 4,6 *", "2026-11-30T00:00", "2027-04-30T00:00:00"},
      {"0 0 29 2 *", "2026-11-30T00:00", "2028-02-29T00:00:00"},
      {"0 0 29 feb *", "2096-03-01T00:00", "2104-02-29T00:00:00"},
      {"0 12 * * mon-fri", "2026-11-27T12:00", "2026-11-30T12:00:00"},
      {"0 12 * * MON,Wed", "2026-11-30T12:00", "2026-12-02T12:00:00"},
      {"0 12 * * 0", "2026-11-30T00:00", "2026-12-06T12:00:00"},
      {"0 12 * * 7", "2026-11-30T00:00", "2026-12-06T12:00:00"},
      {"0 12 * * sat-sun", "2026-12-05T12:00", "2026-12-06T12:00:00"},
      {"0 12 * * 5-7", "2026-12-05T12:00", "2026-12-06T12:00:00"},
      {"0 0 1 jan *", "2026-01-01T00:00", "2027-01-01T00:00:00"},
      {"  0\t3  * * * ", "2026-11-30T03:00", "2026-12-01T03:00:00"},
      {"@hourly", "2026-11-30T03:00", "2026-11-30T04:00:00"},
      {"@daily", "2026-11-30T03:00", "2026-12-01T00:00:00"},
      {"@midnight", "2026-11-30T03:00", "2026-12-01T00:00:00"},
      {"@weekly", "2026-11-30T03:00", "2026-12-06T00:00:00"},
      {"@monthly", "2026-11-30T03:00", "2026-12-01T00:00:00"},
      {"@yearly", "2026-11-30T03:00", "2027-01-01T00:00:00"},
      {"@Annually", "2026-11-30T03:00", "2027-01-01T00:00:00"},
      {"@every 6h", "2026-11-30T06:00", "2026-11-30T12:00:00"},
      {"@every 90m", "2026-11-30T00:00:01", "2026-11-30T01:30:00"},
      {"@every 10s", "2026-11-30T00:00:19", "2026-11-30T00:00:20"},
  };
  for (const auto& [cron, after, expected] : cases) {
    EXPECT_EQ(next(cron, after), expected) << cron << " after " << after;
  }
}

TEST(Cron, FindsTheLastSlot) {
  EXPECT_EQ(last("0 3 * * *", "2026-11-30T03:00"), "2026-11-30T03:00:00");
  EXPECT_EQ(last("0 3 * * *", "2026-11-30T02:59:59"), "2026-11-29T03:00:00");
  EXPECT_EQ(last("0 0 29 2 *", "2026-11-30T00:00"), "2024-02-29T00:00:00");
  EXPECT_EQ(last("@every 6h", "2026-11-30T06:00"), "2026-11-30T06:00:00");
  EXPECT_EQ(last("@every 6h", "2026-11-30T05:59:59"), "2026-11-30T00:00:00");
}

TEST(Cron, TakesEitherDayIfBothAreRestricted) {
  EXPECT_EQ(next("0 0 13 * fri", "2026-11-08T00:00"), "2026-11-13T00:00:00");
  EXPECT_EQ(next("0 0 13 * fri", "2026-11-13T00:00"), "2026-11-20T00:00:00");
  EXPECT_EQ(next("0 0 13 * fri", "2026-12-12T00:00"), "2026-12-13T00:00:00");
  EXPECT_EQ(next("0 0 30 2 mon", "2026-11-30T00:00"), "2027-02-01T00:00:00");
}

TEST(Cron, TakesBothDaysIfOneBeginsWithAStar) {
  EXPECT_EQ(next("0 0 */10 * fri", "2026-11-30T00:00"), "2026-12-11T00:00:00");
  EXPECT_EQ(next("0 0 29 2 */6", "2026-11-30T00:00"), "2032-02-29T00:00:00");
}

TEST(Cron, RunsATimeThatComesTwiceOnce) {
  // In Berlin 02:30 of the 25th of October comes at 00:30 UTC and again at 01:30.
  EXPECT_EQ(next("30 2 * * *", "2026-10-24T12:00", "Europe/Berlin"), "2026-10-25T00:30:00");
  EXPECT_EQ(next("30 2 * * *", "2026-10-25T00:30", "Europe/Berlin"), "2026-10-26T01:30:00");
  EXPECT_EQ(next("30 2 * * *", "2026-10-25T01:10", "Europe/Berlin"), "2026-10-26T01:30:00");
  EXPECT_EQ(last("30 2 * * *", "2026-10-25T01:29", "Europe/Berlin"), "2026-10-25T00:30:00");
  EXPECT_EQ(next("*/20 * * * *", "2026-10-25T00:40", "Europe/Berlin"), "2026-10-25T02:00:00");
  EXPECT_EQ(next("15 1 * * *", "2026-11-01T00:00", "America/New_York"), "2026-11-01T05:15:00");
  EXPECT_EQ(next("15 1 * * *", "2026-11-01T05:15", "America/New_York"), "2026-11-02T06:15:00");
  // On Lord Howe 01:30 to 02:00 comes again half an hour later.
  EXPECT_EQ(next("45 1 * * *", "2026-04-04T00:00", "Australia/Lord_Howe"), "2026-04-04T14:45:00");
  EXPECT_EQ(next("45 1 * * *", "2026-04-04T14:45", "Australia/Lord_Howe"), "2026-04-05T15:15:00");
}

TEST(Cron, RunsATimeThatIsSkippedAfterTheGap) {
  // In Berlin the 29th of March has no time from 02:00 to 03:00.
  EXPECT_EQ(next("30 2 * * *", "2026-03-28T12:00", "Europe/Berlin"), "2026-03-29T01:00:00");
  EXPECT_EQ(next("30 2 * * *", "2026-03-29T01:00", "Europe/Berlin"), "2026-03-30T00:30:00");
  EXPECT_EQ(next("*/20 * * * *", "2026-03-29T00:40", "Europe/Berlin"), "2026-03-29T01:00:00");
  EXPECT_EQ(next("*/20 * * * *", "2026-03-29T01:00", "Europe/Berlin"), "2026-03-29T01:20:00");
  EXPECT_EQ(last("30 2 * * *", "2026-03-29T05:00", "Europe/Berlin"), "2026-03-29T01:00:00");
  EXPECT_EQ(next("15 2 * * *", "2026-10-03T00:00", "Australia/Lord_Howe"), "2026-10-03T15:30:00");
  EXPECT_EQ(next("15 2 * * *", "2026-10-03T15:30", "Australia/Lord_Howe"), "2026-10-04T15:15:00");
}

TEST(Cron, OfAnIntervalDoesNotCareAboutClocksThatChange) {
  EXPECT_EQ(next("@every 1h", "2026-10-25T01:00", "Europe/Berlin"), "2026-10-25T02:00:00");
}

TEST(Cron, ExplainsWhatIsWrong) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"0 0 3 * * *",
       "it has 6 fields and needs five: minute, hour, day of month, month, day of week; there are "
       "no seconds, so leave the first one out: '0 3 * * *'"},
      {"", "it has 0 fields and needs five: minute, hour, day of month, month, day of week"},
      {"3 * *", "it has 3 fields and needs five: minute, hour, day of month, month, day of week"},
      {"0 0 3 * * * 2026",
       "it has 7 fields and needs five: minute, hour, day of month, month, day of week"},
      {"60 * * * *", "the minute must be from 0 to 59, not '60'"},
      {"0 24 * * *", "the hour must be from 0 to 23, not '24'"},
      {"0 0 0 * *", "the day of month must be from 1 to 31, not '0'"},
      {"0 0 * 13 *", "the month must be from 1 to 12 or jan to dec, not '13'"},
      {"0 0 * * 8", "the day of week must be from 0 to 7 or sun to sat, not '8'"},
      {"0 0 * * monday", "the day of week must be from 0 to 7 or sun to sat, not 'monday'"},
      {"0 0 * * ?", "the day of week must be from 0 to 7 or sun to sat, not '?'"},
      {"0 0 L * *", "the day of month must be from 1 to 31, not 'L'"},
      {"-1 * * * *", "the minute must be from 0 to 59, not ''"},
      {"1.5 * * * *", "the minute must be from 0 to 59, not '1.5'"},
      {"99999999999 * * * *", "the minute must be from 0 to 59, not '99999999999'"},
      {"1, * * * *", "the minute must be from 0 to 59, not ''"},
      {"30-10 * * * *", "the minute '30-10' runs backwards; write two ranges with a comma"},
      {"0 22-4 * * *", "the hour '22-4' runs backwards; write two ranges with a comma"},
      {"*/0 * * * *", "the minute has the step '0'; write a number from 1"},
      {"*/x * * * *", "the minute has the step 'x'; write a number from 1"},
      {"*/90 * * * *", "the minute has the step 90, which is longer than its range"},
      {"5/15 * * * *", "the minute '5/15' has a step without a range; write 5-59/15"},
      {"0 0 30 2 *", "no month that it names has such a day"},
      {"0 0 31 4,6,9,11 *", "no month that it names has such a day"},
      {"@reboot", "the words are @hourly, @daily, @weekly, @monthly, @yearly and @every DURATION"},
      {"@daily 3", "the words are @hourly, @daily, @weekly, @monthly, @yearly and @every DURATION"},
      {"TZ=Europe/Berlin 0 3 * * *", "a time zone is an option of its own, time_zone"},
      {"@every", "@every wants a duration of whole seconds from 1s to 366d, such as @every 6h"},
      {"@every 0s", "@every wants a duration of whole seconds from 1s to 366d, such as @every 6h"},
      {"@every -6h", "@every wants a duration of whole seconds from 1s to 366d, such as @every 6h"},
      {"@every 1500ms",
       "@every wants a duration of whole seconds from 1s to 366d, such as @every 6h"},
      {"@every 367d",
       "@every wants a duration of whole seconds from 1s to 366d, such as @every 6h"},
  };
  for (const auto& [cron, reason] : cases) {
    EXPECT_EQ(refusal(cron), "'" + cron + "' is no schedule: " + reason);
  }
}

TEST(Cron, KeepsItsText) {
  EXPECT_EQ(Cron("0 3 * * MON").text(), "0 3 * * MON");
}

TEST(Zone, IsOneOfTheDatabase) {
  EXPECT_EQ(Zone("Europe/Berlin").name(), "Europe/Berlin");
  EXPECT_EQ(Zone().name(), "UTC");
  for (const char* name :
       {"Europe/Berln", "", "../etc/passwd", "/etc/localtime", "europe/berlin"}) {
    try {
      Zone zone{std::string_view(name)};
      ADD_FAILURE() << name;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(),
                  EndsWith("is no time zone; write a name such as Europe/Berlin or UTC"));
    }
  }
  EXPECT_THAT(zone_names(), testing::IsSupersetOf({"UTC", "Europe/Berlin", "Australia/Lord_Howe"}));
}

TEST(Zone, WritesTimesWithItsOffset) {
  EXPECT_EQ(Zone("Europe/Berlin").to_text(at("2026-11-30T02:00")), "2026-11-30T03:00:00+01:00");
  EXPECT_EQ(Zone("Europe/Berlin").to_text(at("2026-07-30T02:00")), "2026-07-30T04:00:00+02:00");
  EXPECT_EQ(Zone("America/St_Johns").to_text(at("2026-11-30T02:00")), "2026-11-29T22:30:00-03:30");
  EXPECT_EQ(Zone().to_text(at("2026-11-30T02:00")), "2026-11-30T02:00:00+00:00");
}

}  // namespace
}  // namespace keyrewind::policy
