#pragma once

#include "config/options.h"

#include <string>

namespace keyrewind::config {

inline constexpr const char* kSmallest =
    "version: 1\n"
    "source:\n"
    "  name: orders\n"
    "  address: valkey://127.0.0.1:6379\n"
    "repository:\n"
    "  url: file:///var/lib/keyrewind/repository\n";

/// A value of the option that is neither its default nor its example, as a variable holds it.
inline std::string other_value(const Option& option) {
  switch (option.kind) {
    case Kind::integer:
      return std::to_string(option.max);
    case Kind::size:
      return option.max < (std::uint64_t{3} << 30U) ? "1MiB" : "3GiB";
    case Kind::duration:
      return "30m";
    case Kind::boolean:
      return option.example == "true" ? "false" : "true";
    case Kind::texts:
      return "one:1,rediss://two";
    case Kind::word:
      return std::string(option.words.back());
    case Kind::secret:
      return "hunter2";
    case Kind::text:
      break;
  }
  if (option.path == "source.address") {
    return "rediss://node-1.example.com:6380";
  }
  return option.path == "repository.url" ? "file:///srv/other" : "/other-value";
}

/// The same as it stands in `to_yaml`.
inline std::string other_value_shown(const Option& option) {
  if (option.kind == Kind::secret) {
    return "\"****\"";
  }
  return option.kind == Kind::texts ? R"(["one:1", "rediss://two"])" : other_value(option);
}

}  // namespace keyrewind::config
