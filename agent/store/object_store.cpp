#include "store/object_store.h"

#include <algorithm>
#include <string_view>
#include <utility>

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

void ObjectStore::visit(const std::string& prefix, const TakeObject& take,
                        std::stop_token stop) const {
  for (const ObjectInfo& object : list(prefix, std::move(stop))) {
    take(object);
  }
}

void ObjectStore::remove_all(const std::vector<std::string>& names, std::stop_token stop) {
  for (const std::string& name : names) {
    remove(name, stop);
  }
}

bool ObjectStore::copy_within(const ObjectStore& /*from*/, const std::string& /*name*/,
                              std::stop_token /*stop*/) {
  return false;
}

ObjectStore::ConditionalWrites ObjectStore::conditional_writes(std::stop_token /*stop*/) {
  return {};
}

bool ObjectStore::can_read(const std::string& name) const {
  return !name.ends_with(kEncryptedSuffix);
}

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
