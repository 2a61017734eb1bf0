#include "codec/bech32.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

namespace keyrewind::codec {
namespace {

constexpr std::string_view kAlphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
constexpr std::size_t kChecksumDigits = 6;

bool is_lower(char c) {
  return c >= 'a' && c <= 'z';
}

bool is_upper(char c) {
  return c >= 'A' && c <= 'Z';
}

std::string to_lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    c = is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return lower;
}

/// One step of the checksum, a BCH code over GF(32): BIP 173, section "Checksum".
std::uint32_t step(std::uint32_t state, std::uint8_t digit) {
  constexpr std::array<std::uint32_t, 5> kGenerator = {0x3b6a57b2, 0x26508e6d, 0x1ea119fa,
                                                       0x3d4233dd, 0x2a1462b3};
  const std::uint32_t top = state >> 25U;
  state = (state & 0x1ffffffU) << 5U ^ digit;
  for (unsigned bit = 0; bit < kGenerator.size(); ++bit) {
    state ^= (top >> bit & 1U) != 0 ? kGenerator[bit] : 0;
  }
  return state;
}

std::uint32_t checksum(std::string_view prefix, const std::vector<std::uint8_t>& digits) {
  std::uint32_t state = 1;
  for (const char c : prefix) {
    state = step(state, static_cast<std::uint8_t>(static_cast<unsigned char>(c) >> 5U));
  }
  state = step(state, 0);
  for (const char c : prefix) {
    state = step(state, static_cast<std::uint8_t>(c & 31));
  }
  for (const std::uint8_t digit : digits) {
    state = step(state, digit);
  }
  return state;
}

/// Digits of five bits as bytes; nothing if what is left over is not zero, or a whole digit.
std::optional<Bytes> to_bytes(const std::vector<std::uint8_t>& digits) {
  Bytes bytes;
  std::uint32_t held = 0;
  unsigned bits = 0;
  for (const std::uint8_t digit : digits) {
    held = held << 5U | digit;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes.push_back(static_cast<std::byte>(held >> bits));
      held &= (1U << bits) - 1;
    }
  }
  if (bits >= 5 || held != 0) {
    return std::nullopt;
  }
  return bytes;
}

std::vector<std::uint8_t> to_digits(ByteView bytes) {
  std::vector<std::uint8_t> digits;
  std::uint32_t held = 0;
  unsigned bits = 0;
  for (const std::byte byte : bytes) {
    held = (held << 8U | std::to_integer<std::uint32_t>(byte)) & 0xfffU;
    for (bits += 8; bits >= 5;) {
      bits -= 5;
      digits.push_back(static_cast<std::uint8_t>(held >> bits & 31U));
    }
  }
  if (bits > 0) {
    digits.push_back(static_cast<std::uint8_t>(held << (5 - bits) & 31U));
  }
  return digits;
}

}  // namespace

std::optional<Bech32> decode_bech32(std::string_view text) {
  const std::size_t separator = text.rfind('1');
  if (separator == std::string_view::npos || separator == 0 ||
      text.size() - separator - 1 < kChecksumDigits ||
      (std::ranges::any_of(text, is_lower) && std::ranges::any_of(text, is_upper)) ||
      std::ranges::any_of(text, [](char c) { return c < '!' || c > '~'; })) {
    return std::nullopt;
  }
  const std::string lower = to_lower(text);
  std::vector<std::uint8_t> digits;
  for (const char c : std::string_view(lower).substr(separator + 1)) {
    const std::size_t digit = kAlphabet.find(c);
    if (digit == std::string_view::npos) {
      return std::nullopt;
    }
    digits.push_back(static_cast<std::uint8_t>(digit));
  }
  if (checksum(std::string_view(lower).substr(0, separator), digits) != 1) {
    return std::nullopt;
  }
  digits.resize(digits.size() - kChecksumDigits);
  std::optional<Bytes> data = to_bytes(digits);
  if (!data) {
    return std::nullopt;
  }
  return Bech32{std::string(text.substr(0, separator)), *std::move(data)};
}

std::string encode_bech32(std::string_view prefix, ByteView data) {
  std::vector<std::uint8_t> digits = to_digits(data);
  const std::size_t length = digits.size();
  digits.resize(length + kChecksumDigits);
  const std::uint32_t sum = checksum(prefix, digits) ^ 1U;
  for (std::size_t i = 0; i < kChecksumDigits; ++i) {
    digits[length + i] = static_cast<std::uint8_t>(sum >> (5 * (kChecksumDigits - 1 - i)) & 31U);
  }
  std::string text(prefix);
  text += '1';
  for (const std::uint8_t digit : digits) {
    text += kAlphabet[digit];
  }
  return text;
}

}  // namespace keyrewind::codec
