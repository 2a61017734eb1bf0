#pragma once

#include <string_view>

namespace keyrewind::cli {

/// Whether the pattern matches all of `text`, which may hold any bytes, by the rules of the
/// server's KEYS: `*` any bytes, `?` one, `[abc]` and `[a-c]` one of those, `[^a]` any other one,
/// and a backslash before what is meant literally. An unclosed bracket is closed at the end.
bool matches_glob(std::string_view pattern, std::string_view text) noexcept;

}  // namespace keyrewind::cli
