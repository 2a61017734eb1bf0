#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace keyrewind {

/// Reads a span of time: whole numbers, each with its unit d, h, m, s or ms, larger units first and
/// none twice, such as "10s", "1h30m" or "250ms". Nothing if the text is anything else or longer
/// than kLongestDuration.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

/// The span in the form that `parse_duration` reads back exactly: "1h30m", "0s". `duration` must
/// not be negative.
std::string to_duration(std::chrono::milliseconds duration);

/// About a thousand years: it can be added to any time of day without overflow.
inline constexpr std::chrono::milliseconds kLongestDuration = std::chrono::days(366'000);

}  // namespace keyrewind
