#include "s3/http_date.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <string_view>

namespace keyrewind::s3 {

std::optional<Timestamp> from_http_date(const std::string& text) {
  constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  constexpr std::size_t kLength = 29;
  std::array<char, 4> month_name{};
  unsigned day = 0;
  int year = 0;
  int hour = 0;
  int minute = 0;
  int second = 0;
  if (text.size() != kLength || !text.ends_with(" GMT") ||
      std::sscanf(text.c_str() + 4, " %2u %3s %4d %2d:%2d:%2d", &day, month_name.data(), &year,
                  &hour, &minute, &second) != 6) {
    return std::nullopt;
  }
  const auto month = std::find(kMonths.begin(), kMonths.end(), std::string_view(month_name.data()));
  const std::chrono::year_month_day date{
      std::chrono::year(year),
      std::chrono::month(static_cast<unsigned>(month - kMonths.begin()) + 1),
      std::chrono::day(day)};
  if (!date.ok() || hour > 23 || minute > 59 || second > 60) {
    return std::nullopt;
  }
  return std::chrono::sys_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
         std::chrono::seconds(second);
}

}  // namespace keyrewind::s3
