#pragma once

#include "base/secret.h"
#include "replica/connection.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace keyrewind::replica {

/// What a backup records about the node, beside its data. Everything is optional: what the user's
/// rights do not cover is named in `missing` instead.
struct ServerInfo {
  std::string product;  ///< "redis" or "valkey".
  std::string version;
  std::string role;  ///< "primary" or "replica".
  std::string mode;
  std::map<std::string, std::string> modules;  ///< Name → version.
  std::optional<std::uint64_t> used_memory;    ///< Bytes, INFO memory.
  std::optional<std::uint64_t> keys;           ///< Over all databases, INFO keyspace.
  std::map<std::string, std::string>
      config;  ///< What differs from the server's defaults, secrets left out.
  std::vector<std::string> secrets_left_out;  ///< Names of options that are set but secret.
  std::vector<std::string> acl_users;         ///< ACL LIST lines, password hashes left out.
  /// The same lines whole. They go into nothing that is not encrypted.
  std::vector<Secret> acl_users_with_hashes;
  std::vector<std::string> missing;  ///< "config: this user may not run CONFIG GET (+config|get)".
};

/// Asks an ordinary connection. An error reply ends up in `missing`; a lost connection throws.
ServerInfo ask_server_info(Connection& connection);

/// The options of `CONFIG GET *` whose values are not a default of any server we know, without
/// secrets, whose names go to `secrets_left_out`.
std::map<std::string, std::string> non_default_config(const std::map<std::string, std::string>& all,
                                                      std::vector<std::string>& secrets_left_out);

/// An `ACL LIST` line without its password hashes: "#<64 hex>" words become "#(left out)".
std::string without_hashes(const std::string& acl_line);

}  // namespace keyrewind::replica
