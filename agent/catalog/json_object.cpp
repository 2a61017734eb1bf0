#include "catalog/json_object.h"

#include "base/error.h"
#include "catalog/manifest.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace keyrewind::catalog {
namespace {

Error damaged(const std::string& what, const std::string& why) {
  return {Side::repository, ErrorKind::corrupt, fmt::format("{} is damaged: {}", what, why)};
}

nlohmann::json parse(ByteView json, const std::string& what) {
  const std::string_view text = as_text(json);
  try {
    return nlohmann::json::parse(text.begin(), text.end());
  } catch (const nlohmann::json::parse_error& error) {
    throw damaged(what, fmt::format("it stops being JSON at byte {}", error.byte));
  } catch (const nlohmann::json::exception&) {
    throw damaged(what, "it holds a number that is out of range");
  }
}

void check_format(const JsonObject& root) {
  const std::uint64_t format = root.number("format");
  if (format > kFormatVersion) {
    throw Error(Side::repository, ErrorKind::incompatible,
                fmt::format("{} was written in format {}, this Keyrewind reads up to {}; use a "
                            "newer one",
                            root.what(), format, kFormatVersion));
  }
  if (format == 0) {
    root.reject("format", "is 0");
  }
}

bool is_hex_digit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

}  // namespace

nlohmann::ordered_json begin_document(std::string_view kind) {
  return {{"format", kFormatVersion}, {"kind", kind}};
}

std::string to_text(const nlohmann::ordered_json& document) {
  return document.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

JsonObject::JsonObject(const nlohmann::json& value, std::string what, std::string path)
    : value_(&value), what_(std::move(what)), path_(std::move(path)) {
  if (!value.is_object()) {
    const std::string name = path_.empty() ? "it" : path_.substr(0, path_.size() - 1);
    throw damaged(what_, name + " is no object");
  }
}

std::string JsonObject::text(const std::string& name) const {
  const nlohmann::json& value = field(name);
  if (!value.is_string()) {
    reject(name, "is no text");
  }
  return value.get<std::string>();
}

bool JsonObject::boolean(const std::string& name) const {
  const nlohmann::json& value = field(name);
  if (!value.is_boolean()) {
    reject(name, "is neither true nor false");
  }
  return value.get<bool>();
}

std::uint64_t JsonObject::number(const std::string& name, std::uint64_t most) const {
  const nlohmann::json& value = field(name);
  if (!value.is_number_unsigned()) {
    reject(name, "is no whole number from 0 on");
  }
  const auto number = value.get<std::uint64_t>();
  if (number > most) {
    reject(name, fmt::format("is {}, more than {}", number, most));
  }
  return number;
}

Timestamp JsonObject::time(const std::string& name) const {
  const std::optional<Timestamp> time = from_rfc3339(text(name));
  if (!time) {
    reject(name, "is no time in RFC 3339");
  }
  return *time;
}

std::string JsonObject::hex(const std::string& name, std::size_t digits) const {
  std::string value = text(name);
  if (value.size() != digits || !std::all_of(value.begin(), value.end(), is_hex_digit)) {
    reject(name, fmt::format("is not {} hexadecimal digits", digits));
  }
  return value;
}

std::uint64_t JsonObject::hex_number(const std::string& name) const {
  const std::string digits = hex(name, 16);
  std::uint64_t number = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), number, 16);
  return number;
}

std::optional<std::string> JsonObject::optional_text(const std::string& name) const {
  return field(name).is_null() ? std::nullopt : std::optional(text(name));
}

std::optional<std::uint64_t> JsonObject::optional_number(const std::string& name) const {
  return field(name).is_null() ? std::nullopt : std::optional(number(name));
}

bool JsonObject::has(const std::string& name) const {
  const auto found = value_->find(name);
  return found != value_->end() && !found->is_null();
}

JsonObject JsonObject::object(const std::string& name) const {
  return {field(name), what_, path_ + name + "."};
}

std::vector<JsonObject> JsonObject::objects(const std::string& name) const {
  std::vector<JsonObject> objects;
  for (const nlohmann::json& item : array(name)) {
    objects.emplace_back(item, what_, fmt::format("{}{}[{}].", path_, name, objects.size()));
  }
  return objects;
}

std::vector<std::int64_t> JsonObject::integers(const std::string& name) const {
  std::vector<std::int64_t> integers;
  for (const nlohmann::json& item : array(name)) {
    if (!item.is_number_integer() ||
        (item.is_number_unsigned() &&
         item.get<std::uint64_t>() > std::uint64_t{std::numeric_limits<std::int64_t>::max()})) {
      reject(name, "holds something else than whole numbers");
    }
    integers.push_back(item.get<std::int64_t>());
  }
  return integers;
}

std::vector<std::string> JsonObject::texts(const std::string& name) const {
  std::vector<std::string> texts;
  for (const nlohmann::json& item : array(name)) {
    if (!item.is_string()) {
      reject(name, "holds something else than texts");
    }
    texts.push_back(item.get<std::string>());
  }
  return texts;
}

std::vector<std::pair<std::string, JsonObject>> JsonObject::objects_by_key(
    const std::string& name) const {
  const JsonObject inner = object(name);
  std::vector<std::pair<std::string, JsonObject>> objects;
  for (const auto& item : inner.value_->items()) {
    objects.emplace_back(item.key(), inner.object(item.key()));
  }
  return objects;
}

std::map<std::string, std::string> JsonObject::texts_by_key(const std::string& name) const {
  const JsonObject inner = object(name);
  std::map<std::string, std::string> texts;
  for (const auto& item : inner.value_->items()) {
    texts.emplace(item.key(), inner.text(item.key()));
  }
  return texts;
}

std::map<std::string, std::uint64_t> JsonObject::numbers_by_key(const std::string& name) const {
  const JsonObject inner = object(name);
  std::map<std::string, std::uint64_t> numbers;
  for (const auto& item : inner.value_->items()) {
    numbers.emplace(item.key(), inner.number(item.key()));
  }
  return numbers;
}

void JsonObject::reject(const std::string& name, std::string_view why) const {
  throw damaged(what_, fmt::format("{}{} {}", path_, name, why));
}

const nlohmann::json& JsonObject::field(const std::string& name) const {
  const auto found = value_->find(name);
  if (found == value_->end()) {
    reject(name, "is missing");
  }
  return *found;
}

const nlohmann::json& JsonObject::array(const std::string& name) const {
  const nlohmann::json& value = field(name);
  if (!value.is_array()) {
    reject(name, "is no list");
  }
  return value;
}

JsonDocument::JsonDocument(ByteView json, std::string what, std::string_view kind)
    : value_(parse(json, what)), root_(value_, std::move(what), "") {
  check_format(root_);
  if (root_.text("kind") != kind) {
    root_.reject("kind", fmt::format("is not {}", kind));
  }
}

}  // namespace keyrewind::catalog
