#include "api/call.h"

#include "base/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string_view>

namespace keyrewind::api {
namespace {

using nlohmann::ordered_json;

bool is_one_of(const std::string& name, std::initializer_list<const char*> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

std::optional<Timestamp> Call::time(const std::string& name) const {
  const auto text = request.target.parameter(name);
  if (!text) {
    return std::nullopt;
  }
  const auto time = from_rfc3339(*text);
  if (!time) {
    throw Error(ErrorKind::config,
                fmt::format("'{}' is no time; write it as 2026-11-20T13:02:21Z", name));
  }
  return time;
}

std::size_t Call::number(const std::string& name, std::size_t usual, std::size_t most) const {
  const auto text = request.target.parameter(name);
  if (!text) {
    return usual;
  }
  std::size_t number = 0;
  const auto [end, failure] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (failure != std::errc() || end != text->data() + text->size() || number == 0 ||
      number > most) {
    throw Error(ErrorKind::config, fmt::format("'{}' must be a number from 1 to {}", name, most));
  }
  return number;
}

void Call::allow_only(std::initializer_list<const char*> names) const {
  for (const auto& [name, value] : request.target.query) {
    if (!is_one_of(name, names)) {
      throw Error(ErrorKind::config, fmt::format("there is no parameter '{}'", name));
    }
  }
}

ordered_json Call::body(std::initializer_list<const char*> names) const {
  if (request.body.empty()) {
    return ordered_json::object();
  }
  auto json = ordered_json::parse(request.body, nullptr, false);
  if (!json.is_object()) {
    throw Error(ErrorKind::config, "the body is no JSON object");
  }
  for (const auto& [name, value] : json.items()) {
    if (!is_one_of(name, names)) {
      throw Error(ErrorKind::config, fmt::format("the body has no member '{}'", name));
    }
  }
  return json;
}

std::optional<std::string> text_member(const ordered_json& json, const std::string& name) {
  const auto found = json.find(name);
  if (found == json.end() || found->is_null()) {
    return std::nullopt;
  }
  if (!found->is_string()) {
    throw Error(ErrorKind::config, fmt::format("'{}' must be a text", name));
  }
  return found->get<std::string>();
}

std::optional<bool> flag_member(const ordered_json& json, const std::string& name) {
  const auto found = json.find(name);
  if (found == json.end()) {
    return std::nullopt;
  }
  if (!found->is_boolean()) {
    throw Error(ErrorKind::config, fmt::format("'{}' must be true or false", name));
  }
  return found->get<bool>();
}

}  // namespace keyrewind::api
