#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace keyrewind::replica {

/// A moment of a replication history: the state after exactly `offset` bytes under the id `replid`
/// (40 hexadecimal digits). The next byte wanted is number offset + 1.
struct Position {
  std::string replid;
  std::int64_t offset = 0;

  bool operator==(const Position&) const = default;
};

/// Whether `text` is 40 lower-case hexadecimal digits, as every server makes them.
bool is_replid(std::string_view text) noexcept;

}  // namespace keyrewind::replica
