#include "aof/layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace keyrewind::aof {
namespace {

/// Letters that mean themselves without quotes, whatever the server does with the others.
bool is_plain(char letter) {
  constexpr std::string_view kSpecial = "\"'\\";
  return letter > ' ' && letter <= '~' && kSpecial.find(letter) == std::string_view::npos;
}

std::string escaped(char letter) {
  if (letter == '"' || letter == '\\') {
    return {'\\', letter};
  }
  if (letter >= ' ' && letter <= '~') {
    return {letter};
  }
  return fmt::format("\\x{:02x}", static_cast<unsigned char>(letter));
}

std::string quoted(std::string_view name) {
  if (!name.empty() && std::ranges::all_of(name, is_plain)) {
    return std::string(name);
  }
  std::string text = "\"";
  for (const char letter : name) {
    text += escaped(letter);
  }
  return text + '"';
}

}  // namespace

std::string manifest_of(const Names& names) {
  return fmt::format(
      "file {} seq 1 type b\n"
      "file {} seq 1 type i\n",
      quoted(names.base_file()), quoted(names.increment_file()));
}

}  // namespace keyrewind::aof
