#include "config/values.h"

#include "base/duration.h"

namespace keyrewind::config {
namespace {

constexpr std::string_view kMask = "****";

}  // namespace

Json value_of(const Option& option, const Config& config) {
  Config copy = config;
  switch (option.kind) {
    case Kind::text:
      return std::get<TextField>(option.field)(copy);
    case Kind::integer:
    case Kind::size:
      return std::get<IntegerField>(option.field)(copy);
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
  }
  return nullptr;
}

std::string dump(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace keyrewind::config
