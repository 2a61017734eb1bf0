#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace keyrewind {

/// A moment of wall-clock time in UTC, to the millisecond.
using Timestamp = std::chrono::sys_time<std::chrono::milliseconds>;

/// Where the time of day comes from: the system, or a test.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Timestamp now() const = 0;
};

/// The machine's clock. It may jump either way; nothing may rely on its order.
class SystemClock final : public Clock {
 public:
  Timestamp now() const override;
};

/// RFC 3339 in UTC with milliseconds: "2026-11-20T13:02:21.123Z".
std::string to_rfc3339(Timestamp time);

/// Reads what `to_rfc3339` writes, with or without a fraction. Nothing if it is anything else.
std::optional<Timestamp> from_rfc3339(std::string_view text);

/// "20261120T130221Z", for names that sort by time.
std::string to_compact(Timestamp time);

/// "1h 02m", "2m 05s" or "0.4s": at most two units, for people.
std::string to_human(std::chrono::milliseconds duration);

}  // namespace keyrewind
