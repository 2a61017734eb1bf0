// The RDBs of real servers in tests/data/rdb, sound, cut and damaged.

#include "unit/rdb/dumps.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cctype>
#include <ostream>
#include <vector>

namespace keyrewind::rdb {
namespace {

using test::read_dump;
using test::scan;
using test::scan_in_pieces;
using testing::UnorderedElementsAreArray;

/// What a scan of a dump must find.
struct Expected {
  std::string name;
  std::string magic;
  int version = 0;
  std::string server_aux;
  std::string server_version;
  std::map<std::uint64_t, DatabaseCounts> databases;
  std::vector<std::string> functions;
  std::map<std::string, std::uint64_t> modules;
  std::uint64_t hashes_with_field_ttl = 0;
  int highest_type = 0;
  Checksum checksum = Checksum::valid;
};

std::ostream& operator<<(std::ostream& out, const Expected& expected) {
  return out << expected.name;
}

/// The key spaces that make.sh fills; the order of types is that of ValueType.
std::map<std::uint64_t, DatabaseCounts> every_type(std::uint64_t hashes) {
  return {{0, {.keys = 33 + hashes, .keys_with_ttl = 3, .by_type = {20, 3, 4, 3, hashes, 3}}},
          {1, {.keys = 3, .keys_with_ttl = 1, .by_type = {2, 1}}},
          {9, {.keys = 1, .keys_with_ttl = 0, .by_type = {1}}}};
}

std::map<std::uint64_t, DatabaseCounts> few_keys() {
  return {{0, {.keys = 4, .keys_with_ttl = 1, .by_type = {2, 1, 0, 0, 1}}}};
}

std::vector<Expected> all_dumps() {
  const std::vector<std::string> libraries = {"shortlib", "longlib"};
  return {
      {"redis-7.0.rdb", "REDIS", 10, "redis-ver", "7.0.15", every_type(2), libraries, {}, 0, 19},
      {"redis-8.0.rdb", "REDIS", 12, "redis-ver", "8.0.2", every_type(4), libraries, {}, 2, 25},
      {"valkey-8.0.rdb", "REDIS", 11, "valkey-ver", "8.0.1", every_type(2), libraries, {}, 0, 21},
      {"valkey-8.1.rdb", "REDIS", 11, "valkey-ver", "8.1.1", every_type(2), libraries, {}, 0, 21},
      {"valkey-9.1.rdb", "VALKEY", 80, "valkey-ver", "9.1.2", every_type(4), libraries, {}, 2, 22},
      {"redis-7.0-empty.rdb", "REDIS", 10, "redis-ver", "7.0.15", {}, {}, {}, 0, 0},
      {"redis-7.0-lru.rdb", "REDIS", 10, "redis-ver", "7.0.15", few_keys(), {}, {}, 0, 18},
      {"redis-7.0-no-checksum.rdb",
       "REDIS",
       10,
       "redis-ver",
       "7.0.15",
       few_keys(),
       {},
       {},
       0,
       18,
       Checksum::absent},
      {"redis-8.0-lfu.rdb", "REDIS", 12, "redis-ver", "8.0.2", few_keys(), {}, {}, 0, 18},
      {"redis-8.0-cluster.rdb", "REDIS", 12, "redis-ver", "8.0.2", few_keys(), {}, {}, 0, 18},
      {"redis-8.0-vectorset.rdb",
       "REDIS",
       12,
       "redis-ver",
       "8.0.2",
       {{0, {.keys = 2, .keys_with_ttl = 0, .by_type = {1, 0, 0, 0, 0, 0, 1}}}},
       {},
       {{"vectorset", 1}},
       0,
       7},
      {"valkey-8.0-lfu.rdb", "REDIS", 11, "valkey-ver", "8.0.1", few_keys(), {}, {}, 0, 18},
      {"valkey-9.1-small.rdb", "VALKEY", 80, "valkey-ver", "9.1.2", few_keys(), {}, {}, 0, 18},
      {"valkey-9.1-cluster.rdb", "VALKEY", 80, "valkey-ver", "9.1.2", few_keys(), {}, {}, 0, 18},
  };
}

class Dump : public testing::TestWithParam<Expected> {
 protected:
  const std::string dump_ = read_dump(GetParam().name);
};

TEST_P(Dump, IsUnderstoodAsAWhole) {
  const Summary summary = test::summary_of(dump_);

  EXPECT_EQ(summary.opaque_reason, "");
  EXPECT_EQ(summary.magic, GetParam().magic);
  EXPECT_EQ(summary.version, GetParam().version);
  EXPECT_EQ(summary.bytes, dump_.size());
  EXPECT_EQ(summary.checksum, GetParam().checksum);
  EXPECT_EQ(summary.databases, GetParam().databases);
  EXPECT_EQ(summary.aux.at(GetParam().server_aux), GetParam().server_version);
  EXPECT_EQ(summary.aux.at("redis-bits"), "64");
  EXPECT_THAT(summary.functions, UnorderedElementsAreArray(GetParam().functions));
  EXPECT_EQ(summary.modules, GetParam().modules);
  EXPECT_EQ(summary.hashes_with_field_ttl, GetParam().hashes_with_field_ttl);
  EXPECT_EQ(summary.highest_type, GetParam().highest_type);
}

TEST_P(Dump, GivesTheSameSummaryHoweverTheBytesArrive) {
  const auto whole = scan(dump_);

  for (std::size_t piece = 1; piece <= 64; ++piece) {
    ASSERT_EQ(scan_in_pieces(dump_, piece, piece), whole) << "in pieces of " << piece << " bytes";
  }
  for (std::size_t split = 0; split <= dump_.size(); ++split) {
    ASSERT_EQ(scan_in_pieces(dump_, split, dump_.size()), whole) << "split after " << split;
  }
}

TEST_P(Dump, IsCorruptWhereverItIsCut) {
  for (std::size_t size = 0; size < dump_.size(); ++size) {
    ASSERT_TRUE(test::is_corrupt(scan(dump_.substr(0, size)))) << "after " << size << " bytes";
  }
}

TEST_P(Dump, IsCorruptWithAnyBitFlipped) {
  if (GetParam().checksum == Checksum::absent) {
    return;  // Nothing vouches for the values.
  }
  // Large dumps are sampled, each from another bit on.
  const std::size_t step = dump_.size() > 1000 ? 17 : 1;
  std::string damaged = dump_;
  for (std::size_t bit = dump_.size() % step; bit < dump_.size() * 8; bit += step) {
    const auto mask = static_cast<char>(1U << bit % 8);
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ mask);
    ASSERT_TRUE(test::is_corrupt(scan(damaged))) << "bit " << bit;
    damaged[bit / 8] = dump_[bit / 8];
  }
}

TEST_P(Dump, IsSoundWithoutItsChecksum) {
  std::string unsealed = dump_;
  unsealed.replace(unsealed.size() - 8, 8, 8, '\0');

  const Summary summary = test::summary_of(unsealed);

  EXPECT_EQ(summary.checksum, Checksum::absent);
  EXPECT_EQ(summary.databases, GetParam().databases);
}

TEST_P(Dump, IsCorruptWithBytesBehindIt) {
  EXPECT_TRUE(test::is_corrupt(scan(dump_ + "x")));
  EXPECT_TRUE(test::is_corrupt(scan(dump_ + std::string(8, '\0'))));
}

INSTANTIATE_TEST_SUITE_P(OfEveryServer, Dump, testing::ValuesIn(all_dumps()),
                         [](const testing::TestParamInfo<Expected>& dump) {
                           std::string name = dump.param.name;
                           std::ranges::replace_if(
                               name, [](unsigned char letter) { return !std::isalnum(letter); },
                               '_');
                           return name;
                         });

}  // namespace
}  // namespace keyrewind::rdb
