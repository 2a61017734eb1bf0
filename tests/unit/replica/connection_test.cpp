#include "replica/connection.h"

#include "fake_source.h"
#include "support/temp_dir.h"

#include <gmock/gmock.h>

namespace keyrewind::replica {
namespace {

using namespace std::chrono_literals;
using test::expect;
using test::FakeServer;
using test::send;
using test::stay_silent;
using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::Pair;
using testing::UnorderedElementsAre;
using Product = rdb::ServerVersion::Product;

Error refusal(const SourceOptions& options) {
  return error_of([&] { Connection(options, {}); });
}

Error refusal(std::vector<test::Step> script, FakeServer::Transport transport) {
  FakeServer server(std::move(script), transport);
  return refusal(options_for(server));
}

Error answer_to_hello(const std::string& bytes) {
  return refusal({expect("HELLO 2"), send(bytes)}, FakeServer::Transport::tcp);
}

TEST(Connection, LearnsFromTheGreetingWhoTheServerIs) {
  FakeServer server({expect("HELLO 2"), send(greeting_of("valkey", "9.1.2", "cluster"))});

  const Connection connection(options_for(server), {});

  const Greeting& greeting = connection.greeting();
  EXPECT_EQ(greeting.server, (rdb::ServerVersion{Product::valkey, 9, 1, 2}));
  EXPECT_EQ(greeting.version_text, "9.1.2");
  EXPECT_EQ(greeting.mode, "cluster");
  EXPECT_EQ(greeting.role, "master");
  EXPECT_THAT(greeting.modules, UnorderedElementsAre(Pair("bf", "80207")));
}

TEST(Connection, UnderstandsAGreetingThatComesByteByByte) {
  FakeServer server({expect("HELLO 2"), test::send_each_byte(greeting_of("redis", "7.0.15"))});
  EXPECT_EQ(Connection(options_for(server), {}).greeting().version_text, "7.0.15");
}

TEST(Connection, AuthenticatesAsTheNamedUser) {
  FakeServer server({expect("HELLO 2 AUTH backup hunter2"), send(greeting_of("redis", "7.0.15"))});
  SourceOptions options = options_for(server);
  options.username = "backup";
  options.password = Secret("hunter2");

  EXPECT_NO_THROW(Connection(options, {}));
  EXPECT_EQ(server.finish(), "");
}

TEST(Connection, AuthenticatesAsTheDefaultUserWithAPasswordOnly) {
  FakeServer server({expect("HELLO 2 AUTH default hunter2"), send(greeting_of("redis", "7.0.15"))});
  SourceOptions options = options_for(server);
  options.password = Secret("hunter2");

  EXPECT_NO_THROW(Connection(options, {}));
  EXPECT_EQ(server.finish(), "");
}

TEST(Connection, LooksBehindAValkeyThatPlaysRedis) {
  FakeServer server({expect("HELLO 2"), send(greeting_of("redis", "7.2.4")), expect("INFO server"),
                     send(bulk("# Server\r\nredis_version:7.2.4\r\nvalkey_version:9.1.2\r\n"))});
  const Connection connection(options_for(server), {});
  EXPECT_EQ(connection.greeting().server, (rdb::ServerVersion{Product::valkey, 9, 1, 2}));
}

TEST(Connection, BelievesTheGreetingWhenItMayNotAsk) {
  FakeServer server({expect("HELLO 2"), send(greeting_of("redis", "7.2.4")), expect("INFO server"),
                     send("-NOPERM no\r\n")});
  const Connection connection(options_for(server), {});
  EXPECT_EQ(connection.greeting().server, (rdb::ServerVersion{Product::redis, 7, 2, 4}));
}

TEST(Connection, GivesTheReplyOrTheErrorReply) {
  FakeServer server({expect("HELLO 2"), send(greeting_of("redis", "7.0.15")), expect("GET a"),
                     send("$1\r\nx\r\n"), expect("CONFIG GET *"), send("-NOPERM no\r\n"),
                     expect("CONFIG GET *"), send("-NOPERM no\r\n")});
  Connection connection(options_for(server), {});

  EXPECT_EQ(connection.call({"GET", "a"}).text, "x");
  EXPECT_EQ(connection.call({"CONFIG", "GET", "*"}).error_code(), "NOPERM");
  EXPECT_THAT(error_of([&] {
                connection.call_or_throw({"CONFIG", "GET", "*"});
              }).what(),
              HasSubstr("may not run CONFIG GET"));
}

TEST(Connection, SaysThatTheServerHungUp) {
  FakeServer server({expect("HELLO 2"), send(greeting_of("redis", "7.0.15")), expect("INFO")});
  Connection connection(options_for(server), {});
  const Error error = error_of([&] { connection.call({"INFO"}); });
  EXPECT_EQ(error.kind(), ErrorKind::unavailable);
  EXPECT_THAT(error.what(), HasSubstr("closed the connection instead of answering INFO"));
}

TEST(Connection, StopsWaitingWhenAskedTo) {
  FakeServer server({expect("HELLO 2"), stay_silent()});
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(error_of([&] { Connection(options_for(server), stop.get_token()); }).kind(),
            ErrorKind::cancelled);
}

TEST(Connection, SaysThatAnHttpServerIsNoRedis) {
  FakeServer server(
      {expect("HELLO 2"), send("HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n\r\n")},
      FakeServer::Transport::tcp);
  const Error error = refusal(options_for(server));
  EXPECT_EQ(error.kind(), ErrorKind::protocol);
  EXPECT_EQ(error.side(), Side::source);
  EXPECT_EQ(error.what(), "127.0.0.1:" + std::to_string(server.port()) +
                              " does not speak the Redis protocol (it sent \"HTTP/1.1 400 Bad "
                              "Request\")");
}

TEST(Connection, ShowsAtMostThirtyTwoPrintableBytesOfAStranger) {
  EXPECT_THAT(answer_to_hello("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n").what(),
              EndsWith("(it sent \"SSH-2.0-OpenSSH_9.2p1 Debian-2+d…\")"));
  EXPECT_THAT(answer_to_hello("\x01\xff\x1b[31mred").what(), EndsWith("(it sent \"...[31mred\")"));
  EXPECT_THAT(answer_to_hello("+OK POP3 ready\r\n").what(),
              HasSubstr("does not speak the Redis protocol (it sent \"+OK POP3 ready\")"));
  EXPECT_THAT(answer_to_hello("*2\r\n$1\r\na\r\n$1\r\nb\r\n").what(),
              HasSubstr("does not speak the Redis protocol"));
}

TEST(Connection, RecognisesATlsPort) {
  const Error error = answer_to_hello("\x15\x03\x01\x00\x02\x02\x46");
  EXPECT_EQ(error.kind(), ErrorKind::protocol);
  EXPECT_THAT(error.what(), HasSubstr("speaks TLS; write valkeys://"));
}

TEST(Connection, SaysThatNobodyAnswers) {
  FakeServer server({stay_silent()}, FakeServer::Transport::tcp);
  SourceOptions options = options_for(server);
  options.connect_timeout = 50ms;
  const Error error = refusal(options);
  EXPECT_EQ(error.kind(), ErrorKind::unavailable);
  EXPECT_THAT(error.what(), AllOf(HasSubstr("sent nothing for"), HasSubstr("valkeys://")));
}

TEST(Connection, SaysThatTheServerClosedAtOnce) {
  const Error error = refusal({}, FakeServer::Transport::tcp);
  EXPECT_EQ(error.kind(), ErrorKind::unavailable);
  EXPECT_THAT(error.what(), HasSubstr("is it a Redis or Valkey server"));
}

TEST(Connection, TellsWhatAServerSaidBeforeItHungUp) {
  const Error error =
      refusal({send("-ERR max number of clients reached\r\n")}, FakeServer::Transport::unix);
  EXPECT_EQ(error.kind(), ErrorKind::unavailable);
  EXPECT_THAT(error.what(), HasSubstr("takes no more connections; raise its maxclients"));
}

TEST(Connection, RefusesServersThatAreTooOld) {
  const Error without_hello = answer_to_hello("-ERR unknown command `HELLO`, with args ...\r\n");
  EXPECT_EQ(without_hello.kind(), ErrorKind::incompatible);
  EXPECT_THAT(without_hello.what(), HasSubstr("is too old; Redis 7.0 or Valkey 7.2 is needed"));

  const Error redis_6 = answer_to_hello(greeting_of("redis", "6.2.7"));
  EXPECT_EQ(redis_6.kind(), ErrorKind::incompatible);
  EXPECT_THAT(redis_6.what(), HasSubstr("is Redis 6.2.7, which is too old"));
}

TEST(Connection, NeverShowsThePassword) {
  for (const char* answer :
       {"-ERR unknown command `HELLO`, with args beginning with: `2` `AUTH` `default` "
        "`hunter2`\r\n",
        "-ERR strange: hunter2\r\n", "hunter2 is no greeting\r\n", "+hunter2\r\n",
        "-WRONGPASS hunter2\r\n", "-ERR \thunter2hunter2\r\n"}) {
    FakeServer server({expect("HELLO 2 AUTH default hunter2"), send(answer)});
    SourceOptions options = options_for(server);
    options.password = Secret("hunter2");
    EXPECT_THAT(refusal(options).what(), Not(HasSubstr("hunter2"))) << answer;
  }
}

TEST(Connection, NeverShowsThePasswordToWhoeverRunsAnEchoServer) {
  FakeServer server({expect("HELLO 2 AUTH default hunter2"),
                     send("*5\r\n$5\r\nHELLO\r\n$1\r\n2\r\n$4\r\nAUTH\r\n$7\r\ndefault\r\n$7\r\n"
                          "hunter2\r\n")});
  SourceOptions options = options_for(server);
  options.password = Secret("hunter2");
  const Error error = refusal(options);
  EXPECT_EQ(error.kind(), ErrorKind::protocol);
  EXPECT_THAT(error.what(), Not(HasSubstr("hunter2")));
}

struct Wording {
  std::string reply;
  ErrorKind kind;
  std::string text;
};

TEST(ServerError, HasOneClearLineForEach) {
  SourceOptions options;
  options.address = parse_address("valkey://orders:6379");
  options.username = "backup";
  const std::vector<Wording> wordings = {
      {"NOAUTH Authentication required.", ErrorKind::denied,
       "orders:6379 wants a password; set source.password_file"},
      {"WRONGPASS invalid username-password pair or user is disabled.", ErrorKind::denied,
       "orders:6379 refused the password of user 'backup'; check source.username and "
       "source.password_file"},
      {"NOPERM this user has no permissions to run the 'psync' command", ErrorKind::denied,
       "user 'backup' may not run PSYNC at orders:6379; run: ACL SETUSER backup +psync +replconf"},
      {"DENIED Redis is running in protected mode because ...", ErrorKind::denied,
       "orders:6379 is in protected mode and takes local connections only; give it a password"},
      {"READONLY You can't write against a read only replica.", ErrorKind::denied,
       "orders:6379 is a read-only replica and refuses PSYNC; use another node"},
      {"LOADING Redis is loading the dataset in memory", ErrorKind::unavailable,
       "orders:6379 is still loading its dataset; try again when it has"},
      {"NOMASTERLINK Can't SYNC while not connected with my master", ErrorKind::unavailable,
       "orders:6379 is a replica without a link to its primary; wait until it has one, or use "
       "another node"},
      {"NOMASTERLINK Can't SYNC while failing over", ErrorKind::unavailable,
       "orders:6379 is failing over; try again when it has"},
      {"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
       ErrorKind::unavailable,
       "orders:6379 is a replica that lost its primary and serves no stale data; wait until it "
       "has one, or use another node"},
      {"BUSY Redis is busy running a script.", ErrorKind::unavailable,
       "orders:6379 is busy with a script; try again when that has ended"},
      {"ERR BGSAVE failed, replication can't continue", ErrorKind::unavailable,
       "orders:6379 could not start to save; its log says why (often too little memory to fork)"},
      {"ERR max number of clients reached", ErrorKind::unavailable,
       "orders:6379 takes no more connections; raise its maxclients or close some"},
      {"ERR unknown command 'PSYNC'", ErrorKind::denied,
       "orders:6379 does not offer PSYNC; some managed services and rename-command switch it off"},
      {"ERR something\tnew", ErrorKind::protocol,
       "orders:6379 answered PSYNC with \"ERR something.new\""},
  };
  for (const auto& [reply, kind, text] : wordings) {
    const Error error = server_error(options, "PSYNC", reply);
    EXPECT_EQ(error.kind(), kind) << reply;
    EXPECT_EQ(error.side(), Side::source) << reply;
    EXPECT_EQ(error.what(), text);
  }
}

TEST(ServerError, CutsWhatItDoesNotKnow) {
  SourceOptions options;
  options.address = parse_address("valkey://orders");
  const std::string text = server_error(options, "PSYNC", "ERR " + std::string(1000, 'x')).what();
  EXPECT_LT(text.size(), 300U);
}

TEST(AclRule, NamesCommandAndSubcommand) {
  EXPECT_EQ(acl_rule("REPLCONF"), "+psync +replconf");
  EXPECT_EQ(acl_rule("CONFIG GET"), "+config|get");
  EXPECT_EQ(acl_rule("ACL LIST"), "+acl|list");
  EXPECT_EQ(acl_rule("INFO"), "+info");
}

}  // namespace
}  // namespace keyrewind::replica
