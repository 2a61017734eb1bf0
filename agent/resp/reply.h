#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace keyrewind::resp {

/// One reply of a server, RESP2.
struct Reply {
  enum class Kind { status, error, integer, text, nil, array };

  Kind kind = Kind::nil;
  std::string text;             ///< Of a status, an error (with its code word) or a bulk string.
  std::int64_t integer = 0;     ///< Of an integer.
  std::vector<Reply> elements;  ///< Of an array.

  bool operator==(const Reply&) const = default;

  bool is_error() const noexcept { return kind == Kind::error; }
  /// "NOPERM" of "NOPERM this user has no permissions …".
  std::string_view error_code() const noexcept;
  /// In an array of pairs, the value behind the text `key`; null if there is none.
  const Reply* find(std::string_view key) const noexcept;
};

}  // namespace keyrewind::resp
