#pragma once

#include "base/clock.h"
#include "policy/zone.h"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace keyrewind::policy {

/// When something is to happen again and again: the slots of a schedule.
///
/// Written as the five fields of cron, minute, hour, day of month, month and day of week, each a
/// list of numbers, names and ranges with steps: "0 3 * * *", "*/15 8-18 * * mon-fri". Sunday is 0
/// or 7. If both days are restricted either is enough, as Vixie cron has it: "0 3 1 * mon" is the
/// first of the month and every Monday. Or as a word: @hourly, @daily, @weekly, @monthly, @yearly.
/// Or as "@every 6h": the multiples of that span since 1970 in UTC, so that a restart changes
/// nothing.
///
/// Fields are of local time. When clocks are set back and show a time twice, its slot is the first
/// one; a time that they skip has its slot at the moment after the gap. A value; thread-safe.
class Cron {
 public:
  /// Throws Error(config) that names what is wrong with `text`; dates that never come, such as the
  /// 30th of February, are wrong, too.
  explicit Cron(std::string_view text);

  /// As it was written.
  const std::string& text() const noexcept { return text_; }

  /// The first slot that is later than `time`.
  Timestamp next_after(Timestamp time, const Zone& zone) const;

  /// The last slot that is not later than `time`.
  Timestamp last_until(Timestamp time, const Zone& zone) const;

 private:
  bool is_on(std::chrono::local_days day) const;

  std::string text_;
  std::chrono::seconds every_{};  ///< Of @every; else 0, and the fields count.
  std::uint64_t minutes_ = 0;     ///< Bit n is minute n, and so on.
  std::uint64_t hours_ = 0;
  std::uint64_t days_ = 0;
  std::uint64_t months_ = 0;
  std::uint64_t weekdays_ = 0;  ///< Sunday is 0.
  bool either_day_ = false;     ///< Day of month and day of week are both restricted.
};

}  // namespace keyrewind::policy
