#include "support/redis_server.h"

#include <gmock/gmock.h>
#include <signal.h>

namespace keyrewind::test {
namespace {

using namespace std::chrono_literals;

TEST(Process, GivesStatusAndBothOutputs) {
  const RunResult result = run({"sh", "-c", "echo good; echo bad >&2; exit 3"});

  EXPECT_EQ(result.status, 3);
  EXPECT_EQ(result.out, "good\n");
  EXPECT_EQ(result.err, "bad\n");
}

TEST(Process, HasTheEnvironmentFolderAndInputThatWereAskedFor) {
  const TempDir folder;

  const RunResult result = run(ProcessOptions{.command = {"sh", "-c", "echo $COLOUR; pwd; cat"},
                                              .env = {{"COLOUR", "red"}},
                                              .cwd = folder.path(),
                                              .input = std::string("a\0b", 3)});

  EXPECT_EQ(result.out, "red\n" + folder.path().string() + "\n" + std::string("a\0b", 3));
}

TEST(Process, SaysWhichSignalEndedIt) {
  Process process({.command = {"sleep", "60"}});
  EXPECT_TRUE(process.running());

  process.signal(SIGTERM);

  EXPECT_EQ(process.wait(), (ExitResult{.code = 128 + SIGTERM, .signal = SIGTERM}));
}

TEST(Process, ThrowsWhenTheProgramIsNotThere) {
  EXPECT_THROW(run({"/no/such/program"}), std::runtime_error);
}

TEST(Process, IsKilledAtTheEndOfItsScope) {
  pid_t pid = 0;
  {
    const Process process({.command = {"sleep", "60"}});
    pid = process.pid();
  }

  EXPECT_EQ(kill(pid, 0), -1);
}

class RedisServerOf : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { require_server(GetParam()); }
};

TEST_P(RedisServerOf, KeepsAnyBytes) {
  RedisServer server({.program = GetParam()});
  const std::string value("a\0\r\n\xff b", 7);

  server.cli({"SET", "key", value});

  EXPECT_EQ(server.cli({"GET", "key"}), value);
  EXPECT_EQ(server.dbsize(), 1U);
  EXPECT_EQ(server.digest().size(), 40U);
  EXPECT_THROW(server.cli({"INCR", "key"}), std::runtime_error);
}

TEST_P(RedisServerOf, ListensOnAPortWithAPassword) {
  RedisServer server({.program = GetParam(), .tcp = true, .password = "secret"});

  RespClient client = RespClient::connect_tcp(server.port());

  EXPECT_THAT(client.call({"PING"}).text, testing::StartsWith("NOAUTH"));
  EXPECT_EQ(client.call({"AUTH", "secret"}).text, "OK");
  EXPECT_EQ(client.call({"PING"}).text, "PONG");
}

TEST_P(RedisServerOf, LoadsWhatAnotherSaved) {
  const TempDir folder;
  RedisServer first({.program = GetParam(), .dir = folder.path()});
  first.cli({"SET", "key", "value"});
  first.save();
  const std::string digest = first.digest();
  first.stop();

  RedisServer second({.program = GetParam(), .dir = folder.path()});

  EXPECT_EQ(second.digest(), digest);
}

TEST_P(RedisServerOf, SavesEvenWhileAChildIsStillAtWork) {
  RedisServer server({.program = GetParam()});
  server.cli({"DEBUG", "POPULATE", "200000"});
  server.cli({"BGSAVE"});

  EXPECT_NO_THROW(server.save());

  EXPECT_TRUE(std::filesystem::exists(server.dir() / "dump.rdb"));
}

INSTANTIATE_TEST_SUITE_P(Servers, RedisServerOf, testing::ValuesIn(all_servers()),
                         [](const auto& server) { return to_test_name(server.param); });

}  // namespace
}  // namespace keyrewind::test
