#include "base/size.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <limits>

namespace keyrewind {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t bytes;
};

constexpr std::uint64_t kKi = 1024;
constexpr std::uint64_t kMi = 1024 * kKi;
constexpr std::uint64_t kGi = 1024 * kMi;
constexpr std::uint64_t kTi = 1024 * kGi;
constexpr std::uint64_t kK = 1000;
constexpr std::uint64_t kM = 1000 * kK;
constexpr std::uint64_t kG = 1000 * kM;
constexpr std::uint64_t kT = 1000 * kG;

constexpr std::array<Unit, 15> kUnits{{{"", 1},
                                       {"B", 1},
                                       {"KiB", kKi},
                                       {"MiB", kMi},
                                       {"GiB", kGi},
                                       {"TiB", kTi},
                                       {"Ki", kKi},
                                       {"Mi", kMi},
                                       {"Gi", kGi},
                                       {"Ti", kTi},
                                       {"kB", kK},
                                       {"KB", kK},
                                       {"MB", kM},
                                       {"GB", kG},
                                       {"TB", kT}}};

}  // namespace

std::optional<std::uint64_t> parse_size(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc()) {
    return std::nullopt;
  }
  std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  if (!unit.empty() && unit.front() == ' ') {
    unit.remove_prefix(1);
  }
  for (const Unit& known : kUnits) {
    if (unit == known.name) {
      if (number > std::numeric_limits<std::uint64_t>::max() / known.bytes) {
        return std::nullopt;
      }
      return number * known.bytes;
    }
  }
  return std::nullopt;
}

std::string to_size(std::uint64_t bytes) {
  static constexpr std::array<std::string_view, 4> kNames{"TiB", "GiB", "MiB", "KiB"};
  std::uint64_t unit = kTi;
  for (const std::string_view name : kNames) {
    if (bytes != 0 && bytes % unit == 0) {
      return fmt::format("{}{}", bytes / unit, name);
    }
    unit /= kKi;
  }
  return std::to_string(bytes);
}

std::string to_human_size(std::uint64_t bytes) {
  static constexpr std::array<std::string_view, 5> kNames{"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1024.0 && unit + 1 < kNames.size()) {
    value /= 1024.0;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kNames[unit]);
}

}  // namespace keyrewind
