#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

/// Log lines on stderr. The message is a constant sentence in the past tense; whatever varies is
/// a field. Keys, values and secrets of the user are never logged.
namespace keyrewind::log {

enum class Level { debug, info, warn, error };
enum class Format { text, json };

/// One field: bytes, seconds and counts are numbers, not text.
struct Field {
  using Value = std::variant<std::string, std::int64_t, std::uint64_t, double, bool>;

  Field(std::string_view name_, std::string_view value_)
      : name(name_), value(std::string(value_)) {}
  Field(std::string_view name_, const char* value_) : name(name_), value(std::string(value_)) {}
  Field(std::string_view name_, const std::string& value_) : name(name_), value(value_) {}
  Field(std::string_view name_, bool value_) : name(name_), value(value_) {}
  Field(std::string_view name_, double value_) : name(name_), value(value_) {}
  template <typename T>
  requires std::is_integral_v<T> Field(std::string_view name_, T value_) : name(name_) {
    if constexpr (std::is_signed_v<T>) {
      value = static_cast<std::int64_t>(value_);
    } else {
      value = static_cast<std::uint64_t>(value_);
    }
  }

  std::string_view name;
  Value value;
};

using Fields = std::initializer_list<Field>;

/// Sets what is printed and how; call it before the first thread starts. The default is text
/// from `info` on.
void configure(Level level, Format format);

void debug(std::string_view message, Fields fields = {});
void info(std::string_view message, Fields fields = {});
void warn(std::string_view message, Fields fields = {});
void error(std::string_view message, Fields fields = {});

}  // namespace keyrewind::log
