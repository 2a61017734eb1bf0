#include "s3/variables.h"

#include <strings.h>

#include <algorithm>

namespace keyrewind::s3 {

std::string_view trimmed(std::string_view text) noexcept {
  constexpr std::string_view kBlanks = " \t\r\n";
  const std::size_t begin = std::min(text.find_first_not_of(kBlanks), text.size());
  text.remove_prefix(begin);
  return text.substr(0, text.find_last_not_of(kBlanks) + 1);
}

bool is_one_word(std::string_view text) noexcept {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

std::string Variables::get(const std::string& name) const {
  if (!lookup_) {
    return {};
  }
  const std::optional<std::string> value = lookup_(name);
  return value ? std::string(trimmed(*value)) : std::string();
}

bool Variables::is_true(const std::string& name) const {
  return strcasecmp(get(name).c_str(), "true") == 0;
}

std::string Variables::expand_home(std::string path) const {
  if (path.starts_with("~/") && has("HOME")) {
    path.replace(0, 1, get("HOME"));
  }
  return path;
}

}  // namespace keyrewind::s3
