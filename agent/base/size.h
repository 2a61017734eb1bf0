#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace keyrewind {

/// Reads a size in bytes: a bare number, or one with KiB, MiB, GiB, TiB (or Ki, Mi, Gi, Ti) for
/// powers of 1024 or kB, KB, MB, GB, TB for powers of 1000. A fraction is not allowed.
/// Nothing if the text is anything else or does not fit in 64 bits.
std::optional<std::uint64_t> parse_size(std::string_view text);

/// The size in the form that `parse_size` reads back exactly: "64MiB", or "1000" in bytes.
std::string to_size(std::uint64_t bytes);

/// For people: "1.1 GiB", "512 B".
std::string to_human_size(std::uint64_t bytes);

}  // namespace keyrewind
