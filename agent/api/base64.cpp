#include "api/base64.h"

#include <cstdint>

namespace keyrewind::api {
namespace {

constexpr std::string_view kDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace

std::optional<std::string> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) {
    return std::nullopt;
  }
  std::size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') {
    ++padding;
  }
  const std::string_view digits = text.substr(0, text.size() - padding);
  std::string bytes;
  std::uint32_t bits = 0;
  int known = 0;
  for (const char letter : digits) {
    const std::size_t value = kDigits.find(letter);
    if (value == std::string_view::npos) {
      return std::nullopt;
    }
    bits = bits << 6U | static_cast<std::uint32_t>(value);
    known += 6;
    if (known >= 8) {
      known -= 8;
      bytes += static_cast<char>(bits >> static_cast<unsigned>(known) & 0xffU);
    }
  }
  // What is left over must be 0: there is one text for the same bytes.
  const bool is_canonical = (bits & ((1U << static_cast<unsigned>(known)) - 1U)) == 0;
  return is_canonical ? std::optional(bytes) : std::nullopt;
}

}  // namespace keyrewind::api
