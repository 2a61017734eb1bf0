#pragma once

#include "rdb/summary.h"

#include <optional>
#include <string>
#include <string_view>

namespace keyrewind::rdb {

/// A server's product and release.
struct ServerVersion {
  enum class Product { redis, valkey };

  Product product = Product::redis;
  int major = 0;
  int minor = 0;
  int patch = 0;

  auto operator<=>(const ServerVersion&) const = default;
};

/// "Redis 7.0.15", "Valkey 9.1.2".
std::string to_string(const ServerVersion& server);

/// Reads "redis 7.0", "valkey-8.1.1", "Valkey 9.1.2", and the first line that
/// `redis-server --version` or `valkey-server --version` prints. Nothing if it is anything else.
std::optional<ServerVersion> parse_server_version(std::string_view text);

/// Why `server` cannot load an RDB with this magic and version, or nothing if it can.
/// The table is that of protocol.md 5.1: what each server loads natively, with its default
/// configuration.
std::optional<std::string> why_not_loadable(std::string_view magic, int version,
                                            const ServerVersion& server);

/// The oldest servers that load it, for people: "Redis 7.2 or Valkey 8.0".
std::string oldest_servers(std::string_view magic, int version);

}  // namespace keyrewind::rdb
