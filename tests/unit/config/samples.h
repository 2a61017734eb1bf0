#pragma once

#include "config/options.h"

#include <array>
#include <string>

namespace keyrewind::config {

inline constexpr const char* kSmallest =
    "version: 1\n"
    "source:\n"
    "  name: orders\n"
    "  address: valkey://127.0.0.1:6379\n"
    "repository:\n"
    "  url: file:///var/lib/keyrewind/repository\n";

inline constexpr const char* kRecipient =
    "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
inline constexpr const char* kOtherRecipient =
    "age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg";

/// Two entries for the option that is a list.
inline std::array<std::string, 2> other_texts(const Option& option) {
  if (option.path == "encryption.recipients") {
    return {kRecipient, kOtherRecipient};
  }
  if (leaf_of(option.path) == "tags" || leaf_of(option.path) == "labels" ||
      leaf_of(option.path) == "keep_labels") {
    return {"team=storage", "tier=cold=very"};
  }
  if (leaf_of(option.path) == "on") {
    return {"gap", "restored"};
  }
  return {"one:1", "rediss://two"};
}

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
    case Kind::rate:
      return "70MiB/s";
    case Kind::texts:
      return other_texts(option)[0] + "," + other_texts(option)[1];
    case Kind::entries:
      return "";
    case Kind::word:
      return std::string(option.words.back());
    case Kind::percent:
      return "35%";
    case Kind::secret:
      return option.may_be_literal ? "https://example.com/hunter2" : "hunter2";
    case Kind::text:
      break;
  }
  if (option.path == "source.address") {
    return "rediss://node-1.example.com:6380";
  }
  const std::string_view leaf = leaf_of(option.path);
  if (leaf == "url") {
    return "file:///srv/other";
  }
  if (leaf == "endpoint") {
    return "https://other.example.com:9000";
  }
  if (leaf == "time_zone") {
    return "Asia/Tokyo";
  }
  if (leaf == "cron") {
    return "5 4 * * mon";
  }
  if (leaf == "schedule") {
    return "";  // The only value in this version.
  }
  if (leaf == "listen") {
    return "localhost:1";
  }
  if (leaf == "storage_class") {
    return "GLACIER_IR";
  }
  return leaf == "name" ? "other" : "/other-value";
}

/// The same as it stands in `to_yaml`.
inline std::string other_value_shown(const Option& option) {
  if (option.kind == Kind::secret) {
    return "\"****\"";
  }
  if (leaf_of(option.path) == "cron" || leaf_of(option.path) == "schedule") {
    return "\"" + other_value(option) + "\"";
  }
  if (option.kind == Kind::texts) {
    return "[\"" + other_texts(option)[0] + "\", \"" + other_texts(option)[1] + "\"]";
  }
  return other_value(option);
}

}  // namespace keyrewind::config
