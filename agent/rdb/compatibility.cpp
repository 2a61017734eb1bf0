#include "rdb/compatibility.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <utility>

namespace keyrewind::rdb {
namespace {

using Product = ServerVersion::Product;

/// From this release on, a server loads RDBs up to this version (protocol.md 5.1).
struct Step {
  std::pair<int, int> release;
  int newest_version = 0;
};

constexpr std::array kRedis = {Step{{7, 0}, 10}, Step{{7, 2}, 11}, Step{{7, 4}, 12},
                               Step{{8, 6}, 13}, Step{{8, 8}, 14}};
constexpr int kBeforeRedis7 = 9;
/// All releases of Valkey load RDBs of Redis up to this version.
constexpr int kValkeyLoadsRedis = 11;
constexpr int kValkey9 = 80;
constexpr int kFirstValkeyWithOwnMagic = 9;

std::string rdb_name(std::string_view magic, int version) {
  return magic == "VALKEY" ? fmt::format("VALKEY{:03}", version)
                           : fmt::format("REDIS{:04}", version);
}

std::string_view name_of(Product product) {
  return product == Product::redis ? "Redis" : "Valkey";
}

/// The newest RDB of this magic that `server` loads, or 0 if none. Nothing if `server` is newer
/// than the newest release that the table knows.
std::optional<int> newest_loadable(std::string_view magic, const ServerVersion& server) {
  if (server.product == Product::valkey) {
    if (magic != "VALKEY") {
      return kValkeyLoadsRedis;
    }
    if (server.major > kFirstValkeyWithOwnMagic) {
      return std::nullopt;
    }
    return server.major == kFirstValkeyWithOwnMagic ? kValkey9 : 0;
  }
  if (magic == "VALKEY") {
    return 0;
  }
  const std::pair release(server.major, server.minor);
  if (release > kRedis.back().release) {
    return std::nullopt;
  }
  int newest = kBeforeRedis7;
  for (const Step& step : kRedis) {
    newest = step.release <= release ? step.newest_version : newest;
  }
  return newest;
}

int newest_known(std::string_view magic) {
  return magic == "VALKEY" ? kValkey9 : kRedis.back().newest_version;
}

/// Takes `prefix` off the front of `text`, whatever the case of its letters.
bool take(std::string_view& text, std::string_view prefix) {
  const auto same = [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; };
  if (text.size() < prefix.size() ||
      !std::equal(prefix.begin(), prefix.end(), text.begin(),
                  [&](char wanted, char found) { return same(found, wanted); })) {
    return false;
  }
  text.remove_prefix(prefix.size());
  return true;
}

bool take_number(std::string_view& text, int& number) {
  const bool begins_with_digit = !text.empty() && text.front() >= '0' && text.front() <= '9';
  if (!begins_with_digit) {
    return false;
  }
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return problem == std::errc();
}

}  // namespace

std::string to_string(const ServerVersion& server) {
  return fmt::format("{} {}.{}.{}", name_of(server.product), server.major, server.minor,
                     server.patch);
}

std::optional<ServerVersion> parse_server_version(std::string_view text) {
  ServerVersion server;
  if (take(text, "valkey")) {
    server.product = Product::valkey;
  } else if (!take(text, "redis")) {
    return std::nullopt;
  }
  // "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=…"
  const bool is_banner = take(text, " server v=");
  if (!is_banner && !take(text, " ") && !take(text, "-")) {
    return std::nullopt;
  }
  if (!take_number(text, server.major) || !take(text, ".") || !take_number(text, server.minor)) {
    return std::nullopt;
  }
  if (take(text, ".") && !take_number(text, server.patch)) {
    return std::nullopt;
  }
  const bool over = text.empty() || (is_banner && text.starts_with(' '));
  return over ? std::optional(server) : std::nullopt;
}

std::optional<std::string> why_not_loadable(std::string_view magic, int version,
                                            const ServerVersion& server) {
  const auto newest = newest_loadable(magic, server);
  // A server that the table does not know yet gets the benefit of the doubt.
  if (!newest || version <= *newest) {
    return std::nullopt;
  }
  if (*newest == 0) {
    return fmt::format("{} loads no RDB of Valkey 9 or later, which {} is", to_string(server),
                       rdb_name(magic, version));
  }
  return fmt::format("{} loads RDBs up to {}, and this one is {}", to_string(server),
                     rdb_name(magic, *newest), rdb_name(magic, version));
}

std::string oldest_servers(std::string_view magic, int version) {
  if (version > newest_known(magic)) {
    return magic == "VALKEY" ? "a Valkey newer than 9" : "a Redis newer than 8.8";
  }
  if (magic == "VALKEY") {
    return "Valkey 9.0";
  }
  const auto* const oldest = std::ranges::find_if(
      kRedis, [version](const Step& step) { return version <= step.newest_version; });
  const std::string redis =
      fmt::format("Redis {}.{}", oldest->release.first, oldest->release.second);
  return version <= kValkeyLoadsRedis ? redis + " or Valkey 8.0" : redis;
}

}  // namespace keyrewind::rdb
