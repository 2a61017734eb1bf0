#include "base/error.h"
#include "policy/cron.h"
#include "times.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <stdlib.h>
#include <time.h>

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace keyrewind::policy {
namespace {

using std::chrono::minutes;

/// What a field of a cron means, and how it is written.
struct RandomField {
  std::string text;
  std::set<int> values;
};

/// A cron that is made together with what it means, so that nothing has to read it.
struct RandomCron {
  std::string text;
  std::set<int> minutes, hours, days, months, weekdays;
  bool either_day = false;

  bool has(const tm& wall) const {
    const bool day = days.contains(wall.tm_mday);
    const bool weekday = weekdays.contains(wall.tm_wday);
    return minutes.contains(wall.tm_min) && hours.contains(wall.tm_hour) &&
           months.contains(wall.tm_mon + 1) && (either_day ? day || weekday : day && weekday);
  }
};

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}

  int from(int min, int max) { return std::uniform_int_distribution<int>(min, max)(engine_); }

  RandomField field(int min, int max, bool dense) {
    RandomField field;
    const int kind = from(0, dense ? 2 : 5);
    if (kind <= 1) {
      const int step = kind == 0 ? 1 : from(1, max - min);
      field.text = step == 1 ? "*" : fmt::format("*/{}", step);
      add(field, min, max, step);
      return field;
    }
    for (int parts = from(1, 3); parts > 0; --parts) {
      const int first = from(min, max);
      const int last = from(first, max);
      const int step = from(1, std::max(1, last - first));
      const bool is_range = from(0, 1) == 1;
      field.text += field.text.empty() ? "" : ",";
      field.text += is_range ? fmt::format("{}-{}/{}", first, last, step) : std::to_string(first);
      add(field, first, is_range ? last : first, step);
    }
    return field;
  }

  RandomCron cron() {
    const RandomField minute = field(0, 59, false);
    const RandomField hour = field(0, 23, from(0, 2) > 0);
    const RandomField day = from(0, 1) == 0 ? field(1, 31, false) : RandomField{"*", all(1, 31)};
    const RandomField month = from(0, 3) == 0 ? field(1, 12, false) : RandomField{"*", all(1, 12)};
    const RandomField weekday = from(0, 1) == 0 ? field(0, 6, false) : RandomField{"*", all(0, 6)};
    return {.text = fmt::format("{} {} {} {} {}", minute.text, hour.text, day.text, month.text,
                                weekday.text),
            .minutes = minute.values,
            .hours = hour.values,
            .days = day.values,
            .months = month.values,
            .weekdays = weekday.values,
            .either_day = day.text[0] != '*' && weekday.text[0] != '*'};
  }

 private:
  static void add(RandomField& field, int first, int last, int step) {
    for (int value = first; value <= last; value += step) {
      field.values.insert(value);
    }
  }

  static std::set<int> all(int first, int last) {
    RandomField field;
    add(field, first, last, 1);
    return field.values;
  }

  std::mt19937 engine_;
};

/// The wall clock of a zone, minute by minute, as the C library has it.
class Wall {
 public:
  Wall(const std::string& zone, Timestamp from, Timestamp until) {
    ::setenv("TZ", zone.c_str(), 1);
    ::tzset();
    for (Timestamp time = from; time < until; time += minutes(1)) {
      const time_t seconds =
          std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
      tm wall{};
      ::localtime_r(&seconds, &wall);
      first_.emplace(minute_of(wall), time);
    }
    ::unsetenv("TZ");
    ::tzset();
  }

  /// Every slot: of each minute that a calendar has, shown or not.
  std::set<Timestamp> slots(const RandomCron& cron) const {
    std::set<Timestamp> slots;
    for (time_t minute = first_.begin()->first; minute <= first_.rbegin()->first; ++minute) {
      const time_t seconds = minute * 60;
      tm wall{};
      ::gmtime_r(&seconds, &wall);
      if (cron.has(wall)) {
        slots.insert(first_.lower_bound(minute)->second);
      }
    }
    return slots;
  }

 private:
  /// As if it were UTC.
  static time_t minute_of(tm wall) { return ::timegm(&wall) / 60; }

  std::map<time_t, Timestamp> first_;  ///< Minute on the wall → when it is first shown.
};

struct Change {
  const char* zone;
  const char* from;
  const char* until;
};

/// Days around changes of the clocks, and the turn of a year without any.
constexpr Change kChanges[] = {
    {"Europe/Berlin", "2026-03-27T00:00", "2026-03-31T00:00"},
    {"Europe/Berlin", "2026-10-23T00:00", "2026-10-27T00:00"},
    {"America/New_York", "2026-03-06T00:00", "2026-03-10T00:00"},
    {"America/New_York", "2026-10-30T00:00", "2026-11-03T00:00"},
    {"Australia/Lord_Howe", "2026-04-03T00:00", "2026-04-07T00:00"},
    {"Australia/Lord_Howe", "2026-10-02T00:00", "2026-10-06T00:00"},
    {"Pacific/Apia", "2011-12-28T00:00", "2012-01-02T00:00"},
    {"UTC", "2027-12-29T00:00", "2028-01-02T00:00"},
};

class CronOracle : public testing::TestWithParam<Change> {};

TEST_P(CronOracle, AgreesMinuteByMinute) {
  const Timestamp from = at(GetParam().from);
  const Timestamp until = at(GetParam().until);
  const Zone zone(GetParam().zone);
  // Slots before and behind are none of the question, but decide what a gap at the edge is.
  const Wall wall(GetParam().zone, from - std::chrono::hours(26), until + std::chrono::hours(26));
  std::size_t compared = 0;
  for (unsigned seed = 1; seed <= 150; ++seed) {
    const RandomCron random = Random(seed).cron();
    std::optional<Cron> cron;
    try {
      cron.emplace(random.text);
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), testing::HasSubstr("no month that it names has such a day"));
      continue;
    }
    const std::set<Timestamp> slots = wall.slots(random);
    std::vector<Timestamp> expected(slots.lower_bound(from), slots.lower_bound(until));
    compared += expected.size();

    std::vector<Timestamp> found;
    for (Timestamp slot = cron->next_after(from - std::chrono::milliseconds(1), zone); slot < until;
         slot = cron->next_after(slot, zone)) {
      found.push_back(slot);
    }

    ASSERT_EQ(found, expected) << "seed " << seed << ": " << random.text;
    Random times(seed);
    for (int i = 0; i < 20 && !expected.empty(); ++i) {
      const Timestamp time =
          expected.front() +
          minutes(times.from(0, static_cast<int>((until - expected.front()) / minutes(1)) - 1));
      const auto after = std::upper_bound(expected.begin(), expected.end(), time);
      ASSERT_EQ(cron->last_until(time, zone), *(after - 1))
          << "seed " << seed << ": " << random.text << " until " << to_rfc3339(time);
    }
  }
  EXPECT_GT(compared, 1000U);
}

INSTANTIATE_TEST_SUITE_P(Zones, CronOracle, testing::ValuesIn(kChanges), [](const auto& one) {
  std::string name =
      fmt::format("{}_{}", one.param.zone, std::string(one.param.from).substr(0, 10));
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '/' || c == '-'; }, '_');
  return name;
});

}  // namespace
}  // namespace keyrewind::policy
