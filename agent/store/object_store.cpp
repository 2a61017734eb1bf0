#include "store/object_store.h"

#include <algorithm>
#include <string_view>

namespace keyrewind::store {
namespace {

bool is_name_character(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '=' || c == '-';
}

bool is_component(std::string_view component) noexcept {
  return !component.empty() && component != "." && component != ".." &&
         std::all_of(component.begin(), component.end(), is_name_character);
}

}  // namespace

bool is_valid_name(const std::string& name) noexcept {
  std::string_view rest = name;
  for (;;) {
    const std::size_t slash = rest.find('/');
    if (!is_component(rest.substr(0, slash))) {
      return false;
    }
    if (slash == std::string_view::npos) {
      return true;
    }
    rest.remove_prefix(slash + 1);
  }
}

}  // namespace keyrewind::store
