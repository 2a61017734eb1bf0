#include "replica/log_stream.h"

#include "fake_source.h"

#include <gmock/gmock.h>

#include <thread>

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

const std::string kReplid = "0123456789abcdef0123456789abcdef01234567";
const std::string kOtherReplid = "89abcdef0123456789abcdef0123456789abcdef";
const std::string kPing = "*1\r\n$4\r\nping\r\n";
const Position kPosition{kReplid, 4711};

/// Everything up to PSYNC as a good server plays it, then `rest`.
std::vector<test::Step> script(std::vector<test::Step> rest, const std::string& product = "redis",
                               const std::string& version = "7.0.15") {
  std::vector<test::Step> steps = {
      expect("HELLO 2"),
      send(greeting_of(product, version)),
      expect("REPLCONF listening-port -1"),
      send("+OK\r\n"),
      expect("REPLCONF capa eof capa psync2"),
      send("+OK\r\n"),
      expect("PSYNC " + kReplid + " 4712"),
  };
  steps.insert(steps.end(), rest.begin(), rest.end());
  return steps;
}

std::unique_ptr<LogStream> attach_to(const FakeServer& server) {
  return LogStream::attach(options_for(server), kPosition, {});
}

/// The next `size` bytes, however they come.
std::string receive(LogStream& stream, std::size_t size) {
  std::string all;
  Bytes into(size);
  while (all.size() < size) {
    const std::size_t got = stream.receive(std::span(into).first(size - all.size()), 20s);
    if (got == 0) {
      ADD_FAILURE() << "only " << all.size() << " bytes came";
      break;
    }
    all += as_text(ByteView(into).first(got));
  }
  return all;
}

Error failure_of(std::vector<test::Step> rest,
                 std::chrono::milliseconds silence_timeout = std::chrono::seconds(20)) {
  FakeServer server(script(std::move(rest)));
  SourceOptions options = options_for(server);
  options.silence_timeout = silence_timeout;
  return error_of([&] {
    const auto stream = LogStream::attach(options, kPosition, {});
    ASSERT_NE(stream, nullptr);
    Bytes into(100);
    while (true) {
      stream->receive(into, 20s);
    }
  });
}

TEST(LogStream, ContinuesAtItsPosition) {
  FakeServer server(script({send("+CONTINUE " + kReplid + "\r\n"), send(kPing), stay_silent()}));

  const auto stream = attach_to(server);

  ASSERT_NE(stream, nullptr);
  EXPECT_EQ(stream->replid(), kReplid);
  EXPECT_EQ(stream->greeting().version_text, "7.0.15");
  EXPECT_EQ(receive(*stream, kPing.size()), kPing);
}

TEST(LogStream, TakesTheIdUnderWhichTheHistoryGoesOn) {
  FakeServer server(script({send("+CONTINUE " + kOtherReplid + "\r\n"), stay_silent()}));
  const auto stream = attach_to(server);
  ASSERT_NE(stream, nullptr);
  EXPECT_EQ(stream->replid(), kOtherReplid);
}

TEST(LogStream, KeepsItsIdIfTheServerNamesNone) {
  FakeServer server(script({send("+CONTINUE\r\n"), stay_silent()}));
  const auto stream = attach_to(server);
  ASSERT_NE(stream, nullptr);
  EXPECT_EQ(stream->replid(), kReplid);
}

TEST(LogStream, LosesNoByteThatComesWithTheAnswer) {
  const std::string answer = "+CONTINUE " + kReplid + "\r\n";
  const std::string all = answer + "\n" + kPing + kPing;
  for (std::size_t split = 0; split <= all.size(); ++split) {
    FakeServer server(script({send(all.substr(0, split)), send(all.substr(split)), stay_silent()}));
    const auto stream = attach_to(server);
    ASSERT_NE(stream, nullptr);
    EXPECT_EQ(receive(*stream, 1 + 2 * kPing.size()), "\n" + kPing + kPing) << "split at " << split;
  }
}

