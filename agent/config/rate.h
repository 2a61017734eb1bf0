#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace keyrewind::config {

/// Reads a rate in bytes a second: a size as `parse_size` has it with "/s" behind it, or "0".
/// Nothing if the text is anything else: a bare number might mean anything.
std::optional<std::uint64_t> parse_rate(std::string_view text);

/// The rate in the form that `parse_rate` reads back: "50MiB/s", or "0".
std::string to_rate(std::uint64_t bytes_per_second);

}  // namespace keyrewind::config
