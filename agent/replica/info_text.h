#pragma once

#include <algorithm>
#include <string_view>

namespace keyrewind::replica {

/// Calls `take(name, value)` for every "name:value" line of what INFO gives.
template <typename Take>
void for_each_info_field(std::string_view info, Take take) {
  while (!info.empty()) {
    const std::size_t end = std::min(info.find("\r\n"), info.size());
    const std::string_view line = info.substr(0, end);
    info.remove_prefix(std::min(end + 2, info.size()));
    if (const std::size_t colon = line.find(':'); colon != std::string_view::npos) {
      take(line.substr(0, colon), line.substr(colon + 1));
    }
  }
}

/// The value of `field` in what INFO gives; empty if it is not there.
inline std::string_view info_field(std::string_view info, std::string_view field) {
  std::string_view found;
  for_each_info_field(info, [&](std::string_view name, std::string_view value) {
    if (name == field) {
      found = value;
    }
  });
  return found;
}

}  // namespace keyrewind::replica
