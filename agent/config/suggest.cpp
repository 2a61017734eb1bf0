#include "config/suggest.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace keyrewind::config {
namespace {

/// Longer words are not compared: no option is as long, and the time grows with the square.
constexpr std::size_t kMaxTyped = 64;
constexpr std::size_t kMaxShown = 80;

/// The most bytes of `text` that may be shown and end with a whole UTF-8 character.
std::size_t shown_size(std::string_view text) {
  if (text.size() <= kMaxShown) {
    return text.size();
  }
  std::size_t size = kMaxShown;
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80) {
    --size;
  }
  return size;
}

char small(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

}  // namespace

std::size_t edit_distance(std::string_view from, std::string_view to) {
  std::vector<std::vector<std::size_t>> cost(from.size() + 1,
                                             std::vector<std::size_t>(to.size() + 1));
  for (std::size_t i = 0; i <= from.size(); ++i) {
    for (std::size_t j = 0; j <= to.size(); ++j) {
      if (i == 0 || j == 0) {
        cost[i][j] = i + j;
        continue;
      }
      const std::size_t differs = small(from[i - 1]) == small(to[j - 1]) ? 0 : 1;
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + differs});
      const bool swapped = i > 1 && j > 1 && small(from[i - 1]) == small(to[j - 2]) &&
                           small(from[i - 2]) == small(to[j - 1]);
      if (swapped) {
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
      }
    }
  }
  return cost[from.size()][to.size()];
}

std::string_view nearest(std::string_view typed, std::span<const std::string_view> words) {
  std::string_view best;
  if (typed.size() > kMaxTyped) {
    return best;
  }
  // A third of the letters may be wrong; beyond that a suggestion is a guess.
  std::size_t best_distance = std::max<std::size_t>(1, (typed.size() + 1) / 3) + 1;
  for (const std::string_view word : words) {
    const std::size_t distance = edit_distance(typed, word);
    if (distance < best_distance) {
      best = word;
      best_distance = distance;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view typed, std::span<const std::string_view> words) {
  const std::string_view word = nearest(typed, words);
  return word.empty() ? std::string() : fmt::format("; did you mean '{}'?", word);
}

std::string in_quotes(std::string_view text) {
  std::string shown = "'";
  const std::size_t size = shown_size(text);
  for (const char c : text.substr(0, size)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      shown += fmt::format("\\x{:02x}", byte);
    } else {
      shown += c;
    }
  }
  if (text.size() > size) {
    shown += "…";
  }
  return shown + "'";
}

}  // namespace keyrewind::config
