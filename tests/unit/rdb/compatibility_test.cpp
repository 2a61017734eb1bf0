#include "rdb/compatibility.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace keyrewind::rdb {
namespace {

using testing::Optional;
using Product = ServerVersion::Product;

ServerVersion server(std::string_view text) {
  return parse_server_version(text).value();
}

bool loads(std::string_view name, std::string_view magic, int version) {
  return !why_not_loadable(magic, version, server(name));
}

TEST(ServerVersion, IsReadFromHowPeopleAndProgramsWriteIt) {
  EXPECT_THAT(parse_server_version("redis 7.0"), Optional(ServerVersion{Product::redis, 7, 0, 0}));
  EXPECT_THAT(parse_server_version("valkey-8.1.1"),
              Optional(ServerVersion{Product::valkey, 8, 1, 1}));
  EXPECT_THAT(parse_server_version("Valkey 9.1.2"),
              Optional(ServerVersion{Product::valkey, 9, 1, 2}));
  EXPECT_THAT(parse_server_version("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 "
                                   "bits=64 build=e08dbad3e06f3fb"),
              Optional(ServerVersion{Product::redis, 7, 0, 15}));
  EXPECT_THAT(parse_server_version("Valkey server v=8.0.1 sha=00000000:0"),
              Optional(ServerVersion{Product::valkey, 8, 0, 1}));
}

TEST(ServerVersion, IsNothingForAnythingElse) {
  for (const std::string_view text :
       {"", "redis", "redis 7", "redis-server", "redis7.0", "keydb 6.3.4", "redis 7.0.15.1",
        "redis 7.x", "redis 7.0 ", "redis 99999999999.0", "redis -7.0", "valkey 8.1-rc1", "7.0"}) {
    EXPECT_EQ(parse_server_version(text), std::nullopt) << text;
  }
}

TEST(ServerVersion, IsWrittenForPeople) {
  EXPECT_EQ(to_string(server("redis 7.0.15")), "Redis 7.0.15");
  EXPECT_EQ(to_string(server("valkey 9.1")), "Valkey 9.1.0");
}

TEST(Compatibility, OfRedisEndsWithItsOwnVersion) {
  EXPECT_TRUE(loads("redis 7.0.15", "REDIS", 10));
  EXPECT_FALSE(loads("redis 7.0.15", "REDIS", 11));
  EXPECT_TRUE(loads("redis 7.2", "REDIS", 11));
  EXPECT_FALSE(loads("redis 7.2", "REDIS", 12));
  for (const auto* name : {"redis 7.4", "redis 8.0.2", "redis 8.2", "redis 8.4"}) {
    EXPECT_TRUE(loads(name, "REDIS", 12)) << name;
    EXPECT_FALSE(loads(name, "REDIS", 13)) << name;
  }
  EXPECT_TRUE(loads("redis 8.6", "REDIS", 13));
  EXPECT_FALSE(loads("redis 8.6", "REDIS", 14));
  EXPECT_TRUE(loads("redis 8.8", "REDIS", 14));
  EXPECT_FALSE(loads("redis 8.8", "REDIS", 15));
  EXPECT_FALSE(loads("redis 6.2", "REDIS", 10));
}

TEST(Compatibility, OfAServerNewerThanTheTableIsNotDoubted) {
  EXPECT_TRUE(loads("redis 8.10", "REDIS", 16));
  EXPECT_TRUE(loads("valkey 10.0", "VALKEY", 81));
}

TEST(Compatibility, OfRedisNeverIncludesTheMagicOfValkey) {
  for (const auto* name : {"redis 7.0", "redis 8.8", "redis 9.0"}) {
    EXPECT_FALSE(loads(name, "VALKEY", 80)) << name;
  }
}

TEST(Compatibility, OfValkeyNeverIncludesTheNewFormatsOfRedis) {
  for (const auto* name :
       {"valkey 7.2", "valkey 8.0", "valkey 8.1.1", "valkey 9.1", "valkey 10.0"}) {
    EXPECT_TRUE(loads(name, "REDIS", 11)) << name;
    EXPECT_FALSE(loads(name, "REDIS", 12)) << name;
  }
}

TEST(Compatibility, OfValkeyIncludesItsOwnMagicFromNineOn) {
  EXPECT_FALSE(loads("valkey 8.1", "VALKEY", 80));
  EXPECT_TRUE(loads("valkey 9.0", "VALKEY", 80));
  EXPECT_TRUE(loads("valkey 9.1.2", "VALKEY", 80));
  EXPECT_FALSE(loads("valkey 9.1.2", "VALKEY", 81));
}

TEST(Compatibility, SaysWhyNot) {
  EXPECT_THAT(
      why_not_loadable("REDIS", 12, server("redis 7.0.15")),
      Optional(std::string("Redis 7.0.15 loads RDBs up to REDIS0010, and this one is REDIS0012")));
  EXPECT_THAT(
      why_not_loadable("VALKEY", 80, server("redis 8.0.2")),
      Optional(std::string("Redis 8.0.2 loads no RDB of Valkey 9 or later, which VALKEY080 is")));
}

TEST(Compatibility, NamesTheOldestServers) {
  EXPECT_EQ(oldest_servers("REDIS", 9), "Redis 7.0 or Valkey 8.0");
  EXPECT_EQ(oldest_servers("REDIS", 11), "Redis 7.2 or Valkey 8.0");
  EXPECT_EQ(oldest_servers("REDIS", 12), "Redis 7.4");
  EXPECT_EQ(oldest_servers("REDIS", 14), "Redis 8.8");
  EXPECT_EQ(oldest_servers("REDIS", 15), "a Redis newer than 8.8");
  EXPECT_EQ(oldest_servers("VALKEY", 80), "Valkey 9.0");
  EXPECT_EQ(oldest_servers("VALKEY", 81), "a Valkey newer than 9");
}

}  // namespace
}  // namespace keyrewind::rdb
