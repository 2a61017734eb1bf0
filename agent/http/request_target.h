#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace keyrewind::http {

/// What the first line of a request asks for: "/api/v1/backups?label=a%3Db".
struct RequestTarget {
  std::vector<std::string> segments;  ///< Decoded; of "/" none. None is empty, "." or "..".
  std::vector<std::pair<std::string, std::string>> query;  ///< Decoded, in the order given.

  /// The value of the first parameter of that name.
  std::optional<std::string> parameter(std::string_view name) const;

  bool operator==(const RequestTarget&) const = default;
};

/// Reads a target in origin form. Nothing if it isn't one that means the same to everybody: longer
/// than kLongestTarget, an escape that is none, a control character or a slash that is escaped,
/// "//",
/// "." or ".." as a segment, bytes that are no UTF-8.
std::optional<RequestTarget> parse_request_target(std::string_view text);

inline constexpr std::size_t kLongestTarget = 4096;

}  // namespace keyrewind::http
