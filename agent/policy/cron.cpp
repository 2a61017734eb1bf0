#include "policy/cron.h"

#include "base/duration.h"
#include "base/error.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace keyrewind::policy {
namespace {

using std::chrono::days;
using std::chrono::floor;
using std::chrono::hours;
using std::chrono::local_days;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::string_view kEvery = "@every";
constexpr seconds kLongestEvery = days(366);

/// The 29th of February on a given weekday comes every 28 years, or 40 about the year 2100.
constexpr days kHorizon(366 * 48);

constexpr std::array<std::string_view, 12> kMonths{"jan", "feb", "mar", "apr", "may", "jun",
                                                   "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> kWeekdays{"sun", "mon", "tue", "wed",
                                                    "thu", "fri", "sat"};
constexpr std::array<unsigned, 12> kLongestMonths{31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

struct Field {
  std::string_view name;
  unsigned min;
  unsigned max;   ///< Of a number.
  unsigned last;  ///< Of a star.
  std::span<const std::string_view> words = {};
};

constexpr std::array<Field, 5> kFields{{{"minute", 0, 59, 59},
                                        {"hour", 0, 23, 23},
                                        {"day of month", 1, 31, 31},
                                        {"month", 1, 12, 12, kMonths},
                                        {"day of week", 0, 7, 6, kWeekdays}}};

constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kWords{
    {{"@hourly", "0 * * * *"},
     {"@daily", "0 0 * * *"},
     {"@midnight", "0 0 * * *"},
     {"@weekly", "0 0 * * 0"},
     {"@monthly", "0 0 1 * *"},
     {"@yearly", "0 0 1 1 *"},
     {"@annually", "0 0 1 1 *"}}};

std::string to_lower(std::string_view text) {
  std::string small(text);
  std::transform(small.begin(), small.end(), small.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return small;
}

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  while (true) {
    text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
    if (text.empty()) {
      return words;
    }
    words.push_back(text.substr(0, text.find_first_of(" \t")));
    text.remove_prefix(words.back().size());
  }
}

/// "6 fields", and which of them is too many.
std::string wrong_number_of_fields(const std::vector<std::string_view>& fields) {
  std::string message =
      fmt::format("it has {} fields and needs five: minute, hour, day of month, month, day of week",
                  fields.size());
  if (fields.size() == 6) {
    message += fmt::format("; there are no seconds, so leave the first one out: '{}'",
                           fmt::join(fields.begin() + 1, fields.end(), " "));
  }
  return message;
}

/// Reads one field into a set of bits. Throws Error(config) with the reason alone.
class FieldReader {
 public:
  explicit FieldReader(const Field& field) : field_(field) {}

  std::uint64_t read(std::string_view text) {
    std::uint64_t bits = 0;
    while (true) {
      const auto comma = text.find(',');
      bits |= read_range(text.substr(0, comma));
      if (comma == std::string_view::npos) {
        return bits;
      }
      text.remove_prefix(comma + 1);
    }
  }

 private:
  [[noreturn]] void refuse(const std::string& reason) const {
    throw Error(ErrorKind::config, fmt::format("the {} {}", field_.name, reason));
  }

  std::uint64_t read_range(std::string_view text) {
    const auto slash = text.find('/');
    const std::string_view range = text.substr(0, slash);
    const auto dash = range.find('-');
    unsigned first = field_.min;
    unsigned last = field_.last;
    if (range != "*") {
      first = read_value(range.substr(0, dash));
      last = dash == std::string_view::npos ? first : read_value(range.substr(dash + 1));
      if (last == 0 && first > 0 && field_.max == 7) {
        last = 7;  // "fri-sun": the week may end with a Sunday as well as begin with one.
      }
    }
    if (first > last) {
      refuse(fmt::format("'{}' runs backwards; write two ranges with a comma", range));
    }
    unsigned step = 1;
    if (slash != std::string_view::npos) {
      if (range != "*" && dash == std::string_view::npos) {
        refuse(fmt::format("'{}' has a step without a range; write {}-{}{}", text, first,
                           field_.last, text.substr(slash)));
      }
      step = read_step(text.substr(slash + 1), last - first);
    }
    return to_bits(first, last, step);
  }

  std::uint64_t to_bits(unsigned first, unsigned last, unsigned step) const {
    std::uint64_t bits = 0;
    for (unsigned value = first; value <= last; value += step) {
      bits |= std::uint64_t{1} << (field_.max == 7 && value == 7 ? 0 : value);
    }
    return bits;
  }

  unsigned read_step(std::string_view text, unsigned longest) const {
    const auto step = to_number(text);
    if (!step || *step == 0) {
      refuse(fmt::format("has the step '{}'; write a number from 1", text));
    }
    if (*step > std::max(longest, 1U)) {
      refuse(fmt::format("has the step {}, which is longer than its range", *step));
    }
    return *step;
  }

  unsigned read_value(std::string_view text) const {
    const auto word = std::find(field_.words.begin(), field_.words.end(), to_lower(text));
    if (word != field_.words.end()) {
      return field_.min + static_cast<unsigned>(word - field_.words.begin());
    }
    const auto number = to_number(text);
    if (!number || *number < field_.min || *number > field_.max) {
      const std::string names =
          field_.words.empty()
              ? std::string()
              : fmt::format(" or {} to {}", field_.words.front(), field_.words.back());
      refuse(fmt::format("must be from {} to {}{}, not '{}'", field_.min, field_.max, names, text));
    }
    return *number;
  }

  static std::optional<unsigned> to_number(std::string_view text) {
    unsigned number = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool is_whole = failure == std::errc() && end == text.data() + text.size();
    return is_whole ? std::optional(number) : std::nullopt;
  }

  const Field& field_;
};

seconds read_every(const std::vector<std::string_view>& words) {
  const auto span = words.size() == 2 ? parse_duration(words[1]) : std::nullopt;
  if (!span || *span % seconds(1) != seconds(0) || *span < seconds(1) || *span > kLongestEvery) {
    throw Error(ErrorKind::config,
                fmt::format("{} wants a duration of whole seconds from 1s to {}, such as {} 6h",
                            kEvery, to_duration(kLongestEvery), kEvery));
  }
  return std::chrono::duration_cast<seconds>(*span);
}

/// The five fields that `text` is or stands for.
std::vector<std::string_view> fields_of(std::string_view text) {
  std::vector<std::string_view> fields = words_of(text);
  if (!fields.empty() && fields.front().starts_with('@')) {
    const std::string name = to_lower(fields.front());
    const auto word = std::find_if(kWords.begin(), kWords.end(),
                                   [&](const auto& one) { return one.first == name; });
    if (word == kWords.end() || fields.size() != 1) {
      throw Error(ErrorKind::config,
                  "the words are @hourly, @daily, @weekly, @monthly, @yearly and @every DURATION");
    }
    return words_of(word->second);
  }
  if (!fields.empty() && fields.front().find('=') != std::string_view::npos) {
    throw Error(ErrorKind::config, "a time zone is an option of its own, time_zone");
  }
  if (fields.size() != kFields.size()) {
    throw Error(ErrorKind::config, wrong_number_of_fields(fields));
  }
  return fields;
}

bool has(std::uint64_t bits, unsigned index) {
  return (bits >> index & 1U) != 0;
}

/// Whether some month has some of the days.
bool comes(std::uint64_t all_months, std::uint64_t all_days) {
  for (unsigned month = 1; month <= kLongestMonths.size(); ++month) {
    const std::uint64_t of_month = (std::uint64_t{1} << (kLongestMonths[month - 1] + 1)) - 1;
    if (has(all_months, month) && (all_days & of_month) != 0) {
      return true;
    }
  }
  return false;
}

}  // namespace

Cron::Cron(std::string_view text) : text_(text) {
  try {
    const auto words = words_of(text);
    if (!words.empty() && to_lower(words.front()) == kEvery) {
      every_ = read_every(words);
      return;
    }
    const auto fields = fields_of(text);
    const std::array<std::uint64_t*, 5> sets{&minutes_, &hours_, &days_, &months_, &weekdays_};
    for (std::size_t i = 0; i < kFields.size(); ++i) {
      *sets[i] = FieldReader(kFields[i]).read(fields[i]);
    }
    either_day_ = !fields[2].starts_with('*') && !fields[4].starts_with('*');
    if (!either_day_ && !comes(months_, days_)) {
      throw Error(ErrorKind::config, "no month that it names has such a day");
    }
  } catch (const Error& error) {
    throw Error(error.kind(), fmt::format("'{}' is no schedule: {}", text, error.what()));
  }
}

Timestamp Cron::next_after(Timestamp time, const Zone& zone) const {
  if (every_ > seconds(0)) {
    const auto passed = floor<seconds>(time.time_since_epoch()) / every_ * every_;
    const auto slot = passed > time.time_since_epoch() ? passed : passed + every_;
    return Timestamp(slot);
  }
  const LocalTime from = zone.to_local(time);
  const auto first_day = floor<days>(from);
  for (local_days day = first_day; day <= first_day + kHorizon; day += days(1)) {
    if (!is_on(day)) {
      continue;
    }
    for (unsigned minute = 0; minute < 24 * 60; ++minute) {
      const LocalTime local = day + minutes(minute);
      if (has(hours_, minute / 60) && has(minutes_, minute % 60) && local >= from) {
        const Timestamp slot = zone.to_moment(local);
        if (slot > time) {
          return slot;
        }
      }
    }
  }
  throw Error(ErrorKind::internal, fmt::format("the schedule '{}' has no next run", text_));
}

Timestamp Cron::last_until(Timestamp time, const Zone& zone) const {
  if (every_ > seconds(0)) {
    return Timestamp(floor<seconds>(time.time_since_epoch()) / every_ * every_);
  }
  const auto last_day = floor<days>(zone.to_local(time)) + days(1);
  for (local_days day = last_day; day >= last_day - kHorizon; day -= days(1)) {
    if (!is_on(day)) {
      continue;
    }
    for (unsigned minute = 24 * 60; minute-- > 0;) {
      if (has(hours_, minute / 60) && has(minutes_, minute % 60)) {
        const Timestamp slot = zone.to_moment(day + minutes(minute));
        if (slot <= time) {
          return slot;
        }
      }
    }
  }
  throw Error(ErrorKind::internal, fmt::format("the schedule '{}' has no last run", text_));
}

bool Cron::is_on(local_days day) const {
  const std::chrono::year_month_day date(day);
  const std::chrono::weekday weekday(day);
  const bool day_fits = has(days_, static_cast<unsigned>(date.day()));
  const bool weekday_fits = has(weekdays_, weekday.c_encoding());
  const bool fits = either_day_ ? day_fits || weekday_fits : day_fits && weekday_fits;
  return fits && has(months_, static_cast<unsigned>(date.month()));
}

}  // namespace keyrewind::policy
