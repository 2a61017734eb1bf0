#pragma once

#include <cstddef>
#include <cstdint>

/// The two variable-sized atoms of an RDB (protocol.md 5.2), read from contiguous memory.
///
///   length = 00xxxxxx | 01xxxxxx byte | 0x80 4 bytes BE | 0x81 8 bytes BE
///   string = length bytes | 0xc0 1 byte | 0xc1 2 bytes LE | 0xc2 4 bytes LE
///          | 0xc3 length(stored) length(inflated) bytes
namespace keyrewind::rdb {

/// The longest head of a string: 0xc3 and two lengths of nine bytes.
inline constexpr std::ptrdiff_t kLongestAtom = 19;

struct Length {
  std::uint64_t value = 0;  ///< Any value is legal, 2^64-1 included.
  std::uint8_t size = 0;    ///< Of its encoding; 0 if it does not end before `end`.
  bool valid = true;
};

enum class Encoding : std::uint8_t { raw, int8, int16, int32, lzf, unknown };

/// What precedes the bytes of a string.
struct StringHead {
  std::uint64_t stored = 0;    ///< How many bytes follow the head.
  std::uint64_t inflated = 0;  ///< Of Encoding::lzf: the length of the text.
  std::uint8_t size = 0;       ///< Of the head; 0 if it does not end before `end`.
  Encoding encoding = Encoding::raw;
};

inline std::uint64_t read_big_endian(const unsigned char* at, int size) noexcept {
  std::uint64_t value = 0;
  for (int i = 0; i < size; ++i) {
    value = value << 8U | at[i];
  }
  return value;
}

/// `at` is before `end`.
inline Length read_length(const unsigned char* at, const unsigned char* end) noexcept {
  const unsigned first = *at;
  const std::ptrdiff_t there = end - at;
  if (first < 0x40) {
    return {.value = first, .size = 1};
  }
  if (first < 0x80) {
    return there < 2 ? Length{} : Length{.value = (first & 0x3fU) << 8U | at[1], .size = 2};
  }
  if (first == 0x80) {
    return there < 5 ? Length{} : Length{.value = read_big_endian(at + 1, 4), .size = 5};
  }
  if (first == 0x81) {
    return there < 9 ? Length{} : Length{.value = read_big_endian(at + 1, 8), .size = 9};
  }
  return {.value = 0, .size = 1, .valid = false};
}

/// `at` is before `end`.
inline StringHead read_string_head(const unsigned char* at, const unsigned char* end) noexcept {
  switch (*at) {
    case 0xc0:
      return {.stored = 1, .size = 1, .encoding = Encoding::int8};
    case 0xc1:
      return {.stored = 2, .size = 1, .encoding = Encoding::int16};
    case 0xc2:
      return {.stored = 4, .size = 1, .encoding = Encoding::int32};
    case 0xc3:
      break;
    default: {
      const Length length = read_length(at, end);
      return {.stored = length.value,
              .size = length.size,
              .encoding = length.valid ? Encoding::raw : Encoding::unknown};
    }
  }
  if (end - at < 2) {
    return {};
  }
  const Length stored = read_length(at + 1, end);
  if (stored.size == 0 || end - at - 1 <= stored.size) {
    return stored.valid ? StringHead{} : StringHead{.size = 1, .encoding = Encoding::unknown};
  }
  const Length inflated = read_length(at + 1 + stored.size, end);
  if (!stored.valid || !inflated.valid) {
    return {.size = 1, .encoding = Encoding::unknown};
  }
  if (inflated.size == 0) {
    return {};
  }
  return {.stored = stored.value,
          .inflated = inflated.value,
          .size = static_cast<std::uint8_t>(1 + stored.size + inflated.size),
          .encoding = Encoding::lzf};
}

}  // namespace keyrewind::rdb