TEST(LogStream, GivesBytesInPiecesAsSmallAsAskedFor) {
  FakeServer server(script({send("+CONTINUE\r\n" + kPing), send(kPing), stay_silent()}));
  const auto stream = attach_to(server);
  ASSERT_NE(stream, nullptr);
  std::string all;
  while (all.size() < 2 * kPing.size()) {
    all += receive(*stream, 1);
  }
  EXPECT_EQ(all, kPing + kPing);
}

TEST(LogStream, HangsUpOnAFullSync) {
  FakeServer server(script({send("+FULLRESYNC " + kReplid + " 4800\r\n"), stay_silent()}));
  EXPECT_EQ(attach_to(server), nullptr);
  EXPECT_EQ(server.finish(), "");
}

TEST(LogStream, HangsUpOnAServerThatPreparesAFullSync) {
  FakeServer server(script({send("\n"), stay_silent()}));
  EXPECT_EQ(attach_to(server), nullptr);
  EXPECT_EQ(server.finish(), "");
}

TEST(LogStream, AsksNobodyForAHistoryThatNoServerHas) {
  for (const std::string& replid : {std::string(), std::string("?"), std::string(40, 'x')}) {
    FakeServer server({expect("HELLO 2")});
    EXPECT_EQ(LogStream::attach(options_for(server), {replid, 4711}, {}), nullptr) << replid;
  }
}

TEST(LogStream, SaysWhyItCannotBeServedNow) {
  for (const auto* reply :
       {"-NOMASTERLINK Can't SYNC while not connected with my master\r\n",
        "-NOMASTERLINK Can't SYNC while failing over\r\n",
        "-LOADING Redis is loading the dataset in memory\r\n",
        "-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\r\n",
        "-BUSY Redis is busy running a script. You can only call SCRIPT KILL.\r\n"}) {
    const Error error = failure_of({send(reply)});
    EXPECT_EQ(error.kind(), ErrorKind::unavailable) << reply;
    EXPECT_EQ(error.side(), Side::source) << reply;
  }
}

TEST(LogStream, SaysWhichRightsAreMissing) {
  const Error error =
      failure_of({send("-NOPERM this user has no permissions to run the 'psync'\r\n")});
  EXPECT_EQ(error.kind(), ErrorKind::denied);
  EXPECT_THAT(error.what(), AllOf(HasSubstr("may not run PSYNC"), EndsWith("+psync +replconf")));
}

TEST(LogStream, RefusesAnswersThatTheProtocolDoesNotHave) {
  for (const std::string answer :
       {"+CONTINUE 123", "+CONTINUED", "+CONTINUE ", "+DUALCHANNELSYNC", "$5", "hello"}) {
    const Error error = failure_of({send(answer + "\r\n"), stay_silent()});
    EXPECT_EQ(error.kind(), ErrorKind::protocol) << answer;
    EXPECT_THAT(error.what(), HasSubstr("answered PSYNC with \"" + answer + "\""));
  }
}

TEST(LogStream, RefusesAnAnswerWithoutEnd) {
  const Error error = failure_of({send(std::string(5000, 'x')), stay_silent()});
  EXPECT_EQ(error.kind(), ErrorKind::protocol);
}

TEST(LogStream, RefusesASentinel) {
  FakeServer server({expect("HELLO 2"), send(greeting_of("redis", "7.0.15", "sentinel"))});
  const Error error = error_of([&] { attach_to(server); });
  EXPECT_EQ(error.kind(), ErrorKind::config);
  EXPECT_THAT(error.what(), HasSubstr("is a Sentinel"));
}

TEST(LogStream, SaysThatTheServerClosed) {
  const Error before = failure_of({});
  EXPECT_EQ(before.kind(), ErrorKind::unavailable);
  EXPECT_THAT(before.what(), HasSubstr("instead of answering PSYNC"));

  const Error after = failure_of({send("+CONTINUE\r\n" + kPing)});
  EXPECT_EQ(after.kind(), ErrorKind::unavailable);
  EXPECT_EQ(after.side(), Side::source);
  EXPECT_THAT(after.what(), HasSubstr("closed the replication connection"));
}

