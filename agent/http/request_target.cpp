#include "http/request_target.h"

#include <algorithm>
#include <cstddef>

namespace keyrewind::http {
namespace {

int hex_value(char letter) {
  if (letter >= '0' && letter <= '9') {
    return letter - '0';
  }
  const char lower = static_cast<char>(letter | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool is_control(char letter) {
  const auto byte = static_cast<unsigned char>(letter);
  return byte < 0x20 || byte == 0x7f;
}

/// The length of the UTF-8 sequence at the beginning of `text`, or 0 if there is none.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  if (byte(0) < 0x80) {
    return 1;
  }
  const std::size_t length = byte(0) >= 0xc2 && byte(0) <= 0xdf   ? 2
                             : byte(0) >= 0xe0 && byte(0) <= 0xef ? 3
                             : byte(0) >= 0xf0 && byte(0) <= 0xf4 ? 4
                                                                  : 0;
  if (length == 0 || text.size() < length) {
    return 0;
  }
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0U) != 0x80U) {
      return 0;
    }
  }
  const bool overlong = (byte(0) == 0xe0 && byte(1) < 0xa0) || (byte(0) == 0xf0 && byte(1) < 0x90);
  const bool surrogate = byte(0) == 0xed && byte(1) > 0x9f;
  const bool too_large = byte(0) == 0xf4 && byte(1) > 0x8f;
  return overlong || surrogate || too_large ? 0 : length;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0) {
      return false;
    }
    text.remove_prefix(length);
  }
  return true;
}

/// `plus` is what a plus sign stands for: itself in a path, a space in a query.
std::optional<std::string> decode(std::string_view text, char plus) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    char letter = text[i] == '+' ? plus : text[i];
    if (text[i] == '%') {
      const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
      if (high < 0 || low < 0) {
        return std::nullopt;
      }
      letter = static_cast<char>(high * 16 + low);
      i += 2;
    }
    if (is_control(letter)) {
      return std::nullopt;
    }
    decoded += letter;
  }
  return is_utf8(decoded) ? std::optional(decoded) : std::nullopt;
}

/// The text up to `letter`, which is taken off `text` with it.
std::string_view take_until(std::string_view& text, char letter) {
  const std::size_t end = std::min(text.find(letter), text.size());
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return part;
}

bool read_path(std::string_view path, std::vector<std::string>& segments) {
  if (path == "/") {
    return true;
  }
  path.remove_prefix(1);
  while (true) {
    const bool is_last = path.find('/') == std::string_view::npos;
    const auto segment = decode(take_until(path, '/'), '+');
    if (!segment || segment->empty() || *segment == "." || *segment == ".." ||
        segment->find_first_of("/\\") != std::string::npos) {
      return false;
    }
    segments.push_back(*segment);
    if (is_last) {
      return true;
    }
  }
}

bool read_query(std::string_view text, std::vector<std::pair<std::string, std::string>>& query) {
  while (!text.empty()) {
    std::string_view value = take_until(text, '&');
    if (value.empty()) {
      continue;
    }
    auto name = decode(take_until(value, '='), ' ');
    auto decoded = decode(value, ' ');
    if (!name || !decoded) {
      return false;
    }
    query.emplace_back(std::move(*name), std::move(*decoded));
  }
  return true;
}

}  // namespace

std::optional<std::string> RequestTarget::parameter(std::string_view name) const {
  const auto found = std::find_if(query.begin(), query.end(),
                                  [&](const auto& entry) { return entry.first == name; });
  return found == query.end() ? std::nullopt : std::optional(found->second);
}

std::optional<RequestTarget> parse_request_target(std::string_view text) {
  if (text.empty() || text.front() != '/' || text.size() > kLongestTarget) {
    return std::nullopt;
  }
  RequestTarget target;
  const std::string_view path = take_until(text, '?');
  if (!read_path(path, target.segments) || !read_query(text, target.query)) {
    return std::nullopt;
  }
  return target;
}

}  // namespace keyrewind::http
