#include "replica/server_info.h"

#include "replica/config_defaults.h"
#include "replica/info_text.h"
#include "replica/server_figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <sstream>
#include <string_view>

namespace keyrewind::replica {

namespace {

std::uint64_t to_count(std::string_view text) {
  std::uint64_t count = 0;
  std::from_chars(text.data(), text.data() + text.size(), count);
  return count;
}

/// Whether `name` is that of a database in INFO keyspace: "db0".
bool is_database(std::string_view name) {
  return name.starts_with("db") && name.size() > 2 &&
         name.find_first_not_of("0123456789", 2) == std::string_view::npos;
}

void read_info(std::string_view text, ServerInfo& info) {
  constexpr std::string_view kKeys = "keys=";
  info.keys = 0;
  for_each_info_field(text, [&](std::string_view name, std::string_view value) {
    if (name == "used_memory") {
      info.used_memory = to_count(value);
    }
    if (is_database(name) && value.starts_with(kKeys)) {
      *info.keys += to_count(value.substr(kKeys.size()));
    }
  });
}

bool is_known_default(const std::string& name, const std::string& value) {
  const auto defaults = config_defaults();
  return std::binary_search(defaults.begin(), defaults.end(), ConfigDefault{name, value});
}

bool is_secret(std::string_view name) {
  constexpr std::array<std::string_view, 2> kHarmless = {"tls-auth-clients",
                                                         "tls-auth-clients-user"};
  if (std::find(kHarmless.begin(), kHarmless.end(), name) != kHarmless.end()) {
    return false;
  }
  // Who knows the seed can choose keys that all collide.
  return name == "hash-seed" || name.find("pass") != std::string_view::npos ||
         name.find("auth") != std::string_view::npos;
}

/// The newer spelling of an option that servers show under both; `name` itself if it has none.
std::string newer_spelling(std::string name) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kRenamed = {
      {{"slave", "replica"}, {"ziplist", "listpack"}, {"_", "-"}}};
  for (const auto& [old_word, new_word] : kRenamed) {
    for (std::size_t at = 0; (at = name.find(old_word, at)) != std::string::npos;) {
      name.replace(at, old_word.size(), new_word);
      at += new_word.size();
    }
  }
  return name;
}

bool is_hash(std::string_view word) {
  constexpr std::size_t kSha256Digits = 64;
  return word.size() == 1 + kSha256Digits && word.front() == '#' &&
         word.find_first_not_of("0123456789abcdefABCDEF", 1) == std::string_view::npos;
}

/// Why something is missing, in words for the backup's metadata.
std::string why_missing(const SourceOptions& options, std::string_view what,
                        std::string_view command, const resp::Reply& reply) {
  if (reply.error_code() == "NOPERM") {
    return fmt::format("{}: this user may not run {} ({})", what, command, acl_rule(command));
  }
  return fmt::format("{}: {}", what, server_error(options, command, reply.text).what());
}

ServerInfo greeting_of(const Connection& connection) {
  using Product = rdb::ServerVersion::Product;
  const Greeting& greeting = connection.greeting();
  ServerInfo info;
  info.product = greeting.server.product == Product::valkey ? "valkey" : "redis";
  info.version = greeting.version_text;
  info.role = greeting.role == "master" ? "primary" : greeting.role;
  info.mode = greeting.mode;
  info.modules = greeting.modules;
  return info;
}

}  // namespace

ServerInfo ask_server_figures(Connection& connection) {
  ServerInfo info = greeting_of(connection);
  const resp::Reply figures = connection.call({"INFO", "everything"});
  if (!figures.is_error()) {
    read_info(figures.text, info);
  }
  return info;
}

ServerInfo ask_server_info(Connection& connection) {
  ServerInfo info = greeting_of(connection);

  const auto note_missing = [&](std::string_view what, std::string_view command,
                                const resp::Reply& reply) {
    info.missing.push_back(why_missing(connection.options(), what, command, reply));
  };
  const resp::Reply figures = connection.call({"INFO", "everything"});
  figures.is_error() ? note_missing("info", "INFO", figures) : read_info(figures.text, info);

  const resp::Reply config = connection.call({"CONFIG", "GET", "*"});
  if (config.is_error()) {
    note_missing("config", "CONFIG GET", config);
  }
  std::map<std::string, std::string> all;
  for (std::size_t i = 0; i + 1 < config.elements.size(); i += 2) {
    all[config.elements[i].text] = config.elements[i + 1].text;
  }
  info.config = non_default_config(all, info.secrets_left_out);

  const resp::Reply users = connection.call({"ACL", "LIST"});
  if (users.is_error()) {
    note_missing("acl", "ACL LIST", users);
  }
  for (const resp::Reply& user : users.elements) {
    info.acl_users.push_back(without_hashes(user.text));
    info.acl_users_with_hashes.emplace_back(user.text);
  }
  return info;
}

std::map<std::string, std::string> non_default_config(const std::map<std::string, std::string>& all,
                                                      std::vector<std::string>& secrets_left_out) {
  std::map<std::string, std::string> changed;
  for (const auto& [name, value] : all) {
    const std::string newer = newer_spelling(name);
    const bool is_shown_twice = newer != name && all.contains(newer);
    if (is_shown_twice || is_known_default(name, value)) {
      continue;
    }
    if (!is_secret(name)) {
      changed.emplace(name, value);
    } else if (!value.empty()) {
      secrets_left_out.push_back(name);
    }
  }
  return changed;
}

std::string without_hashes(const std::string& acl_line) {
  std::string clean;
  std::istringstream words(acl_line);
  for (std::string word; std::getline(words, word, ' ');) {
    clean += clean.empty() ? "" : " ";
    clean += is_hash(word) ? "#(left out)" : word;
  }
  return clean;
}

}  // namespace keyrewind::replica
