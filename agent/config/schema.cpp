#include "base/size.h"
#include "config/load.h"
#include "config/values.h"

#include <algorithm>
#include <limits>

namespace keyrewind::config {
namespace {

/// What a value that holds a variable looks like.
constexpr std::string_view kHasVariable = R"(\$\{)";
constexpr std::string_view kSizePattern =
    "^[0-9]+ ?(B|KiB|MiB|GiB|TiB|Ki|Mi|Gi|Ti|kB|KB|MB|GB|TB)?$";
constexpr std::string_view kRatePattern =
    "^0$|^[0-9]+ ?(B|KiB|MiB|GiB|TiB|Ki|Mi|Gi|Ti|kB|KB|MB|GB|TB)/s$";
// As parse_duration has it: at least one unit, larger ones first.
constexpr std::string_view kDurationPattern =
    "^(?=[0-9])([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$";
constexpr std::string_view kPercentPattern = "^(0|[1-9][0-9]?|100)%$";
constexpr std::string_view kEmptyOrVariable = R"(^$|\$\{)";

Json integer_schema(const Option& option) {
  Json schema{{"type", "integer"}, {"minimum", option.zero_is_none ? 0 : option.min}};
  if (option.max != std::numeric_limits<std::uint64_t>::max()) {
    schema["maximum"] = option.max;
  }
  return schema;
}

Json text_schema(std::string_view pattern) {
  return {{"type", "string"}, {"pattern", pattern}};
}

Json list_schema() {
  return {{"type", "array"}, {"items", {{"type", "string"}, {"minLength", 1}}}};
}

Json map_schema(std::string_view path);

/// What the value itself must be; a text with a variable is allowed beside it.
Json value_schema(const Option& option) {
  switch (option.kind) {
    case Kind::text:
      if (!option.pattern.empty()) {
        return {{"anyOf", {text_schema(option.pattern), text_schema(kHasVariable)}}};
      }
      return option.required ? Json{{"type", "string"}, {"minLength", 1}}
                             : Json{{"type", "string"}};
    case Kind::integer:
      return {{"anyOf", {integer_schema(option), text_schema(kHasVariable)}}};
    case Kind::percent:
      return {{"anyOf", {text_schema(kPercentPattern), text_schema(kHasVariable)}}};
    case Kind::size:
      return {{"anyOf",
               {integer_schema(option), text_schema(kSizePattern), text_schema(kHasVariable)}}};
    case Kind::duration:
      return {{"anyOf", {text_schema(kDurationPattern), text_schema(kHasVariable)}}};
    case Kind::boolean:
      return {{"anyOf", {Json{{"type", "boolean"}}, text_schema(kHasVariable)}}};
    case Kind::texts:
      return {{"anyOf", {list_schema(), text_schema(kHasVariable)}}};
    case Kind::rate:
      return {
          {"anyOf", {Json{{"const", 0}}, text_schema(kRatePattern), text_schema(kHasVariable)}}};
    case Kind::entries:
      return {{"type", {"array", "null"}},
              {"maxItems", kMaxEntries},
              {"items", map_schema(entry_path(option, 0))}};
    case Kind::word:
      return {{"anyOf", {Json{{"enum", option.words}}, text_schema(kHasVariable)}}};
    case Kind::secret:
      return option.may_be_literal ? Json{{"type", "string"}} : text_schema(kEmptyOrVariable);
  }
  return Json::object();
}

Json example_of(const Option& option) {
  if (option.kind == Kind::texts) {
    return Json::array({option.example});
  }
  if (option.kind == Kind::entries) {
    return Json::parse(option.example);
  }
  const bool is_literal = option.kind == Kind::integer || option.kind == Kind::boolean;
  return is_literal ? Json::parse(option.example) : Json(option.example);
}

Json option_schema(const Option& option) {
  Json schema{{"description", option.description}};
  schema.update(value_schema(option));
  if (!option.required) {
    const Json value = value_of(option, Config());
    schema["default"] =
        option.kind == Kind::size ? Json(to_size(value.get<std::uint64_t>())) : value;
  }
  schema["examples"] = {example_of(option)};
  return schema;
}

/// Whether a file that lacks the section must lack something that is required.
bool is_required(std::string_view section) {
  const auto own = options_in(section);
  return std::any_of(own.begin(), own.end(), [](const Option* option) { return option->required; });
}

Json map_schema(std::string_view path) {
  Json properties = Json::object();
  Json required = Json::array();
  for (const Option* option : options_in(path)) {
    properties[std::string(leaf_of(option->path))] = option_schema(*option);
    if (option->required) {
      required.push_back(leaf_of(option->path));
    }
  }
  for (const Section* section : sections_in(path)) {
    Json schema{{"description", section->description}};
    schema.update(map_schema(section->path));
    properties[std::string(leaf_of(section->path))] = schema;
    if (is_required(section->path)) {
      required.push_back(leaf_of(section->path));
    }
  }

  Json schema;
  // An empty section is one whose options are all commented out.
  schema["type"] = path.empty() || is_required(path) ? Json("object") : Json{"object", "null"};
  schema["additionalProperties"] = false;
  if (!required.empty()) {
    schema["required"] = required;
  }
  schema["properties"] = properties;
  return schema;
}

}  // namespace

std::string schema() {
  Json schema{{"$schema", "https://json-schema.org/draft/2020-12/schema"},
              {"title", "Keyrewind's configuration"}};
  schema.update(map_schema(""));
  return dump(schema, 2) + "\n";
}

}  // namespace keyrewind::config
