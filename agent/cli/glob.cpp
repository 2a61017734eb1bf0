#include "cli/glob.h"

#include <algorithm>
#include <cstddef>

namespace keyrewind::cli {
namespace {

/// What one part of a pattern says of one byte, and how long that part is.
struct Part {
  std::size_t length;
  bool matches;
};

/// Takes one letter of a class, or of what a backslash stands before.
char take_letter(std::string_view pattern, std::size_t& at) {
  if (pattern[at] == '\\' && at + 1 < pattern.size()) {
    ++at;
  }
  return pattern[at++];
}

/// Whichever of the ends is the lower one.
bool is_between(char byte, char one, char other) {
  const auto value = static_cast<unsigned char>(byte);
  const auto low = static_cast<unsigned char>(one);
  const auto high = static_cast<unsigned char>(other);
  return std::min(low, high) <= value && value <= std::max(low, high);
}

/// "[…]" at the beginning of the pattern.
Part read_class(std::string_view pattern, char byte) {
  std::size_t at = 1;
  const bool is_negated = at < pattern.size() && pattern[at] == '^';
  at += is_negated ? 1 : 0;
  bool found = false;
  while (at < pattern.size() && pattern[at] != ']') {
    const char letter = take_letter(pattern, at);
    char last = letter;
    if (at + 1 < pattern.size() && pattern[at] == '-' && pattern[at + 1] != ']') {
      ++at;
      last = take_letter(pattern, at);
    }
    found = found || is_between(byte, letter, last);
  }
  return {std::min(at + 1, pattern.size()), found != is_negated};
}

/// The first part of the pattern, which is not empty and no star.
Part read_part(std::string_view pattern, char byte) {
  switch (pattern.front()) {
    case '?':
      return {1, true};
    case '[':
      return read_class(pattern, byte);
    default: {
      std::size_t at = 0;
      const char letter = take_letter(pattern, at);
      return {at, letter == byte};
    }
  }
}

}  // namespace

bool matches_glob(std::string_view pattern, std::string_view text) noexcept {
  // Only the last star ever has to take more: what stands before it has matched.
  std::string_view behind_star;
  std::string_view retry;
  bool has_star = false;
  while (true) {
    if (!pattern.empty() && pattern.front() == '*') {
      pattern.remove_prefix(1);
      has_star = true;
      behind_star = pattern;
      retry = text;
      continue;
    }
    if (pattern.empty() && text.empty()) {
      return true;
    }
    if (!pattern.empty() && !text.empty()) {
      const Part part = read_part(pattern, text.front());
      if (part.matches) {
        pattern.remove_prefix(part.length);
        text.remove_prefix(1);
        continue;
      }
    }
    if (!has_star || retry.empty()) {
      return false;
    }
    retry.remove_prefix(1);
    pattern = behind_star;
    text = retry;
  }
}

}  // namespace keyrewind::cli
