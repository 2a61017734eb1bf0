#include "support/dataset.h"

#include <gmock/gmock.h>

#include <set>
#include <sstream>

namespace keyrewind::test {
namespace {

class DatasetOn : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { require_server(GetParam()); }
};

std::vector<std::string> scan(RedisServer& server, const std::string& type) {
  std::vector<std::string> keys;
  std::string cursor = "0";
  do {
    const Reply reply = server.call({"SCAN", cursor, "COUNT", "1000", "TYPE", type});
    cursor = reply.elements.at(0).text;
    for (const Reply& key : reply.elements.at(1).elements) {
      keys.push_back(key.text);
    }
  } while (cursor != "0");
  return keys;
}

std::set<std::string> encodings(RedisServer& server) {
  std::set<std::string> found;
  for (const std::string type : {"string", "list", "set", "zset", "hash"}) {
    for (const std::string& key : scan(server, type)) {
      found.insert(type + " " + server.cli({"OBJECT", "ENCODING", key}));
    }
  }
  return found;
}

TEST_P(DatasetOn, SurvivesItsOwnServersSaveAndLoad) {
  const TempDir folder;
  RedisServer first({.program = GetParam(), .dir = folder.path()});
  fill(first);
  const std::string digest = first.digest();
  const std::uint64_t keys = first.dbsize();
  const std::vector<std::string> functions = first.functions();
  first.save();
  first.stop();

  RedisServer second({.program = GetParam(), .dir = folder.path()});

  EXPECT_EQ(second.digest(), digest);
  EXPECT_EQ(second.dbsize(), keys);
  EXPECT_EQ(second.functions(), functions);
}

TEST_P(DatasetOn, IsWhatTheCountsSay) {
  RedisServer server({.program = GetParam()});

  const DatasetCounts counts = fill(server, {.seed = 7, .scale = 2000});

  EXPECT_EQ(server.dbsize(), counts.keys);
  EXPECT_GT(counts.keys_with_ttl, 0U);
  EXPECT_EQ(server.functions().size(), counts.function_libraries);
  std::map<std::string, std::uint64_t> found;
  for (const auto& [database, keys] : counts.keys_by_database) {
    server.cli({"SELECT", std::to_string(database)});
    EXPECT_EQ(server.cli({"DBSIZE"}), std::to_string(keys)) << "in database " << database;
    for (const auto& [type, expected] : counts.keys_by_type) {
      found[type] += scan(server, type).size();
    }
  }
  EXPECT_EQ(found, counts.keys_by_type);
}

TEST_P(DatasetOn, HasEveryEncoding) {
  RedisServer server({.program = GetParam()});

  fill(server, {.databases = {0}});

  const bool sets_are_packed = GetParam() != "redis-server-7.0";
  std::set<std::string> expected = {
      "string int",    "string raw",    "string embstr", "list quicklist", "set intset",
      "set hashtable", "zset listpack", "zset skiplist", "hash listpack",  "hash hashtable"};
  if (sets_are_packed) {
    expected.insert({"set listpack", "list listpack"});
  }
  EXPECT_THAT(encodings(server), testing::IsSupersetOf(expected));
}

TEST_P(DatasetOn, HasCollectionsTooLargeForTheirCompactEncoding) {
  RedisServer server({.program = GetParam()});

  fill(server, {.databases = {0}});

  EXPECT_EQ(server.cli({"OBJECT", "ENCODING", "largeset:0"}), "hashtable");
  EXPECT_EQ(server.cli({"OBJECT", "ENCODING", "largezset:0"}), "skiplist");
  EXPECT_EQ(server.cli({"OBJECT", "ENCODING", "longlist:0"}), "quicklist");
  EXPECT_EQ(server.cli({"OBJECT", "ENCODING", "largehash:0"}), "hashtable");
}

TEST_P(DatasetOn, HasHashFieldsThatExpireWhereTheServerKnowsThem) {
  RedisServer server({.program = GetParam()});
  const bool known = GetParam() == "redis-server-8.0" || GetParam() == "valkey-server-9.1";

  const DatasetCounts counts = fill(server);

  EXPECT_EQ(counts.hash_fields_with_ttl > 0, known);
}

TEST_P(DatasetOn, HasGroupsWithPendingEntries) {
  RedisServer server({.program = GetParam()});

  fill(server, {.databases = {0}});

  EXPECT_THAT(server.cli({"XPENDING", "queue:0", "workers"}), testing::HasSubstr("bob"));
  EXPECT_EQ(server.cli({"XLEN", "emptied:0"}), "0");
}

TEST_P(DatasetOn, IsTheSameForTheSameSeed) {
  RedisServer first({.program = GetParam()});
  RedisServer second({.program = GetParam()});
  RedisServer other({.program = GetParam()});

  fill(first, {.seed = 3});
  fill(second, {.seed = 3});
  fill(other, {.seed = 4});

  EXPECT_EQ(first.digest(), second.digest());
  EXPECT_NE(first.digest(), other.digest());
}

TEST_P(DatasetOn, HoldsExpiredKeysWhenAsked) {
  RedisServer server({.program = GetParam()});

  const DatasetCounts counts = fill(server, {.expired = 10});

  EXPECT_EQ(counts.expired, 10U);
  EXPECT_EQ(server.dbsize(), counts.keys + 10);
}

/// On what a backup from an old server to a new one is judged by.
TEST_P(DatasetOn, HasTheSameDigestOnANewerServer) {
  const std::string oldest = "redis-server-7.0";
  if (require_server(oldest); IsSkipped() || HasFatalFailure()) {
    return;
  }
  const TempDir folder;
  RedisServer source({.program = oldest, .dir = folder.path()});
  fill(source);
  source.save();

  RedisServer newer({.program = GetParam(), .dir = folder.path()});

  EXPECT_EQ(newer.digest(), source.digest());
}

INSTANTIATE_TEST_SUITE_P(Servers, DatasetOn, testing::ValuesIn(all_servers()),
                         [](const auto& server) { return to_test_name(server.param); });

}  // namespace
}  // namespace keyrewind::test
