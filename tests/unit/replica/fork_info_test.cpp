#include "replica/fork_info.h"

#include "base/error.h"
#include "on_server.h"

#include <gmock/gmock.h>

namespace keyrewind::replica {
namespace {

// As Valkey 8.1 answers, cut to what matters and what looks like it.
constexpr const char* kInfo =
    "# Memory\r\n"
    "used_memory:4000000000\r\n"
    "used_memory_rss:4200000000\r\n"
    "used_memory_peak:5000000000\r\n"
    "total_system_memory:16000000000\r\n"
    "maxmemory:8000000000\r\n"
    "maxmemory_policy:noeviction\r\n"
    "# Persistence\r\n"
    "loading:0\r\n"
    "async_loading:0\r\n"
    "current_cow_peak:0\r\n"
    "current_cow_size:7\r\n"
    "rdb_bgsave_in_progress:1\r\n"
    "rdb_last_cow_size:300000\r\n"
    "aof_rewrite_in_progress:0\r\n"
    "aof_last_cow_size:200000\r\n"
    "module_fork_in_progress:0\r\n"
    "module_fork_last_cow_size:0\r\n"
    "# Replication\r\n"
    "role:master\r\n"
    "connected_slaves:2\r\n"
    "repl_backlog_active:1\r\n"
    "repl_backlog_size:1048576\r\n";

TEST(ParseForkInfo, ReadsWhatAForkDependsOn) {
  const ForkInfo info = parse_fork_info(kInfo);

  EXPECT_EQ(info.used_memory, 4'200'000'000U);
  EXPECT_EQ(info.max_memory, 8'000'000'000U);
  EXPECT_FALSE(info.evicts);
  EXPECT_EQ(info.total_system_memory, 16'000'000'000U);
  EXPECT_EQ(info.last_copied, 300'000U);
  EXPECT_EQ(info.current_copied, 7U);
  EXPECT_TRUE(info.snapshot_running);
  EXPECT_FALSE(info.aof_rewrite_running);
  EXPECT_FALSE(info.module_fork_running);
  EXPECT_TRUE(info.has_child());
  EXPECT_FALSE(info.loading);
  EXPECT_EQ(info.replicas, 2U);
  EXPECT_TRUE(info.backlog_active);
  EXPECT_EQ(info.backlog_size, 1'048'576U);
}

TEST(ParseForkInfo, KnowsServersThatEvictAndThoseThatLoad) {
  const ForkInfo info =
      parse_fork_info("used_memory:1\r\nmaxmemory_policy:allkeys-lru\r\nasync_loading:1\r\n");

  EXPECT_TRUE(info.evicts);
  EXPECT_TRUE(info.loading);
  EXPECT_FALSE(info.has_child());
}

TEST(ParseForkInfo, TakesNothingForANumberThatIsNone) {
  const ForkInfo info = parse_fork_info(
      "used_memory:99999999999999999999999\r\nused_memory_rss:-1\r\nmaxmemory:8gb\r\n"
      "rdb_bgsave_in_progress:yes\r\n");

  EXPECT_EQ(info.used_memory, 0U);
  EXPECT_EQ(info.max_memory, 0U);
  EXPECT_FALSE(info.has_child());
}

TEST(ParseForkInfo, RefusesWhatIsNoInfo) {
  for (const char* text : {"", "role:master\r\n", "<html>"}) {
    try {
      parse_fork_info(text);
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::protocol);
      EXPECT_EQ(error.side(), Side::source);
    }
  }
}

class ForkInfoOnServer : public OnServer {};

INSTANTIATE_TEST_SUITE_P(Servers, ForkInfoOnServer, testing::ValuesIn(test::all_servers()),
                         [](const auto& server) { return test::to_test_name(server.param); });

TEST_P(ForkInfoOnServer, IsWhatTheServerSays) {
  RedisServer server = start({"--maxmemory", "500mb", "--maxmemory-policy", "allkeys-lru"});
  give_history(server);

  Connection connection(options_for(server), {});
  const ForkInfo info = ask_fork_info(connection);

  EXPECT_GT(info.used_memory, 500'000U);
  EXPECT_GE(info.total_system_memory, info.used_memory);
  EXPECT_EQ(info.max_memory, 500U << 20U);
  EXPECT_TRUE(info.evicts);
  EXPECT_TRUE(info.backlog_active);
  EXPECT_GT(info.backlog_size, 0U);
  EXPECT_FALSE(info.loading);
}

}  // namespace
}  // namespace keyrewind::replica