TEST(LogStream, SaysThatTheServerIsSilent) {
  const Error before = failure_of({stay_silent()}, 100ms);
  EXPECT_EQ(before.kind(), ErrorKind::unavailable);

  const Error after = failure_of({send("+CONTINUE\r\n"), stay_silent()}, 100ms);
  EXPECT_EQ(after.kind(), ErrorKind::unavailable);
  EXPECT_THAT(after.what(), HasSubstr("sent nothing for"));
}

TEST(LogStream, ReturnsWithoutBytesIfNoneCome) {
  FakeServer server(script({send("+CONTINUE\r\n"), stay_silent()}));
  const auto stream = attach_to(server);
  ASSERT_NE(stream, nullptr);
  Bytes into(100);
  EXPECT_EQ(stream->receive(into, 1ms), 0U);
  EXPECT_EQ(stream->receive(into, 0ms), 0U);
}

TEST(LogStream, ReturnsEarlyWhenWoken) {
  FakeServer server(script({send("+CONTINUE\r\n"), stay_silent()}));
  const auto stream = attach_to(server);
  ASSERT_NE(stream, nullptr);
  Bytes into(100);

  stream->wake();
  EXPECT_EQ(stream->receive(into, 1h), 0U);  // Woken before it began.

  const std::jthread other([&] { stream->wake(); });
  EXPECT_EQ(stream->receive(into, 1h), 0U);
}

TEST(LogStream, IsWokenOnlyOnce) {
  FakeServer server(
      script({send("+CONTINUE\r\n"), expect("REPLCONF ACK 1"), send(kPing), stay_silent()}));
  const auto stream = attach_to(server);
  ASSERT_NE(stream, nullptr);
  Bytes into(100);
  stream->wake();
  stream->wake();
  EXPECT_EQ(stream->receive(into, 1h), 0U);

  stream->acknowledge(1, 0);

  EXPECT_EQ(receive(*stream, kPing.size()), kPing);
}

TEST(LogStream, EndsWhenStopped) {
  FakeServer server(script({send("+CONTINUE\r\n"), stay_silent()}));
  std::stop_source stop;
  const auto stream = LogStream::attach(options_for(server), kPosition, stop.get_token());
  ASSERT_NE(stream, nullptr);
  Bytes into(100);
  const std::jthread other([&] { stop.request_stop(); });
  const auto receive_on = [&] {
    while (true) {
      stream->receive(into, 1h);
    }
  };
  EXPECT_EQ(error_of(receive_on).kind(), ErrorKind::cancelled);
}

TEST(LogStream, AcknowledgesWhatIsDurableToServersThatKnowIt) {
  const auto acknowledges = [](const std::string& product, const std::string& version) {
    FakeServer server(script(
        {send("+CONTINUE\r\n"), expect("REPLCONF ACK 4720 FACK 4711"), send(kPing), stay_silent()},
        product, version));
    const auto stream = attach_to(server);
    stream->acknowledge(4720, 4711);
    EXPECT_EQ(receive(*stream, kPing.size()), kPing);
  };
  acknowledges("redis", "7.2.0");
  acknowledges("redis", "8.0.6");
  acknowledges("valkey", "7.2.5");
  acknowledges("valkey", "9.1.2");
}

TEST(LogStream, AcknowledgesWhatItReceivedToOlderServers) {
  FakeServer server(
      script({send("+CONTINUE\r\n"), expect("REPLCONF ACK 4720"), send(kPing), stay_silent()}));
  const auto stream = attach_to(server);
  stream->acknowledge(4720, 4711);
  EXPECT_EQ(receive(*stream, kPing.size()), kPing);
}

TEST(LogStream, StillGivesWhatCameBeforeTheServerClosed) {
  FakeServer server(script({send("+CONTINUE\r\n"), expect("REPLCONF ACK 1"), send(kPing)}),
                    FakeServer::Transport::tcp);
  const auto stream = attach_to(server);
  stream->acknowledge(1, 0);
  ASSERT_EQ(server.finish(), "");

  for (int i = 2; i < 10; ++i) {
    EXPECT_NO_THROW(stream->acknowledge(i, 0));
  }

  EXPECT_EQ(receive(*stream, kPing.size()), kPing);
  EXPECT_EQ(error_of([&] { receive(*stream, 1); }).kind(), ErrorKind::unavailable);
}

}  // namespace
}  // namespace keyrewind::replica
