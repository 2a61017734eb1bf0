// Streams of real servers: what they send is framed to the byte, and what is made of it is loaded
// by them, and found sound by their own checkers.

#include "aof/framer.h"
#include "aof/increment.h"
#include "aof/layout.h"
#include "support/process.h"
#include "support/redis_server.h"
#include "support/temp_dir.h"
#include "unit/aof/replica_tap.h"
#include "unit/aof/streams.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

namespace keyrewind::aof {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;
using test::encode;
using test::frame_in;
using test::Framed;
using test::RedisServer;
using test::RespClient;
using test::stream_of;
using testing::ElementsAre;

void call(RespClient& client, const std::vector<std::vector<std::string>>& commands) {
  for (const auto& command : commands) {
    const test::Reply reply = client.call(command);
    ASSERT_FALSE(reply.is_error()) << command[0] << ": " << reply.text;
  }
}

/// Transactions over several databases, scripts, a function, binary and large values, expiries.
void write_much(RedisServer& server) {
  RespClient client = server.connect();
  const std::string binary("\r\n*1\r\n$4\r\nEXEC\r\n\0\xff", 19);
  call(client,
       {{"SET", "plain", "1"},
        {"SET", binary, binary},
        {"SET", "large", std::string(300000, '\n')},
        {"SET", "empty", ""},
        {"SET", "soon", "x", "EX", "100000"},
        {"INCRBYFLOAT", "float", "1.5"},
        {"SELECT", "5"},
        {"SADD", "set", "a", "b", "c", "d", "e"},
        {"SPOP", "set", "2"},
        {"XADD", "stream", "MAXLEN", "~", "10", "*", "field", "value"},
        {"MULTI"},
        {"HSET", "hash", "f", "v"},
        {"SELECT", "11"},
        {"LPUSH", "list", "1", "2", "3"},
        {"SELECT", "5"},
        {"ZADD", "sorted", "1.5", "m"},
        {"EXEC"},
        {"EVAL",
         "redis.call('set', KEYS[1], 1) redis.call('select', 3) redis.call('Set', KEYS[1], 2)", "1",
         "by-script"},
        {"FUNCTION", "LOAD",
         "#!lua name=lib\nredis.register_function('f', function(keys) "
         "redis.call('incr', keys[1]) return redis.call('incr', keys[1]) end)"},
        {"FCALL", "f", "1", "by-function"},
        {"COPY", "set", "copied", "DB", "2"},
        {"MOVE", "hash", "2"},
        {"EXPIRE", "list", "1000"},
        {"PUBLISH", "channel", "message"},
        {"WAIT", "1", "1"},
        {"SELECT", "9"},
        {"SET", "last", "here"}});
}

/// What a person might regret, in databases 1, 7 and 8.
void destroy_much(RedisServer& server) {
  RespClient client = server.connect();
  call(client, {{"SELECT", "7"},
                {"SET", "a", "1"},
                {"SWAPDB", "7", "8"},
                {"FLUSHDB"},
                test::many("MSET", 4000),
                {"SELECT", "1"},
                {"EVAL", "for i = 1, 1500 do redis.call('set', 'k' .. i, i) end", "0"},
                {"EVAL",
                 "local keys = {} for i = 1, 1500 do keys[i] = 'k' .. i end "
                 "return redis.call('unlink', unpack(keys))",
                 "0"},
                {"MULTI"},
                {"SET", "b", "1"},
                {"FLUSHDB", "ASYNC"},
                {"EXEC"},
                {"FUNCTION", "FLUSH"},
                {"FLUSHALL"}});
}

/// The number of commands, by the simplest of ways.
std::uint64_t count_commands(std::string_view stream) {
  std::uint64_t commands = 0;
  const auto number = [&] {
    const std::size_t end = stream.find("\r\n");
    const std::uint64_t value = std::stoull(std::string(stream.substr(1, end - 1)));
    stream.remove_prefix(end + 2);
    return value;
  };
  for (; !stream.empty(); ++commands) {
    for (std::uint64_t words = number(); words > 0; --words) {
      stream.remove_prefix(number() + 2);
    }
  }
  return commands;
}

class StreamOf : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { test::require_server(GetParam()); }

  std::string read(RedisServer& server, test::ReplicaTap& tap) const {
    return tap.read_up_to(std::stoll(server.info("master_repl_offset")));
  }

  /// The name of the server's own tool.
  static std::string checker() {
    std::string name = GetParam();
    return name.replace(name.find("-server-"), 8, "-check-aof-");
  }
};

TEST_P(StreamOf, IsFramedToTheByte) {
  RedisServer server({.program = GetParam()});
  test::ReplicaTap tap(server.socket_path());
  write_much(server);
  const std::string stream = read(server, tap);
  const std::int64_t end = tap.offset() + static_cast<std::int64_t>(stream.size());
  std::mt19937 random(1);

  for (const std::size_t most : {1U, 5U, 50U, 5000U, 1000000U}) {
    const Framed framed = frame_in(
        stream, [&] { return 1 + random() % most; }, tap.offset(), std::nullopt);

    EXPECT_EQ(framed.error, "");
    EXPECT_EQ(framed.offset, end);
    EXPECT_EQ(framed.safe, end);
    EXPECT_EQ(framed.safe_database, 9U);
    EXPECT_EQ(framed.commands, count_commands(stream));
    EXPECT_GE(framed.acknowledgements_wanted, 1U);
    EXPECT_TRUE(framed.noted.empty());
  }
}

