#include "fake_source.h"
#include "on_server.h"
#include "replica/server_info.h"
#include "replica/snapshot_stream.h"
#include "support/redis_server.h"

#include <gmock/gmock.h>

#include <csignal>
#include <thread>

namespace keyrewind::replica {
namespace {

using test::RedisServer;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::Key;
using testing::Not;
using testing::Pair;
using testing::StartsWith;
using testing::UnorderedElementsAre;

INSTANTIATE_TEST_SUITE_P(Servers, OnServer, testing::ValuesIn(test::all_servers()),
                         [](const auto& server) { return test::to_test_name(server.param); });

TEST_P(OnServer, GivesAWholeSnapshotOverAUnixSocket) {
  RedisServer server = start();
  fill(server);

  SnapshotStream stream(options_for(server), {});
  const std::string rdb = read_all(stream);

  EXPECT_EQ(stream.length(), std::nullopt);
  EXPECT_EQ(stream.position().replid, server.info("master_replid"));
  EXPECT_GE(stream.position().offset, 0);
  EXPECT_THAT(
      GetParam(),
      HasSubstr(stream.greeting().server.product == rdb::ServerVersion::Product::valkey ? "valkey"
                                                                                        : "redis"));
  expect_same_data(server, rdb);
}

TEST_P(OnServer, GivesAWholeSnapshotOverTcp) {
  RedisServer server = start({}, true);
  fill(server);
  SnapshotStream stream(options_for(server), {});
  expect_same_data(server, read_all(stream));
}

TEST_P(OnServer, GivesASnapshotOfKnownLengthWhenItSavesToDisk) {
  RedisServer server = start({"--repl-diskless-sync", "no"});
  fill(server);

  SnapshotStream stream(options_for(server), {});
  const std::string rdb = read_all(stream);

  // A Valkey 9 streams all the same when it has to write another RDB version than its own.
  EXPECT_EQ(stream.length(), rdb.size());
  expect_same_data(server, rdb);
}

using OnServerWithFieldTtls = OnServer;
INSTANTIATE_TEST_SUITE_P(Servers, OnServerWithFieldTtls,
                         testing::Values("redis-server-8.0", "valkey-server-9.1"),
                         [](const auto& server) { return test::to_test_name(server.param); });

TEST_P(OnServerWithFieldTtls, GivesASnapshotWithThem) {
  RedisServer server = start();
  server.cli({"HSET", "hash", "a", "1", "b", "2"});
  server.cli({"HEXPIRE", "hash", "1000", "FIELDS", "1", "a"});
  SnapshotStream stream(options_for(server), {});
  expect_same_data(server, read_all(stream));
}

TEST_P(OnServer, IsNotListedAsAReplicaWithAPort) {
  RedisServer server = start({"--repl-diskless-sync-delay", "3600"});
  const std::jthread attached([&](const std::stop_token& stop) {
    error_of([&] {
      SnapshotStream stream(options_for(server), stop);
      read_all(stream);
    });
  });
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (server.info("slave0").empty() && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_THAT(server.info("slave0"), HasSubstr("port=-1"));
}

TEST_P(OnServer, NeedsOnlyTwoRights) {
  RedisServer server = start();
  fill(server);
  server.cli({"ACL", "SETUSER", "backup", "on", ">hunter2", "+psync", "+replconf"});
  SnapshotStream stream(as_user(server, "backup", "hunter2"), {});
  expect_same_data(server, read_all(stream));
}

TEST_P(OnServer, SaysWhichRightsAreMissing) {
  RedisServer server = start();
  server.cli({"ACL", "SETUSER", "backup", "on", ">hunter2"});
  const std::string help = "run: ACL SETUSER backup +psync +replconf";
  const Error replconf =
      error_of([&] { SnapshotStream(as_user(server, "backup", "hunter2"), {}); });
  EXPECT_EQ(replconf.kind(), ErrorKind::denied);
  EXPECT_THAT(replconf.what(), AllOf(HasSubstr("may not run REPLCONF"), EndsWith(help)));

  server.cli({"ACL", "SETUSER", "backup", "+replconf"});
  const Error psync = error_of([&] { SnapshotStream(as_user(server, "backup", "hunter2"), {}); });
  EXPECT_EQ(psync.kind(), ErrorKind::denied);
  EXPECT_THAT(psync.what(), AllOf(HasSubstr("may not run PSYNC"), EndsWith(help)));
}

TEST_P(OnServer, RefusesAWrongPasswordAndNone) {
  const RedisServer server = start({}, false, "hunter2");
  const Error wrong = error_of([&] { Connection(as_user(server, "", "wrong"), {}); });
  EXPECT_EQ(wrong.kind(), ErrorKind::denied);
  EXPECT_THAT(wrong.what(), HasSubstr("refused the password of user 'default'"));

  const Error none = error_of([&] { Connection(options_for(server), {}); });
  EXPECT_EQ(none.kind(), ErrorKind::denied);
  EXPECT_THAT(none.what(), HasSubstr("wants a password; set source.password_file"));

  EXPECT_NO_THROW(Connection(as_user(server, "", "hunter2"), {}));
}

TEST_P(OnServer, SaysThatItIsAReplicaWithoutALink) {
  const RedisServer server = start({"--replicaof", "127.0.0.1 1"});
  const Error error = error_of([&] { SnapshotStream(options_for(server), {}); });
  EXPECT_EQ(error.kind(), ErrorKind::unavailable);
  EXPECT_THAT(error.what(), HasSubstr("is a replica without a link to its primary"));
}

TEST_P(OnServer, SaysThatItDiedWhileItSent) {
  RedisServer server = start({"--rdb-key-save-delay", "1000"});
  fill(server);
  SnapshotStream stream(options_for(server), {});
  server.kill();
  const Error error = error_of([&] { read_all(stream); });
  EXPECT_EQ(error.kind(), ErrorKind::unavailable);
  EXPECT_EQ(error.side(), Side::source);
}

TEST_P(OnServer, SaysThatItsChildDied) {
  RedisServer server = start({"--rdb-key-save-delay", "1000"});
  fill(server);
  SnapshotStream stream(options_for(server), {});
  Bytes into(4096);
  ASSERT_GT(stream.read(into), 0U);  // The server answers before it forks.
  ::kill(child_of(server), SIGKILL);
  EXPECT_THAT(error_of([&] { read_all(stream); }).what(), HasSubstr("its log says why"));
}

using OnValkey = OnServer;
INSTANTIATE_TEST_SUITE_P(Servers, OnValkey,
                         testing::Values("valkey-server-8.0", "valkey-server-8.1",
                                         "valkey-server-9.1"),
                         [](const auto& server) { return test::to_test_name(server.param); });

TEST_P(OnValkey, TellsItsRealVersionInCompatibilityMode) {
  const RedisServer server = start({"--extended-redis-compatibility", "yes"});
  const Connection connection(options_for(server), {});
  EXPECT_THAT(GetParam(), HasSubstr(connection.greeting().version_text.substr(0, 3)));
  EXPECT_EQ(connection.greeting().server.product, rdb::ServerVersion::Product::valkey);
}

TEST_P(OnServer, TellsEverythingOfItselfToAUserWhoMayAsk) {
  RedisServer server = start();
  fill(server);
  server.cli({"ACL", "SETUSER", "backup", "on", ">hunter2", "+psync", "+replconf", "+info",
              "+config|get", "+acl|list"});
  Connection connection(as_user(server, "backup", "hunter2"), {});

  const ServerInfo info = ask_server_info(connection);

  EXPECT_THAT(GetParam(), StartsWith(info.product));
  EXPECT_THAT(GetParam(), EndsWith(info.version.substr(0, 3)));
  EXPECT_EQ(info.role, "primary");
  EXPECT_EQ(info.mode, "standalone");
  EXPECT_EQ(info.keys, kKeys + 1);
  EXPECT_GT(info.used_memory.value_or(0), 100'000U);
  EXPECT_THAT(info.missing, IsEmpty());
}

TEST_P(OnServer, TellsOfItsOptionsOnlyWhatWasSet) {
  const RedisServer server = start();
  Connection connection(options_for(server), {});
  const ServerInfo info = ask_server_info(connection);
  EXPECT_THAT(
      info.config,
      UnorderedElementsAre(Pair("bind", "127.0.0.1"), Pair("dir", server.dir().string()),
                           Pair("enable-debug-command", "local"), Key("logfile"), Pair("port", "0"),
                           Pair("repl-diskless-sync-delay", "0"), Pair("save", ""),
                           Pair("unixsocket", server.socket_path().string())));
  EXPECT_THAT(info.secrets_left_out, IsEmpty());
}

TEST_P(OnServer, NeverTellsSecrets) {
  RedisServer server =
      start({"--masterauth", "sesame", "--masteruser", "replicator"}, false, "hunter2");
  Connection connection(as_user(server, "", "hunter2"), {});

  const ServerInfo info = ask_server_info(connection);

  EXPECT_THAT(info.config, Contains(Pair("masteruser", "replicator")));
  EXPECT_THAT(info.config, Not(Contains(Key("masterauth"))));
  EXPECT_THAT(info.config, Not(Contains(Key("requirepass"))));
  EXPECT_THAT(info.secrets_left_out, IsSupersetOf({"masterauth", "requirepass"}));
  for (const auto& [name, value] : info.config) {
    EXPECT_THAT(value, AllOf(Not(HasSubstr("hunter2")), Not(HasSubstr("sesame")))) << name;
  }
}

TEST_P(OnServer, NeverTellsPasswordHashes) {
  RedisServer server = start();
  server.cli({"ACL", "SETUSER", "writer", "on", ">one", ">two", "~orders:*", "+set"});
  Connection connection(options_for(server), {});

  const ServerInfo info = ask_server_info(connection);

  ASSERT_EQ(info.acl_users.size(), 2U);
  EXPECT_THAT(info.acl_users,
              Contains(AllOf(StartsWith("user writer on "), HasSubstr("#(left out) #(left out) "),
                             HasSubstr("~orders:*"), HasSubstr("+set"))));
}

TEST_P(OnServer, SaysWhatItMayNotTell) {
  RedisServer server = start();
  server.cli({"ACL", "SETUSER", "backup", "on", ">hunter2", "+psync", "+replconf"});
  Connection connection(as_user(server, "backup", "hunter2"), {});

  const ServerInfo info = ask_server_info(connection);

  EXPECT_EQ(info.keys, std::nullopt);
  EXPECT_EQ(info.used_memory, std::nullopt);
  EXPECT_THAT(info.config, IsEmpty());
  EXPECT_THAT(info.acl_users, IsEmpty());
  EXPECT_THAT(info.missing, ElementsAre("info: this user may not run INFO (+info)",
                                        "config: this user may not run CONFIG GET (+config|get)",
                                        "acl: this user may not run ACL LIST (+acl|list)"));
}

INSTANTIATE_TEST_SUITE_P(Servers, OnTlsServer, testing::ValuesIn(test::all_servers()),
                         [](const auto& server) { return test::to_test_name(server.param); });

TEST_P(OnTlsServer, GivesAWholeSnapshotWithCertificates) {
  RedisServer server = start();
  fill(server);
  SourceOptions options = listen_with_tls(server);
  options.tls.server_name = "node.example";
  SnapshotStream stream(options, {});
  expect_same_data(server, read_all(stream));
}

TEST_P(OnTlsServer, WantsAClientCertificate) {
  RedisServer server = start();
  SourceOptions options = listen_with_tls(server);
  options.tls.cert_file.clear();
  options.tls.key_file.clear();
  const Error error = error_of([&] { Connection(options, {}); });
  EXPECT_EQ(error.kind(), ErrorKind::denied);
  EXPECT_THAT(error.what(), HasSubstr("wants a client certificate"));
}

TEST_P(OnTlsServer, RefusesTheCertificateOfAStranger) {
  RedisServer server = start();
  SourceOptions options = listen_with_tls(server);
  options.tls.cert_file = files().stranger_cert();
  options.tls.key_file = files().stranger_key();
  const Error error = error_of([&] { Connection(options, {}); });
  EXPECT_EQ(error.kind(), ErrorKind::denied);
  EXPECT_THAT(error.what(), HasSubstr("refused our certificate"));
}

TEST_P(OnTlsServer, IsNotTrustedUnderAnotherName) {
  RedisServer server = start();
  SourceOptions options = listen_with_tls(server);
  options.tls.server_name = "other.example";
  const Error error = error_of([&] { Connection(options, {}); });
  EXPECT_EQ(error.kind(), ErrorKind::denied);
  EXPECT_THAT(error.what(), HasSubstr("source.tls.server_name"));
}

TEST_P(OnTlsServer, HelpsThoseWhoMixUpTheSchemes) {
  RedisServer server = start({}, true);
  SourceOptions tls_port_in_plain = listen_with_tls(server);
  tls_port_in_plain.address.transport = Address::Transport::tcp;
  EXPECT_THAT(error_of([&] { Connection(tls_port_in_plain, {}); }).what(), HasSubstr("valkeys://"));

  SourceOptions plain_port_with_tls = options_for(server);
  plain_port_with_tls.address.transport = Address::Transport::tls;
  plain_port_with_tls.tls.ca_file = files().ca_cert();
  plain_port_with_tls.connect_timeout = std::chrono::milliseconds(300);
  EXPECT_THAT(error_of([&] { Connection(plain_port_with_tls, {}); }).what(),
              HasSubstr("valkey://"));
}

}  // namespace
}  // namespace keyrewind::replica
