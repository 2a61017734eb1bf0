#include "support/workload.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <iterator>
#include <map>
#include <set>
#include <sstream>
#include <thread>

namespace keyrewind::test {
namespace {

using testing::IsEmpty;

class WorkloadOn : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { require_server(GetParam()); }
};

/// How often each command has succeeded, as INFO commandstats counts.
std::map<std::string, std::uint64_t> successes(RedisServer& server) {
  std::map<std::string, std::uint64_t> counts;
  std::istringstream lines(server.cli({"INFO", "commandstats"}));
  const auto number_after = [](const std::string& line, const std::string& name) {
    const auto at = line.find(name);
    return at == std::string::npos ? 0 : std::stoull(line.substr(at + name.size()));
  };
  for (std::string line; std::getline(lines, line);) {
    if (const std::string prefix = "cmdstat_"; line.starts_with(prefix)) {
      counts[line.substr(prefix.size(), line.find(':') - prefix.size())] =
          number_after(line, ":calls=") - number_after(line, "failed_calls=");
    }
  }
  return counts;
}

void wait_until(const std::function<bool()>& is_so) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!is_so()) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

/// Waits until the replica has all that its primary has.
void catch_up(RedisServer& primary, RedisServer& replica) {
  wait_until([&] {
    return replica.info("master_link_status") == "up" &&
           replica.info("master_repl_offset") == primary.info("master_repl_offset");
  });
}

TEST_P(WorkloadOn, GivesTheSameStateForTheSameSeed) {
  const WorkloadOptions options{.seed = 3, .chance = false};
  RedisServer first({.program = GetParam()});
  RedisServer second({.program = GetParam()});
  RedisServer other({.program = GetParam()});

  Workload(first, options).step(3000);
  Workload(second, options).step(3000);
  Workload(other, {.seed = 4, .chance = false}).step(3000);

  EXPECT_EQ(first.digest(), second.digest());
  EXPECT_EQ(first.functions(), second.functions());
  EXPECT_NE(first.digest(), other.digest());
  EXPECT_GT(first.dbsize(), 100U);
}

TEST_P(WorkloadOn, SucceedsWithEveryCommandThatItKnows) {
  RedisServer server({.program = GetParam()});
  Workload workload(server, {.flushes = true});

  workload.step(15'000);

  const auto counts = successes(server);
  for (const std::string& command : workload.commands()) {
    EXPECT_TRUE(counts.contains(command) && counts.at(command) > 0) << command;
  }
  EXPECT_LT(workload.failed(), workload.sent() / 3);
}

TEST_P(WorkloadOn, KnowsEveryCommandThatWrites) {
  RedisServer server({.program = GetParam()});
  // For moving keys between servers, for the server's own tests, and for clusters.
  std::set<std::string> known = {"migrate", "restore-asking", "pfdebug", "cluster|flushslot"};
  std::ranges::copy(Workload(server, {.flushes = true}).commands(),
                    std::inserter(known, known.end()));

  for (const Reply& name :
       server.call({"COMMAND", "LIST", "FILTERBY", "ACLCAT", "write"}).elements) {
    EXPECT_TRUE(known.contains(name.text)) << name.text;
  }
}

TEST_P(WorkloadOn, LeavesNothingThatWillChangeByItself) {
  RedisServer server({.program = GetParam()});
  Workload workload(server, {.expiries = true});
  workload.step(2000);

  const Mark mark = workload.mark();
  const std::uint64_t keys = server.dbsize();
  server.cli({"DEBUG", "SET-ACTIVE-EXPIRE", "1"});
  server.cli({"SET", "what will change", "", "PX", "200"});
  wait_until([&] { return server.dbsize() <= keys; });

  EXPECT_THAT(differences(mark, server), IsEmpty());
}

/// What a mark compares is what the stream carries.
TEST_P(WorkloadOn, IsFollowedByAReplica) {
  RedisServer primary({.program = GetParam(), .tcp = true});
  RedisServer replica({.program = GetParam()});
  replica.cli({"REPLICAOF", "127.0.0.1", std::to_string(primary.port())});
  catch_up(primary, replica);
  Workload workload(primary, {.seed = 5, .expiries = true, .flushes = true});

  for (int round = 0; round < 3; ++round) {
    workload.step(2000);
    const Mark mark = workload.mark();
    catch_up(primary, replica);
    EXPECT_GT(mark.offset, 0);
    EXPECT_THAT(differences(mark, replica), IsEmpty()) << "in round " << round;
  }
}

TEST_P(WorkloadOn, FindsWhatDiffers) {
  RedisServer server({.program = GetParam()});
  Workload workload(server, {.seed = 6});
  workload.step(2000);
  server.cli({"SET", "lasting", "1"});
  server.cli({"XADD", "followed", "1-1", "a", "b"});
  const Mark mark = workload.mark();

  server.cli({"EXPIRE", "lasting", "100000"});
  server.cli({"XGROUP", "CREATE", "followed", "late", "0"});
  server.cli({"FUNCTION", "LOAD",
              "#!lua name=late\nredis.register_function('late', function() return 1 end)"});

  const auto found = differences(mark, server);
  EXPECT_THAT(found, testing::Contains(testing::HasSubstr("digest")));
  EXPECT_THAT(found, testing::Contains(testing::HasSubstr("function too many: #!lua name=late")));
  EXPECT_THAT(found, testing::Contains(testing::HasSubstr("key 'lasting': expires at")));
  EXPECT_THAT(found, testing::Contains(testing::HasSubstr("key 'followed': group late")));
}

TEST_P(WorkloadOn, GoesOnAfterARestart) {
  const TempDir folder;
  RedisServer first({.program = GetParam(), .dir = folder.path()});
  Workload workload(first, {.seed = 7});
  workload.step(500);
  const Mark mark = workload.mark();
  first.save();
  first.kill();
  EXPECT_THROW(workload.step(1), std::runtime_error);

  RedisServer second({.program = GetParam(), .dir = folder.path()});
  EXPECT_THAT(differences(mark, second), IsEmpty());
  workload.use(second);
  workload.step(500);

  EXPECT_NE(workload.mark().digest, mark.digest);
}

INSTANTIATE_TEST_SUITE_P(Servers, WorkloadOn, testing::ValuesIn(all_servers()),
                         [](const auto& server) { return to_test_name(server.param); });

}  // namespace
}  // namespace keyrewind::test
