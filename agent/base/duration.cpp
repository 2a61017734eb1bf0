#include "base/duration.h"

#include <array>
#include <charconv>
#include <cstdint>

namespace keyrewind {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t milliseconds;
};

// Largest first, as they are written.
constexpr std::array<Unit, 5> kUnits{
    {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}, {"ms", 1}}};

std::string_view take_letters(std::string_view& text) {
  std::size_t size = 0;
  while (size < text.size() && text[size] >= 'a' && text[size] <= 'z') {
    ++size;
  }
  const std::string_view letters = text.substr(0, size);
  text.remove_prefix(size);
  return letters;
}

}  // namespace

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  if (text.empty()) {
    return std::nullopt;
  }
  std::int64_t total = 0;
  std::size_t next_unit = 0;
  while (!text.empty()) {
    std::uint64_t number = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (failure != std::errc()) {
      return std::nullopt;
    }
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    const std::string_view name = take_letters(text);
    while (next_unit < kUnits.size() && kUnits[next_unit].name != name) {
      ++next_unit;
    }
    if (next_unit == kUnits.size()) {
      return std::nullopt;
    }
    const std::int64_t unit = kUnits[next_unit++].milliseconds;
    const std::int64_t left = kLongestDuration.count() - total;
    if (number > static_cast<std::uint64_t>(left / unit)) {
      return std::nullopt;
    }
    total += static_cast<std::int64_t>(number) * unit;
  }
  return std::chrono::milliseconds(total);
}

std::string to_duration(std::chrono::milliseconds duration) {
  std::int64_t left = duration.count();
  std::string text;
  for (const Unit& unit : kUnits) {
    if (left >= unit.milliseconds) {
      text += std::to_string(left / unit.milliseconds);
      text += unit.name;
      left %= unit.milliseconds;
    }
  }
  return text.empty() ? "0s" : text;
}

}  // namespace keyrewind
