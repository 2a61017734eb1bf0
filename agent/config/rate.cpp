#include "config/rate.h"

#include "base/size.h"

#include <fmt/format.h>

namespace keyrewind::config {
namespace {

constexpr std::string_view kPerSecond = "/s";

}  // namespace

std::optional<std::uint64_t> parse_rate(std::string_view text) {
  if (text == "0") {
    return 0;
  }
  if (!text.ends_with(kPerSecond)) {
    return std::nullopt;
  }
  text.remove_suffix(kPerSecond.size());
  const bool has_unit = text.find_first_not_of("0123456789") != std::string_view::npos;
  return has_unit ? parse_size(text) : std::nullopt;
}

std::string to_rate(std::uint64_t bytes_per_second) {
  const std::string size = to_size(bytes_per_second);
  if (bytes_per_second == 0) {
    return size;
  }
  const bool has_unit = size.find_first_not_of("0123456789") != std::string::npos;
  return fmt::format("{}{}{}", size, has_unit ? "" : "B", kPerSecond);
}

}  // namespace keyrewind::config
