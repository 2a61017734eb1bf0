#include "config/values.h"

#include "base/duration.h"

#include <fmt/format.h>

namespace keyrewind::config {
namespace {

constexpr std::string_view kMask = "****";

Json map_of(std::string_view path, const Config& config) {
  Json map = Json::object();
  for (const Option* option : options_in(path)) {
    map[std::string(leaf_of(option->path))] = value_of(*option, config);
  }
  for (const Section* section : sections_in(path)) {
    map[std::string(leaf_of(section->path))] = map_of(section->path, config);
  }
  return map;
}

Json entries_of(const Option& list, const Config& config) {
  Json entries = Json::array();
  for (std::size_t index = 0; index < std::get<EntriesField>(list.field).count(config); ++index) {
    entries.push_back(map_of(entry_path(list, index), config));
  }
  return entries;
}

}  // namespace

Json value_of(const Option& option, const Config& config) {
  Config copy = config;
  switch (option.kind) {
    case Kind::text:
      return std::get<TextField>(option.field)(copy);
    case Kind::integer:
    case Kind::size:
    case Kind::rate:
      return std::get<IntegerField>(option.field)(copy);
    case Kind::percent:
      return fmt::format("{}%", std::get<IntegerField>(option.field)(copy));
    case Kind::duration:
      return to_duration(std::get<DurationField>(option.field)(copy));
    case Kind::boolean:
      return std::get<BooleanField>(option.field)(copy);
    case Kind::word:
      return option.words[std::get<WordField>(option.field).get(copy)];
    case Kind::secret:
      return std::get<SecretField>(option.field)(copy).empty() ? std::string_view() : kMask;
    case Kind::texts:
      return Json(std::get<TextsField>(option.field)(copy));
    case Kind::entries:
      return entries_of(option, config);
  }
  return nullptr;
}

std::string dump(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace keyrewind::config
