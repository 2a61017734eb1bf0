#include "rdb/captured_string.h"

#include <liblzf/lzf.h>
#include <strings.h>

#include <algorithm>
#include <bit>
#include <cstring>

namespace keyrewind::rdb {
namespace {

template <typename Integer>
std::optional<std::string> integer_text(ByteView stored) {
  static_assert(std::endian::native == std::endian::little);
  Integer value = 0;
  if (stored.size() != sizeof value) {
    return std::nullopt;
  }
  std::memcpy(&value, stored.data(), sizeof value);
  return std::to_string(static_cast<int>(value));
}

/// LZF makes at most 264 bytes of three: a claim beyond that is wrong, and not worth the memory.
constexpr std::uint64_t kBestRatio = 264 / 3;

std::optional<std::string> inflate(ByteView stored, std::uint64_t inflated) {
  if (inflated > (stored.size() + 1) * kBestRatio || inflated == 0) {
    return std::nullopt;
  }
  std::string text(inflated, '\0');
  const unsigned got = lzf_decompress(stored.data(), static_cast<unsigned>(stored.size()),
                                      text.data(), static_cast<unsigned>(text.size()));
  if (got != text.size()) {
    return std::nullopt;
  }
  return text;
}

constexpr std::string_view kUnknownName = "?";

}  // namespace

std::optional<std::string> text_of(ByteView stored, Encoding encoding, std::uint64_t inflated,
                                   std::uint64_t longest) {
  switch (encoding) {
    case Encoding::raw:
      if (stored.size() > longest) {
        return std::nullopt;
      }
      return std::string(as_text(stored));
    case Encoding::int8:
      return integer_text<std::int8_t>(stored);
    case Encoding::int16:
      return integer_text<std::int16_t>(stored);
    case Encoding::int32:
      return integer_text<std::int32_t>(stored);
    case Encoding::lzf:
      if (inflated > longest) {
        return std::nullopt;
      }
      return inflate(stored, inflated);
    case Encoding::unknown:
      break;
  }
  return std::nullopt;
}

std::string library_name(std::string_view code) {
  constexpr std::string_view kBlanks = " \t\r";
  constexpr std::string_view kOption = "name=";
  constexpr std::size_t kLongestName = 256;
  std::string_view line = code.substr(0, code.find('\n'));
  if (!line.starts_with("#!")) {
    return std::string(kUnknownName);
  }
  while (!line.empty()) {
    const std::string_view word = line.substr(0, line.find_first_of(kBlanks));
    line.remove_prefix(std::min(word.size() + 1, line.size()));
    if (word.size() <= kOption.size() ||
        strncasecmp(word.data(), kOption.data(), kOption.size()) != 0) {
      continue;
    }
    std::string_view name = word.substr(kOption.size());
    if (name.size() > 2 && (name.front() == '"' || name.front() == '\'') &&
        name.back() == name.front()) {
      name = name.substr(1, name.size() - 2);
    }
    return std::string(name.size() <= kLongestName ? name : kUnknownName);
  }
  return std::string(kUnknownName);
}

std::string module_name(std::uint64_t id) {
  constexpr std::string_view kLetters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string name;
  for (unsigned shift = 58; shift >= 10; shift -= 6) {
    name.push_back(kLetters[id >> shift & 63U]);
  }
  return name;
}

}  // namespace keyrewind::rdb
