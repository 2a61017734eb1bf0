#pragma once

#include "support/redis_server.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace keyrewind::test {

struct DatasetOptions {
  std::uint64_t seed = 1;
  /// About how many keys, over all databases; never fewer than one of every kind in each.
  std::uint64_t scale = 1000;
  std::vector<int> databases = {0, 1, 5, 15};
  /// Further keys whose time is over, but which the server still holds: it stops its own expiry.
  std::uint64_t expired = 0;
};

/// What `fill` wrote, without the expired keys.
struct DatasetCounts {
  std::uint64_t keys = 0;
  std::uint64_t keys_with_ttl = 0;
  std::uint64_t hash_fields_with_ttl = 0;
  std::uint64_t expired = 0;
  std::uint64_t function_libraries = 0;
  std::map<int, std::uint64_t> keys_by_database;
  std::map<std::string, std::uint64_t> keys_by_type;  ///< By the words of TYPE.
};

/// Writes keys of every type in every encoding that the server has, under names and with values of
/// every sort of byte, in several databases, with and without TTLs (all in the year 2100), and
/// function libraries. The server must be empty. The same seed and scale give the same digest on
/// servers that know the same types; hash-field TTLs and vector sets are there where the server
/// has them. What makes streams tell the time (deliveries) differs from run to run.
DatasetCounts fill(RedisServer& server, const DatasetOptions& options = {});

}  // namespace keyrewind::test
