#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace keyrewind::rdb {

/// What kind of value a key has, as `TYPE` would say it. Written to the manifest by name.
enum class ValueType { string, list, set, zset, hash, stream, module };
inline constexpr std::size_t kValueTypes = 7;
std::string_view to_string(ValueType type) noexcept;
std::optional<ValueType> value_type_from(std::string_view name) noexcept;

/// What one database holds.
struct DatabaseCounts {
  std::uint64_t keys = 0;
  std::uint64_t keys_with_ttl = 0;
  std::array<std::uint64_t, kValueTypes> by_type{};  ///< Indexed by ValueType.

  bool operator==(const DatabaseCounts&) const = default;
};

/// How the trailing checksum of an RDB came out.
enum class Checksum {
  valid,   ///< It is there and right.
  absent,  ///< The server wrote 0: `rdbchecksum no`.
};

/// What a scan learned about one RDB.
struct Summary {
  std::string magic;        ///< "REDIS" or "VALKEY".
  int version = 0;          ///< 10, 11, 12 or 80 (protocol.md 5.1).
  std::uint64_t bytes = 0;  ///< All of it, checksum included.
  std::uint64_t crc64 = 0;  ///< Computed over all but the last 8 bytes.
  Checksum checksum = Checksum::absent;

  /// Why the structure could not be followed, "" if it could. If not empty, the counts below are
  /// those up to that point and worth nothing; bytes, crc64 and checksum still hold.
  std::string opaque_reason;

  std::map<std::uint64_t, DatabaseCounts> databases;  ///< Only those with keys.
  std::map<std::string, std::string> aux;  ///< "redis-ver" → "7.0.15"; at most 64, short ones.
  /// Names of the function libraries, at most 4096; "?" for one whose code does not say.
  std::vector<std::string> functions;
  /// Module type name → keys of it; 0 if there is only auxiliary data. More than 256 are "?".
  std::map<std::string, std::uint64_t> modules;
  std::uint64_t hashes_with_field_ttl = 0;
  int highest_type = 0;  ///< The highest value type byte that occurred.

  bool operator==(const Summary&) const = default;

  bool opaque() const noexcept { return !opaque_reason.empty(); }
  std::uint64_t keys() const noexcept;
  std::uint64_t keys_with_ttl() const noexcept;
  /// Over all databases.
  std::array<std::uint64_t, kValueTypes> by_type() const noexcept;
};

}  // namespace keyrewind::rdb
