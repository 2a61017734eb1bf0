#include "replica/snapshot_stream.h"

#include "fake_source.h"

#include <gmock/gmock.h>

namespace keyrewind::replica {
namespace {

using namespace std::chrono_literals;
using test::expect;
using test::FakeServer;
using test::send;
using test::send_each_byte;
using test::stay_silent;
using testing::HasSubstr;

const std::string kReplid = "0123456789abcdef0123456789abcdef01234567";
const std::string kFullResync = "+FULLRESYNC " + kReplid + " 4711\r\n";
const std::string kMark = "fedcba9876543210fedcba9876543210fedcba98";
const std::string kRdb = "REDIS0010 some bytes of a snapshot \r\n$EOF: and so on\xff........";

/// Reads to the end in pieces of at most `piece` bytes.
std::string read_all(SnapshotStream& stream, std::size_t piece = 4096) {
  std::string all;
  Bytes into(piece);
  while (const std::size_t got = stream.read(into)) {
    all += as_text(ByteView(into).first(got));
  }
  return all;
}

/// What a stream gives whose server plays `rest` after PSYNC.
std::string stream_of(std::vector<test::Step> rest) {
  FakeServer server(after_psync(std::move(rest)));
  SnapshotStream stream(options_for(server), {});
  const std::string all = read_all(stream);
  EXPECT_EQ(server.finish(), "");
  return all;
}

Error failure_of(std::vector<test::Step> rest,
                 std::chrono::milliseconds silence_timeout = std::chrono::seconds(20)) {
  FakeServer server(after_psync(std::move(rest)));
  SourceOptions options = options_for(server);
  options.silence_timeout = silence_timeout;
  return error_of([&] {
    SnapshotStream stream(options, {});
    read_all(stream);
  });
}

std::string counted(const std::string& rdb) {
  return "$" + std::to_string(rdb.size()) + "\r\n";
}

TEST(SnapshotStream, KnowsWhichHistoryAndOffsetItBelongsTo) {
  FakeServer server(after_psync({send(kFullResync + counted(kRdb) + kRdb)}));
  const SnapshotStream stream(options_for(server), {});
  EXPECT_EQ(stream.position().replid, kReplid);
  EXPECT_EQ(stream.position().offset, 4711);
  EXPECT_EQ(stream.greeting().version_text, "7.0.15");
}

TEST(SnapshotStream, TellsItsVersionToValkeyOnly) {
  FakeServer server(
      {expect("HELLO 2"), send(greeting_of("valkey", "9.1.2")), expect("REPLCONF rdb-only 1"),
       send("+OK\r\n"), expect("REPLCONF listening-port -1"), send("+OK\r\n"),
       expect("REPLCONF capa eof capa psync2"), send("+OK\r\n"), expect("REPLCONF version 9.1.2"),
       send("+OK\r\n"), expect("PSYNC ? -1"), send(kFullResync + counted(kRdb) + kRdb)});
  SnapshotStream stream(options_for(server), {});
  EXPECT_EQ(read_all(stream), kRdb);
  EXPECT_EQ(server.finish(), "");
}

TEST(SnapshotStream, ReadsAPayloadOfKnownLength) {
  FakeServer server(after_psync({send(kFullResync + counted(kRdb) + kRdb)}));
  SnapshotStream stream(options_for(server), {});
  EXPECT_EQ(stream.length(), std::nullopt);
  EXPECT_EQ(read_all(stream), kRdb);
  EXPECT_EQ(stream.length(), kRdb.size());
}

TEST(SnapshotStream, ReadsAPayloadThatEndsWithAMark) {
  FakeServer server(after_psync({send(kFullResync + "$EOF:" + kMark + "\r\n" + kRdb + kMark)}));
  SnapshotStream stream(options_for(server), {});
  EXPECT_EQ(read_all(stream), kRdb);
  EXPECT_EQ(stream.length(), std::nullopt);
}

TEST(SnapshotStream, StaysAtItsEnd) {
  FakeServer server(after_psync({send(kFullResync + "$EOF:" + kMark + "\r\n" + kRdb + kMark)}));
  SnapshotStream stream(options_for(server), {});
  read_all(stream);
  Bytes into(4096);
  EXPECT_EQ(stream.read(into), 0U);
  EXPECT_EQ(stream.read(into), 0U);
}

TEST(SnapshotStream, FindsTheMarkSplitAtEveryPosition) {
  const std::string payload = kRdb + kMark;
  for (std::size_t split = 0; split <= payload.size(); ++split) {
    EXPECT_EQ(stream_of({send(kFullResync + "$EOF:" + kMark + "\r\n"),
                         send(payload.substr(0, split)), send(payload.substr(split))}),
              kRdb)
        << "split at " << split;
  }
}

TEST(SnapshotStream, FindsTheMarkSplitAtEveryPositionBehindItsHeader) {
  const std::string all = kFullResync + "$EOF:" + kMark + "\r\n" + kRdb + kMark;
  for (std::size_t split = 0; split <= all.size(); ++split) {
    EXPECT_EQ(stream_of({send(all.substr(0, split)), send(all.substr(split))}), kRdb)
        << "split at " << split;
  }
}

TEST(SnapshotStream, ReadsTheSameByteByByte) {
  EXPECT_EQ(stream_of({send_each_byte(kFullResync + "$EOF:" + kMark + "\r\n" + kRdb + kMark)}),
            kRdb);
  EXPECT_EQ(stream_of({send_each_byte(kFullResync + counted(kRdb) + kRdb)}), kRdb);
}

TEST(SnapshotStream, IsNotFooledByHalfAMark) {
  for (std::size_t size = 1; size < kMark.size(); ++size) {
    const std::string rdb = kRdb + kMark.substr(0, size) + "x" + kMark.substr(kMark.size() - size);
    EXPECT_EQ(stream_of({send(kFullResync + "$EOF:" + kMark + "\r\n"), send(rdb), send(kMark)}),
              rdb)
        << size;
  }
}

TEST(SnapshotStream, ReadsAPayloadShorterThanAMark) {
  EXPECT_EQ(stream_of({send(kFullResync + "$EOF:" + kMark + "\r\n"), send("ab"), send(kMark)}),
            "ab");
}

TEST(SnapshotStream, ReadsMoreThanFitsInOnePiece) {
  std::string rdb;
  for (int i = 0; i < 200'000; ++i) {
    rdb += std::to_string(i);
  }
  EXPECT_EQ(stream_of({send(kFullResync + "$EOF:" + kMark + "\r\n" + rdb + kMark)}), rdb);
  EXPECT_EQ(stream_of({send(kFullResync + counted(rdb) + rdb)}), rdb);
}

TEST(SnapshotStream, SkipsNewlinesBeforeEachLine) {
  EXPECT_EQ(stream_of({send_each_byte("\n\n\n"), send("\n" + kFullResync), send_each_byte("\n\n"),
                       send("\n\n$EOF:" + kMark + "\r\n\n" + kRdb + kMark)}),
            "\n" + kRdb);
}

TEST(SnapshotStream, TakesNothingBehindAKnownLength) {
  EXPECT_EQ(stream_of({send(kFullResync + counted(kRdb) + kRdb + "more")}), kRdb);
}

TEST(SnapshotStream, PassesOnWhyTheServerRefuses) {
  const auto text_for = [](const std::string& reply) {
    return std::string(failure_of({send(reply)}).what());
  };
  EXPECT_THAT(text_for("-LOADING Redis is loading\r\n"), HasSubstr("still loading"));
  EXPECT_THAT(text_for("-NOMASTERLINK Can't SYNC\r\n"), HasSubstr("without a link"));
  EXPECT_THAT(text_for("-READONLY no\r\n"), HasSubstr("read-only replica"));
  EXPECT_THAT(text_for("-BUSY running a script\r\n"), HasSubstr("busy with a script"));
  EXPECT_THAT(text_for("\n\n-ERR BGSAVE failed\r\n"), HasSubstr("could not start to save"));
  EXPECT_THAT(text_for(kFullResync + "-ERR BGSAVE failed\r\n"),
              HasSubstr("could not start to save"));
}

TEST(SnapshotStream, SaysWhichRightIsMissing) {
  FakeServer server({expect("HELLO 2"), send(greeting_of("redis", "7.0.15")),
                     expect("REPLCONF rdb-only 1"), send("-NOPERM no\r\n")});
  const Error error = error_of([&] { SnapshotStream(options_for(server), {}); });
  EXPECT_EQ(error.kind(), ErrorKind::denied);
  EXPECT_THAT(error.what(), HasSubstr("run: ACL SETUSER default +psync +replconf"));
}

TEST(SnapshotStream, DoesNotTakeASentinelForAServer) {
  FakeServer server({expect("HELLO 2"), send(greeting_of("redis", "7.0.15", "sentinel"))});
  const Error error = error_of([&] { SnapshotStream(options_for(server), {}); });
  EXPECT_EQ(error.kind(), ErrorKind::config);
  EXPECT_THAT(error.what(), HasSubstr("is a Sentinel"));
}

TEST(SnapshotStream, RefusesAnyOtherAnswer) {
  for (const std::string& answer :
       {std::string("+CONTINUE\r\n"), "+CONTINUE " + kReplid + "\r\n", std::string("+OK\r\n"),
        std::string("+DUALCHANNELSYNC\r\n"), std::string("+RDBCHANNELSYNC 12\r\n"),
        std::string("+FULLRESYNC\r\n"), "+FULLRESYNC " + kReplid + "\r\n",
        "+FULLRESYNC " + kReplid + " -1\r\n", "+FULLRESYNC " + kReplid + " 12x\r\n",
        "+FULLRESYNC " + kReplid + " 99999999999999999999\r\n",
        std::string("+FULLRESYNC xyz 1\r\n"), std::string("HTTP/1.1 200 OK\r\n"),
        std::string(5000, 'x')}) {
    EXPECT_EQ(failure_of({send(answer)}).kind(), ErrorKind::protocol) << answer;
  }
}

TEST(SnapshotStream, RefusesAnAbsurdLength) {
  for (const char* length : {"$-1", "$0", "$9223372036854775808", "$18446744073709551616", "$abc",
                             "$", "$12x", "$EOF:", "$EOF:0123", "123", "+OK", ":5"}) {
    const Error error = failure_of({send(kFullResync + length + "\r\n")});
    EXPECT_EQ(error.kind(), ErrorKind::protocol) << length;
  }
}

TEST(SnapshotStream, AllocatesNothingForALength) {
  const Error error = failure_of({send(kFullResync + "$9223372036854775807\r\nREDIS0010")});
  EXPECT_EQ(error.kind(), ErrorKind::unavailable);
  EXPECT_THAT(error.what(), HasSubstr("closed the connection after 9 bytes of the RDB"));
}

TEST(SnapshotStream, NeverTakesAClosedConnectionForTheEnd) {
  for (const std::string& payload : {kFullResync + counted(kRdb) + kRdb,
                                     kFullResync + "$EOF:" + kMark + "\r\n" + kRdb + kMark}) {
    for (std::size_t size = 0; size < payload.size(); ++size) {
      const Error error = failure_of({send(payload.substr(0, size))});
      EXPECT_EQ(error.kind(), ErrorKind::unavailable) << size;
      EXPECT_EQ(error.side(), Side::source) << size;
    }
  }
}

TEST(SnapshotStream, SaysHowFarItCame) {
  EXPECT_THAT(failure_of({send(kFullResync + "$EOF:" + kMark + "\r\n" + kRdb)}).what(),
              HasSubstr("closed the connection after " + std::to_string(kRdb.size()) +
                        " bytes of the RDB; its log says why"));
}

TEST(SnapshotStream, SaysThatTheServerFellSilent) {
  const std::string mark = "$EOF:" + kMark + "\r\n";
  for (const std::string& begin : {std::string("\n"), kFullResync, kFullResync + mark + kRdb}) {
    const Error error = failure_of({send(begin), stay_silent()}, 50ms);
    EXPECT_EQ(error.kind(), ErrorKind::unavailable);
    EXPECT_THAT(error.what(), HasSubstr("sent nothing for"));
  }
}

TEST(SnapshotStream, StopsWaitingWhenAskedTo) {
  FakeServer server(after_psync({send(kFullResync), stay_silent()}));
  std::stop_source stop;
  SnapshotStream stream(options_for(server), stop.get_token());
  stop.request_stop();
  Bytes into(4096);
  EXPECT_EQ(error_of([&] { stream.read(into); }).kind(), ErrorKind::cancelled);
}

}  // namespace
}  // namespace keyrewind::replica
