#include "fake_source.h"
#include "on_server.h"
#include "replica/log_stream.h"
#include "replica/replication_info.h"

#include <gmock/gmock.h>

#include <thread>

namespace keyrewind::replica {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;

/// A log stream and how far it has come.
struct Log {
  std::unique_ptr<LogStream> stream;
  Position position;
  std::string bytes = {};

  /// Reads some; a test failure after 20 s without any.
  void read_some() {
    Bytes into(64 << 10);
    const std::size_t got = stream->receive(into, 20s);
    ASSERT_GT(got, 0U) << "nothing came";
    bytes += as_text(ByteView(into).first(got));
    position.offset += static_cast<std::int64_t>(got);
  }

  void read_up_to(std::int64_t offset) {
    while (position.offset < offset && !testing::Test::HasFatalFailure()) {
      read_some();
    }
    EXPECT_EQ(position.offset, offset);
  }
};

Log attach(const SourceOptions& options, const Position& position) {
  Log log{LogStream::attach(options, position, {}), position};
  if (log.stream == nullptr) {
    throw std::runtime_error("not attached");
  }
  log.position.replid = log.stream->replid();
  return log;
}

class LogOnServer : public OnServer {};

INSTANTIATE_TEST_SUITE_P(Servers, LogOnServer, testing::ValuesIn(test::all_servers()),
                         [](const auto& server) { return test::to_test_name(server.param); });

TEST_P(LogOnServer, FlowsWhileTheSnapshotIsStillUnread) {
  RedisServer server = start({"--rdb-key-save-delay", "100"});
  fill(server);
  SnapshotStream snapshot(options_for(server), {});

  Log log = attach(options_for(server), snapshot.position());
  server.cli({"SET", "after", "the snapshot began"});
  log.read_up_to(offset_of(server));

  EXPECT_THAT(log.bytes, HasSubstr("the snapshot began"));
  EXPECT_EQ(log.position.replid, server.info("master_replid"));
  EXPECT_THAT(read_all(snapshot), AllOf(HasSubstr("key:1"), testing::Not(HasSubstr("after"))));
  EXPECT_EQ(forks(server), "1");
}

TEST_P(LogOnServer, GivesEveryByteThatTheServerCounts) {
  RedisServer server = start();
  give_history(server);
  Log log = attach(options_for(server), info_of(options_for(server)).position);
  const std::int64_t begin = log.position.offset;
  std::jthread writer([&] {
    server.cli({"EVAL",
                "for i = 1, 3000 do redis.call('SET', 'key:' .. i % 10, string.rep('v', i)) end",
                "0"});
    server.cli({"SELECT", "3"});
    server.cli({"SET", "last", "write"});
  });
  while (log.bytes.find("$5\r\nwrite\r\n") == std::string::npos && !HasFatalFailure()) {
    log.read_some();
  }
  writer.join();

  log.read_up_to(offset_of(server));

  EXPECT_EQ(log.position.offset - begin, static_cast<std::int64_t>(log.bytes.size()));
  EXPECT_GT(log.bytes.size(), 4'000'000U);
}

TEST_P(LogOnServer, AttachesWithoutAFork) {
  RedisServer server = start();
  give_history(server);
  const std::string before = forks(server);
  const ReplicationInfo info = info_of(options_for(server));
  ASSERT_TRUE(can_continue(info, info.position));

  attach(options_for(server), info.position);

  EXPECT_EQ(forks(server), before);
  EXPECT_EQ(server.info("sync_full"), "1");
}

TEST_P(LogOnServer, IsListedAsAReplicaWithoutAPort) {
  RedisServer server = start();
  give_history(server);
  const Log log = attach(options_for(server), info_of(options_for(server)).position);
  EXPECT_THAT(server.info("slave0"), AllOf(HasSubstr("port=-1"), HasSubstr("state=online")));
  EXPECT_TRUE(info_of(options_for(server)).replicas.empty());
}

TEST_P(LogOnServer, TellsTheServerHowFarItIs) {
  RedisServer server = start();
  give_history(server);
  Log log = attach(options_for(server), info_of(options_for(server)).position);
  server.cli({"SET", "key", "value"});
  log.read_up_to(offset_of(server));

  log.stream->acknowledge(log.position.offset, 0);

  const std::string offset = ",offset=" + std::to_string(log.position.offset) + ",";
  wait_until("the offset at the server",
             [&] { return server.info("slave0").find(offset) != std::string::npos; });
}

TEST_P(LogOnServer, NeedsOnlyTwoRights) {
  RedisServer server = start();
  give_history(server);
  server.cli({"ACL", "SETUSER", "backup", "on", ">hunter2", "+psync", "+replconf"});
  const Position position = info_of(options_for(server)).position;
  Log log = attach(as_user(server, "backup", "hunter2"), position);
  server.cli({"SET", "key", "value"});
  log.read_up_to(offset_of(server));
}

TEST_P(LogOnServer, SaysWhichRightsAreMissing) {
  RedisServer server = start();
  give_history(server);
  const Position position = info_of(options_for(server)).position;
  server.cli({"ACL", "SETUSER", "backup", "on", ">hunter2", "+replconf"});
  const SourceOptions options = as_user(server, "backup", "hunter2");

  const Error psync = error_of([&] { LogStream::attach(options, position, {}); });
  EXPECT_EQ(psync.kind(), ErrorKind::denied);
  EXPECT_THAT(psync.what(), EndsWith("run: ACL SETUSER backup +psync +replconf"));

  const Error info = error_of([&] { info_of(options); });
  EXPECT_EQ(info.kind(), ErrorKind::denied);
  EXPECT_THAT(info.what(), EndsWith("run: ACL SETUSER backup +psync +replconf +info"));
}

TEST_P(LogOnServer, SaysThatItWasKilled) {
  RedisServer server = start();
  give_history(server);
  Log log = attach(options_for(server), info_of(options_for(server)).position);
  server.cli({"SET", "key", "value"});
  const std::int64_t offset = offset_of(server);
  server.kill();

  log.read_up_to(offset);
  const Error error = error_of([&] { log.read_some(); });

  EXPECT_EQ(error.kind(), ErrorKind::unavailable);
  EXPECT_EQ(error.side(), Side::source);
}

TEST_P(LogOnServer, ComesBackWhereItWas) {
  RedisServer server = start();
  give_history(server);
  Log log = attach(options_for(server), info_of(options_for(server)).position);
  server.cli({"CLIENT", "KILL", "TYPE", "replica"});
  EXPECT_EQ(error_of([&] { log.read_some(); }).kind(), ErrorKind::unavailable);
  server.cli({"SET", "key", "written meanwhile"});

  Log next = attach(options_for(server), log.position);
  next.read_up_to(offset_of(server));

  EXPECT_THAT(next.bytes, HasSubstr("written meanwhile"));
  EXPECT_EQ(server.info("sync_full"), "1");
}

TEST_P(LogOnServer, GetsTheLastWriteOfAServerThatShutsDown) {
  RedisServer server = start();
  give_history(server);
  Log log = attach(options_for(server), info_of(options_for(server)).position);
  server.cli({"SET", "key", "the last write"});
  ::kill(server.pid(), SIGTERM);

  const Error error = error_of([&] {
    while (true) {
      log.read_some();
      log.stream->acknowledge(log.position.offset, 0);
    }
  });

  EXPECT_EQ(error.kind(), ErrorKind::unavailable);
  EXPECT_THAT(log.bytes, HasSubstr("the last write"));
  server.stop();
}

TEST_P(LogOnServer, IsRefusedAPositionThatIsGoneWithoutAFork) {
  RedisServer server = start({"--repl-backlog-size", "16kb"});
  give_history(server);
  server.cli({"CONFIG", "SET", "repl-diskless-sync-delay", "5"});  // As it is by default.
  const Position position = info_of(options_for(server)).position;
  const std::string before = forks(server);
  wait_until("the loss of the position", [&] {
    server.cli({"SET", "key", std::string(20'000, 'x')});
    return !can_continue(info_of(options_for(server)), position);
  });

  EXPECT_EQ(LogStream::attach(options_for(server), position, {}), nullptr);

  wait_until("its end at the server", [&] { return server.info("connected_slaves") == "0"; });
  EXPECT_EQ(forks(server), before);
}

TEST_P(LogOnServer, IsRefusedAPositionThatIsNotYet) {
  RedisServer server = start();
  give_history(server);
  Position position = info_of(options_for(server)).position;
  ++position.offset;

  EXPECT_FALSE(can_continue(info_of(options_for(server)), position));
  EXPECT_EQ(LogStream::attach(options_for(server), position, {}), nullptr);
}

TEST_P(LogOnServer, IsRefusedTheHistoryOfAnotherServer) {
  RedisServer server = start();
  give_history(server);
  Position position = info_of(options_for(server)).position;
  position.replid = std::string(40, 'a');

  EXPECT_FALSE(can_continue(info_of(options_for(server)), position));
  EXPECT_EQ(LogStream::attach(options_for(server), position, {}), nullptr);
}

TEST_P(LogOnServer, KnowsThatAFreshServerCannotContinue) {
  const RedisServer server = start();
  const ReplicationInfo info = info_of(options_for(server));
  EXPECT_FALSE(info.backlog_active);
  EXPECT_FALSE(can_continue(info, info.position));
}

TEST_P(LogOnServer, HopsToASiblingWithoutAFullSync) {
  RedisServer primary = start({}, true);
  RedisServer replica = start_replica(primary);
  wait_for_link(replica);
  Log log = attach(options_for(primary), info_of(options_for(primary)).position);
  primary.cli({"SET", "key", "value"});
  log.read_up_to(offset_of(primary));
  wait_for_same_offset(primary, replica);
  ASSERT_TRUE(can_continue(info_of(options_for(replica)), log.position));

  Log hopped = attach(options_for(replica), log.position);
  primary.cli({"SET", "key", "through the replica"});
  hopped.read_up_to(offset_of(primary));

  EXPECT_THAT(hopped.bytes, HasSubstr("through the replica"));
  EXPECT_EQ(hopped.position.replid, log.position.replid);
  EXPECT_EQ(primary.info("sync_full"), "1");  // The replica's own.
  EXPECT_EQ(replica.info("sync_full"), "0");
}

TEST_P(LogOnServer, ContinuesUnderTheNewIdAfterAFailover) {
  RedisServer primary = start({}, true);
  RedisServer replica = start_replica(primary);
  wait_for_link(replica);
  Log log = attach(options_for(primary), info_of(options_for(primary)).position);
  primary.cli({"SET", "key", "value"});
  log.read_up_to(offset_of(primary));
  wait_for_same_offset(primary, replica);
  replica.cli({"REPLICAOF", "NO", "ONE"});
  replica.cli({"SET", "key", "written to the new primary"});
  ASSERT_TRUE(can_continue(info_of(options_for(replica)), log.position));

  Log next = attach(options_for(replica), log.position);
  next.read_up_to(offset_of(replica));

  EXPECT_NE(next.position.replid, log.position.replid);
  EXPECT_EQ(next.position.replid, replica.info("master_replid"));
  EXPECT_THAT(next.bytes, HasSubstr("written to the new primary"));
  EXPECT_EQ(replica.info("sync_full"), "0");

  // What only the old primary has belongs to no history of the new one.
  primary.cli({"SET", "key", "written to the old primary"});
  log.read_up_to(offset_of(primary));
  EXPECT_FALSE(can_continue(info_of(options_for(replica)), log.position));
  EXPECT_EQ(LogStream::attach(options_for(replica), log.position, {}), nullptr);
}

TEST_P(LogOnServer, WaitsForAReplicaThatHasNoLink) {
  RedisServer primary = start({}, true);
  RedisServer replica = start_replica(primary);
  wait_for_link(replica);
  const Position position = info_of(options_for(replica)).position;
  primary.kill();
  wait_until("the loss of the link", [&] { return replica.info("master_link_status") == "down"; });

  EXPECT_FALSE(can_continue(info_of(options_for(replica)), position));
  const Error error = error_of([&] { LogStream::attach(options_for(replica), position, {}); });
  EXPECT_EQ(error.kind(), ErrorKind::unavailable);
  EXPECT_THAT(error.what(), HasSubstr("is a replica without a link"));
}

using LogOnServerWithWaitAof = LogOnServer;
INSTANTIATE_TEST_SUITE_P(Servers, LogOnServerWithWaitAof,
                         testing::Values("redis-server-8.0", "valkey-server-8.0",
                                         "valkey-server-8.1", "valkey-server-9.1"),
                         [](const auto& server) { return test::to_test_name(server.param); });

TEST_P(LogOnServerWithWaitAof, LetsItReturnOnceTheWriteIsDurable) {
  RedisServer server = start();
  give_history(server);
  Log log = attach(options_for(server), info_of(options_for(server)).position);
  const std::int64_t before = log.position.offset;
  server.cli({"SET", "key", "value"});
  log.read_up_to(offset_of(server));
  const std::int64_t written = log.position.offset;

  log.stream->acknowledge(written, before);
  EXPECT_EQ(server.cli({"WAIT", "1", "20000"}), "1");
  EXPECT_EQ(server.cli({"WAITAOF", "0", "1", "100"}), "0\n0");

  log.stream->acknowledge(written, written);
  EXPECT_EQ(server.cli({"WAITAOF", "0", "1", "20000"}), "0\n1");
}

class LogOnTlsServer : public OnTlsServer {};
INSTANTIATE_TEST_SUITE_P(Servers, LogOnTlsServer, testing::ValuesIn(test::all_servers()),
                         [](const auto& server) { return test::to_test_name(server.param); });

TEST_P(LogOnTlsServer, GivesEveryByte) {
  RedisServer server = start();
  const SourceOptions options = listen_with_tls(server);
  const SnapshotStream snapshot(options, {});
  Log log = attach(options, snapshot.position());

  server.cli({"EVAL",
              "for i = 1, 1000 do redis.call('SET', 'key:' .. i % 10, string.rep('v', i)) end",
              "0"});
  log.read_up_to(std::stoll(server.info("master_repl_offset")));

  EXPECT_GT(log.bytes.size(), 500'000U);
  log.stream->wake();
  Bytes into(1);
  EXPECT_EQ(log.stream->receive(into, 1h), 0U);
}

}  // namespace
}  // namespace keyrewind::replica
