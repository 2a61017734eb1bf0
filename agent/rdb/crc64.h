#pragma once

#include "base/bytes.h"

#include <cstdint>

namespace keyrewind::rdb {

/// The checksum at the end of an RDB: CRC-64/Jones, reflected, initial value and final xor 0 as
/// Redis uses it (src/crc64.c); crc64("123456789") is 0xe9c6d914c4b8d9ca. `crc` is that of the
/// bytes before.
std::uint64_t crc64(ByteView bytes, std::uint64_t crc = 0) noexcept;

}  // namespace keyrewind::rdb
