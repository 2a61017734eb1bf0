#pragma once

#include "base/bytes.h"
#include "rdb/crc64.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace keyrewind::rdb::test {

/// Writes an RDB atom by atom, sound or not.
class RdbBuilder {
 public:
  explicit RdbBuilder(std::string_view magic = "REDIS0012") : rdb_(magic) {}

  RdbBuilder& byte(std::uint64_t value) {
    rdb_.push_back(static_cast<char>(value));
    return *this;
  }

  RdbBuilder& raw(std::string_view bytes) {
    rdb_ += bytes;
    return *this;
  }

  RdbBuilder& zeros(std::size_t count) {
    rdb_.append(count, '\0');
    return *this;
  }

  /// In the shortest form.
  RdbBuilder& length(std::uint64_t value) {
    if (value < 64) {
      return byte(value);
    }
    if (value < 16384) {
      return byte(0x40U | value >> 8U).byte(value & 0xffU);
    }
    const bool is_short = value <= 0xffffffffU;
    byte(is_short ? 0x80 : 0x81);
    for (unsigned shift = is_short ? 32 : 64; shift > 0; shift -= 8) {
      byte(value >> (shift - 8) & 0xffU);
    }
    return *this;
  }

  RdbBuilder& string(std::string_view text) { return length(text.size()).raw(text); }

  /// A type byte and the name of the key.
  RdbBuilder& key(unsigned type, std::string_view name = "k") { return byte(type).string(name); }

  RdbBuilder& database(std::uint64_t number) { return byte(254).length(number); }

  RdbBuilder& aux(std::string_view name, std::string_view value) {
    return byte(250).string(name).string(value);
  }

  /// The end record and the right checksum.
  std::string end() { return byte(255).sealed(); }

  /// The right checksum behind whatever there is.
  std::string sealed() { return sealed_with(crc64(as_bytes(rdb_))); }

  std::string sealed_with(std::uint64_t checksum) {
    std::string whole = rdb_;
    for (unsigned shift = 0; shift < 64; shift += 8) {
      whole.push_back(static_cast<char>(checksum >> shift & 0xffU));
    }
    return whole;
  }

 private:
  std::string rdb_;
};

}  // namespace keyrewind::rdb::test