TEST_P(StreamOf, ShowsWhatDestroysMuch) {
  RedisServer server({.program = GetParam()});
  test::ReplicaTap tap(server.socket_path());
  destroy_much(server);
  const std::string stream = read(server, tap);

  const Framed framed = frame_in(
      stream, [] { return 1000; }, tap.offset(), std::nullopt);

  std::vector<std::string> noted;
  std::int64_t last = tap.offset();
  for (const NotedCommand& command : framed.noted) {
    noted.push_back(fmt::format("{} in {}", command.command, command.database.value_or(99)));
    EXPECT_LT(command.before, command.end);
    EXPECT_GE(command.before, last);
    last = command.end;
    const std::string before =
        stream.substr(0, static_cast<std::size_t>(command.before - tap.offset()));
    EXPECT_EQ(frame_in(
                  before, [] { return 1000; }, tap.offset())
                  .safe,
              command.before);
  }
  EXPECT_THAT(noted, ElementsAre("SWAPDB in 7", "FLUSHDB in 7", "UNLINK of 1500 keys in 1",
                                 "FLUSHDB in 1", "FUNCTION FLUSH in 1", "FLUSHALL in 1"));
  EXPECT_EQ(framed.safe, framed.offset);
}

/// A data folder with a base and an increment that grows.
class Restored {
 public:
  explicit Restored(const test::ReplicaTap& tap)
      : increment_(prepare(tap), std::ios::binary),
        writer_(tap.offset(), 0, [this](ByteView bytes) { increment_ << as_text(bytes); }) {}

  void append(std::string_view stream, std::int64_t second) {
    writer_.append(as_bytes(stream), Timestamp(seconds(second)));
  }

  IncrementWriter& writer() { return writer_; }

  void finish() {
    writer_.finish();
    increment_.close();
  }

  const fs::path& dir() const { return dir_.path(); }
  fs::path folder() const { return dir_ / Names().folder; }
  fs::path manifest() const { return folder() / Names().manifest_file(); }

 private:
  /// Writes what is around the increment, and gives the path of that.
  fs::path prepare(const test::ReplicaTap& tap) const {
    fs::create_directories(folder());
    std::ofstream(folder() / Names().base_file(), std::ios::binary) << tap.rdb();
    std::ofstream(manifest()) << manifest_of({});
    return folder() / Names().increment_file();
  }

  test::TempDir dir_;
  std::ofstream increment_;
  IncrementWriter writer_;
};

class IncrementOf : public StreamOf {
 protected:
  RedisServer start(const Restored& restored) const {
    return RedisServer(
        {.program = GetParam(), .args = {"--appendonly", "yes"}, .dir = restored.dir()});
  }
};

TEST_P(IncrementOf, MakesAServerWhatTheSourceWas) {
  RedisServer source({.program = GetParam()});
  source.cli({"SET", "in-base", "1"});
  test::ReplicaTap tap(source.socket_path());
  write_much(source);
  const std::string stream = read(source, tap);
  Restored restored(tap);
  std::int64_t second = 1700000000;
  for (std::string_view rest = stream; !rest.empty(); ++second) {
    restored.append(rest.substr(0, 97), second);
    rest = rest.substr(std::min<std::size_t>(97, rest.size()));
  }
  restored.finish();

  RedisServer server = start(restored);

  EXPECT_EQ(server.digest(), source.digest());
  EXPECT_EQ(server.dbsize(), source.dbsize());
  EXPECT_EQ(server.functions(), source.functions());
  EXPECT_GE(restored.writer().commands(), 20U);
}

TEST_P(IncrementOf, IsSoundForTheServersOwnCheckerAndCutByItsTimes) {
  test::require_server(checker());
  if (testing::Test::IsSkipped() || testing::Test::HasFatalFailure()) {
    return;
  }
  const std::string tool = *test::find_server(checker());
  RedisServer source({.program = GetParam()});
  test::ReplicaTap tap(source.socket_path());
  Restored restored(tap);
  write_much(source);
  restored.append(read(source, tap), 1000);
  const std::string digest = source.digest();
  destroy_much(source);
  restored.append(read(source, tap), 2000);
  restored.finish();

  const auto check = test::run({tool, restored.manifest().string()});
  const auto cut =
      test::run({tool, "--truncate-to-timestamp", "1999", restored.manifest().string()});

  EXPECT_EQ(check.status, 0) << check.out << check.err;
  EXPECT_EQ(cut.status, 0) << cut.out << cut.err;
  EXPECT_EQ(start(restored).digest(), digest);
}

TEST_P(IncrementOf, IsLoadedWithoutTheClusterCommandsOfTheStream) {
  RedisServer source({.program = GetParam()});
  test::ReplicaTap tap(source.socket_path());
  Restored restored(tap);
  restored.append(stream_of({{"SELECT", "0"},
                             {"CLUSTER", "SYNCSLOTS", "ESTABLISH", "x"},
                             {"SET", "a", "1"},
                             {"MULTI"},
                             {"cluster", "SETSLOT", "1", "NODE", "x"},
                             {"EXEC"},
                             {"REPLCONF", "GETACK", "*"},
                             {"ping"},
                             {"SET", "b", "1"}}),
                  1000);
  restored.finish();

  RedisServer server = start(restored);

  EXPECT_EQ(server.cli({"MGET", "a", "b"}), "1\n1");
  EXPECT_EQ(restored.writer().left_out(), 2U);
}

INSTANTIATE_TEST_SUITE_P(Servers, StreamOf, testing::ValuesIn(test::all_servers()),
                         [](const auto& server) { return test::to_test_name(server.param); });
INSTANTIATE_TEST_SUITE_P(Servers, IncrementOf, testing::ValuesIn(test::all_servers()),
                         [](const auto& server) { return test::to_test_name(server.param); });

}  // namespace
}  // namespace keyrewind::aof
