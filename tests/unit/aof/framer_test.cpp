#include "aof/framer.h"

#include "base/error.h"
#include "unit/aof/streams.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace keyrewind::aof {
namespace {

using test::encode;
using test::frame;
using test::frame_cut_at;
using test::frame_in;
using test::frame_in_pieces;
using test::Framed;
using test::many;
using test::stream_of;
using test::Words;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::int64_t length(std::string_view bytes) {
  return static_cast<std::int64_t>(bytes.size());
}

std::string long_value() {
  return std::string(5000, 'v') + "\r\n*3\r\n\n" + std::string(700, '$');
}

/// Something of everything that a stream may hold.
std::string rich_stream() {
  return "\n" + stream_of({{"ping"}, {"SELECT", "3"}, {"set", "a", "1"}, {"SET", "b", ""}}) +
         "\n\n" +
         stream_of({{"REPLCONF", "GETACK", "*"},
                    {"MULTI"},
                    {"select", "11"},
                    {"SET", "key", long_value()},
                    {"FLUSHDB"},
                    {"EXEC"},
                    many("UNLINK", 1001),
                    {"FUNCTION", "flush", "ASYNC"},
                    {"SET", "\r\n", "*1\r\n$4\r\nEXEC\r\n"},
                    {"multi"},
                    {"SELECT", "2"},
                    {"SWAPDB", "1", "2"},
                    {"SET", "unfinished", "x"}});
}

TEST(Framer, StandsWhereItWasPut) {
  const Framer framer(4711, 3);

  EXPECT_EQ(framer.offset(), 4711);
  EXPECT_EQ(framer.safe(), 4711);
  EXPECT_EQ(framer.safe_database(), 3U);
  EXPECT_EQ(framer.commands(), 0U);
  EXPECT_FALSE(framer.in_transaction());
}

TEST(Framer, IsSafeBehindEveryCommand) {
  Framer framer(1000, 0);
  const std::string set = encode({"SET", "key", "value"});
  const std::string ping = encode({"ping"});
  const std::string both = set + ping;

  EXPECT_EQ(framer.feed(as_bytes(both)), both.size());

  EXPECT_EQ(framer.safe(), 1000 + length(both));
  EXPECT_EQ(framer.commands(), 2U);
}

TEST(Framer, CountsBytesOfAnUnfinishedCommandButIsNotSafeThere) {
  const std::string set = encode({"SET", "key", "value"});
  const std::string bytes = set + set.substr(0, set.size() - 1);

  const Framed framed = frame(bytes);

  EXPECT_EQ(framed.offset, length(bytes));
  EXPECT_EQ(framed.safe, length(set));
  EXPECT_EQ(framed.commands, 1U);
}

TEST(Framer, SaysTheSameWhereverTheStreamIsCutInTwo) {
  const std::string bytes = rich_stream();
  const Framed whole = frame(bytes);

  ASSERT_EQ(whole.error, "");
  EXPECT_EQ(whole.commands, 17U);
  for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
    ASSERT_EQ(frame_cut_at(bytes, cut), whole) << "cut at " << cut;
  }
}

TEST(Framer, SaysTheSameHoweverSmallThePieces) {
  const std::string bytes = rich_stream();
  const Framed whole = frame(bytes);

  for (std::size_t size = 1; size < 70; ++size) {
    EXPECT_EQ(frame_in_pieces(bytes, size), whole) << "in pieces of " << size << " bytes";
  }
}

TEST(Framer, IsAsSafeAtTheEndOfEachPrefixAsTheLastCommandAllows) {
  const std::vector<std::string> parts = {encode({"SET", "a", "1"}),
                                          stream_of({{"MULTI"}, {"SET", "a", "2"}, {"EXEC"}}),
                                          encode({"PING"}), encode({"LPUSH", "list", "", ""})};
  std::string bytes;
  std::vector<std::int64_t> safe_at = {0};
  for (const std::string& part : parts) {
    safe_at.resize(safe_at.size() + part.size(), length(bytes));
    bytes += part;
    safe_at.back() = length(bytes);
  }

  for (std::size_t end = 0; end <= bytes.size(); ++end) {
    EXPECT_EQ(frame(bytes.substr(0, end)).safe, safe_at[end]) << "after " << end;
  }
}

TEST(Framer, IsNotSafeWithinATransaction) {
  const std::string before = encode({"SET", "a", "1"});
  const std::string begun = before + stream_of({{"MULTI"}, {"SET", "a", "2"}});
  const std::string done = begun + encode({"EXEC"});

  EXPECT_TRUE(frame(begun).in_transaction);
  EXPECT_EQ(frame(begun).safe, length(before));
  EXPECT_EQ(frame(begun).commands, 3U);
  EXPECT_FALSE(frame(done).in_transaction);
  EXPECT_EQ(frame(done).safe, length(done));
}

TEST(Framer, KnowsTransactionsInAnyCase) {
  EXPECT_TRUE(frame(encode({"mUlTi"})).in_transaction);
  EXPECT_FALSE(frame(stream_of({{"multi"}, {"eXeC"}})).in_transaction);
  EXPECT_FALSE(frame(stream_of({{"multi"}, {"discard"}})).in_transaction);
}

TEST(Framer, TakesOnlyTheNameItselfForAName) {
  for (const std::string name : {"MULTIX", "MULT", "\x0dULTI", "MULTI ", "", "XMULTI", "[ULTI"}) {
    EXPECT_FALSE(frame(encode({name})).in_transaction) << name;
  }
  EXPECT_FALSE(frame(encode({"SET", "MULTI", "MULTI"})).in_transaction);
}

TEST(Framer, FollowsTheSelectedDatabase) {
  EXPECT_EQ(frame(stream_of({{"SELECT", "7"}, {"SET", "a", "1"}})).safe_database, 7U);
  EXPECT_EQ(frame(stream_of({{"select", "12"}})).safe_database, 12U);
  EXPECT_EQ(frame(stream_of({{"MULTI"}, {"SELECT", "4"}, {"EXEC"}})).safe_database, 4U);
}

TEST(Framer, KeepsTheDatabaseFromBeforeAnUnfinishedTransaction) {
  const std::string begun = stream_of({{"SELECT", "7"}, {"MULTI"}, {"SELECT", "4"}});

  EXPECT_EQ(frame(begun).safe_database, 7U);
  EXPECT_EQ(frame(begun + encode({"EXEC"})).safe_database, 4U);
  EXPECT_EQ(frame(begun + encode({"DISCARD"})).safe_database, 7U);
}

TEST(Framer, LearnsAnUnknownDatabaseFromTheFirstSelect) {
  const auto whole = [] { return std::string::npos; };

  EXPECT_EQ(frame_in(encode({"PING"}), whole, 0, std::nullopt).safe_database, std::nullopt);
  EXPECT_EQ(frame_in(encode({"SELECT", "0"}), whole, 0, std::nullopt).safe_database, 0U);
}

TEST(Framer, DoesNotKnowTheDatabaseAfterASelectThatItCannotRead) {
  for (const std::string number :
       {"", "-1", "x", "1x", "18446744073709551616", "0000000000000000000000000000000000001"}) {
    EXPECT_EQ(frame(encode({"SELECT", number})).safe_database, std::nullopt) << number;
  }
  EXPECT_EQ(frame(encode({"SELECT"})).safe_database, std::nullopt);
}

TEST(Framer, CountsHowOftenAnAcknowledgementIsWanted) {
  const std::string bytes = stream_of({{"REPLCONF", "GETACK", "*"},
                                       {"replconf", "getack", "*"},
                                       {"REPLCONF", "ACK", "17"},
                                       {"SET", "GETACK", "*"}});

  EXPECT_EQ(frame(bytes).acknowledgements_wanted, 2U);
}

TEST(Framer, StopsBeforeABareNewlineBetweenCommands) {
  Framer framer(0, 0);
  const std::string ping = encode({"PING"});
  const std::string bytes = ping + "\n\n" + ping;
  const ByteView view = as_bytes(bytes);

  EXPECT_EQ(framer.feed(view), ping.size());
  EXPECT_EQ(framer.feed(view.subspan(ping.size())), 0U);
  EXPECT_EQ(framer.keep_alives(view.subspan(ping.size())), 2U);
  EXPECT_EQ(framer.feed(view.subspan(ping.size() + 2)), ping.size());
  EXPECT_EQ(framer.offset(), 2 * length(ping));
}

TEST(Framer, TakesANewlineWithinACommandForAPartOfIt) {
  Framer framer(0, 0);
  const std::string set = encode({"SET", "a", "\n\n"});
  const std::size_t inside = set.find("\n\n");
  framer.feed(as_bytes(set).first(inside));

  EXPECT_EQ(framer.keep_alives(as_bytes("\n\n")), 0U);
  EXPECT_EQ(framer.feed(as_bytes(set).subspan(inside)), set.size() - inside);
  EXPECT_EQ(framer.commands(), 1U);
}

TEST(Framer, NotesWhatDestroysMuch) {
  const std::string select = encode({"SELECT", "2"});
  const std::vector<std::pair<Words, std::string>> cases = {
      {{"FLUSHALL"}, "FLUSHALL"},
      {{"flushall", "ASYNC"}, "FLUSHALL"},
      {{"FlushDb", "sync"}, "FLUSHDB"},
      {{"SWAPDB", "0", "1"}, "SWAPDB"},
      {{"FUNCTION", "FLUSH"}, "FUNCTION FLUSH"},
      {{"function", "flush", "sync"}, "FUNCTION FLUSH"},
      {{"cluster", "flushslot", "17"}, "CLUSTER FLUSHSLOT"},
      {many("DEL", 1000), "DEL of 1000 keys"},
      {many("unlink", 25000), "UNLINK of 25000 keys"},
  };
  for (const auto& [words, said] : cases) {
    const std::string bytes = select + encode(words);

    EXPECT_THAT(frame(bytes).noted,
                ElementsAre(NotedCommand{said, 2, length(select), length(bytes)}));
  }
}

TEST(Framer, NotesNothingElse) {
  const std::string bytes = stream_of({many("DEL", 999),
                                       many("MGET", 2000),
                                       {"FUNCTION", "DELETE", "flush"},
                                       {"FUNCTION", "FLUSHX"},
                                       {"CLUSTER", "SETSLOT", "FLUSHSLOT"},
                                       {"FLUSHALLX"},
                                       {"FLUSH"},
                                       {"SET", "FLUSHALL", "FLUSHDB"},
                                       {"DEL", "FLUSHALL"}});

  EXPECT_THAT(frame(bytes).noted, IsEmpty());
}

TEST(Framer, NotesWithTheOffsetBeforeTheWholeTransaction) {
  const std::string before = encode({"SET", "a", "1"});
  const std::string begun = before + stream_of({{"MULTI"}, {"SELECT", "5"}, {"FLUSHDB"}});
  const std::string more = begun + encode({"FLUSHALL"});

  EXPECT_THAT(frame(more + encode({"EXEC"})).noted,
              ElementsAre(NotedCommand{"FLUSHDB", 5, length(before), length(begun)},
                          NotedCommand{"FLUSHALL", 5, length(before), length(more)}));
}

TEST(Framer, NotesATransactionOnlyOnceItIsExecuted) {
  const std::string begun = stream_of({{"MULTI"}, {"FLUSHALL"}});

  EXPECT_THAT(frame(begun).noted, IsEmpty());
  EXPECT_THAT(frame(begun + encode({"DISCARD"})).noted, IsEmpty());
  EXPECT_EQ(frame(begun + encode({"EXEC"})).noted.size(), 1U);
}

TEST(Framer, KeepsABoundedNumberOfCommandsNotedInATransaction) {
  std::string bytes = encode({"MULTI"});
  for (std::size_t i = 0; i <= Framer::kMaxNotedInTransaction; ++i) {
    bytes += "*1\r\n$7\r\nFLUSHDB\r\n";
  }

  EXPECT_EQ(frame(bytes + encode({"EXEC"})).noted.size(), Framer::kMaxNotedInTransaction);
}

TEST(Framer, GivesWhatItNotedOnce) {
  Framer framer(0, 0);
  const std::string bytes = encode({"FLUSHALL"});
  framer.feed(as_bytes(bytes));

  EXPECT_EQ(framer.take_noted().size(), 1U);
  EXPECT_THAT(framer.take_noted(), IsEmpty());
}

TEST(Framer, TakesValuesOfMoreThan512Megabytes) {
  constexpr std::size_t kPieces = 600;
  const std::string piece(1U << 20U, '*');
  Framer framer(0, 0);
  const std::string head =
      fmt::format("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${}\r\n", kPieces * piece.size());
  framer.feed(as_bytes(head));
  for (std::size_t i = 0; i < kPieces; ++i) {
    framer.feed(as_bytes(piece));
  }

  EXPECT_EQ(framer.safe(), 0);
  framer.feed(as_bytes("\r\n"));
  EXPECT_EQ(framer.commands(), 1U);
  EXPECT_EQ(framer.safe(), static_cast<std::int64_t>(head.size() + kPieces * piece.size() + 2));
}

TEST(Framer, TakesTheGreatestLengthsThatItPromises) {
  EXPECT_EQ(frame("*2147483647\r\n$3\r\nDEL\r\n").error, "");
  EXPECT_EQ(frame("*1\r\n$1099511627776\r\nabc").error, "");
}

/// A stream that is none, and the byte in it that says so.
struct Malformed {
  std::string bytes;
  std::size_t at = 0;
};

class FramerOnMalformed : public testing::TestWithParam<Malformed> {};

TEST_P(FramerOnMalformed, ThrowsNamingTheOffset) {
  const std::string good = stream_of({{"SELECT", "3"}, {"SET", "a", "1"}, {"FLUSHALL"}});
  const auto& [bytes, at] = GetParam();
  const std::string stream = good + bytes;

  const Framed whole = frame(stream);

  EXPECT_THAT(whole.error, HasSubstr(fmt::format("malformed at offset {}: ", good.size() + at)));
  EXPECT_EQ(whole.offset, length(good) + static_cast<std::int64_t>(at));
  EXPECT_EQ(whole.safe, length(good));
  EXPECT_EQ(whole.safe_database, 3U);
  EXPECT_EQ(whole.noted.size(), 1U);
  for (std::size_t cut = 1; cut < stream.size(); ++cut) {
    EXPECT_EQ(frame_cut_at(stream, cut), whole) << "cut at " << cut;
  }
  EXPECT_EQ(frame_in_pieces(stream, 1), whole);
}

INSTANTIATE_TEST_SUITE_P(
    Streams, FramerOnMalformed,
    testing::Values(Malformed{"PING\r\n", 0}, Malformed{"$4\r\nPING\r\n", 0},
                    Malformed{"+OK\r\n", 0}, Malformed{"-ERR broken\r\n", 0}, Malformed{"\r\n", 0},
                    Malformed{std::string(20, '\0'), 0}, Malformed{"*0\r\n", 1},
                    Malformed{"*-1\r\n", 1}, Malformed{"*\r\n", 1}, Malformed{"* 1\r\n", 1},
                    Malformed{"*01\r\n$4\r\nPING\r\n", 1}, Malformed{"*1x\r\n$4\r\nPING\r\n", 2},
                    Malformed{"*1\n$4\r\nPING\r\n", 2}, Malformed{"*1\r$4\r\nPING\r\n", 3},
                    Malformed{"*2147483648\r\n$4\r\nPING\r\n", 10},
                    Malformed{"*18446744073709551617\r\n$4\r\nPING\r\n", 11},
                    Malformed{"*1\r\n:4\r\nPING\r\n", 4}, Malformed{"*1\r\n*4\r\nPING\r\n", 4},
                    Malformed{"*1\r\n\n$4\r\nPING\r\n", 4}, Malformed{"*1\r\n$-1\r\n", 5},
                    Malformed{"*1\r\n$+4\r\nPING\r\n", 5}, Malformed{"*1\r\n$04\r\nPING\r\n", 6},
                    Malformed{"*1\r\n$4 \r\nPING\r\n", 6}, Malformed{"*1\r\n$4\rPING\r\n", 7},
                    Malformed{"*1\r\n$4\r\nPINGS\r\n", 12}, Malformed{"*1\r\n$4\r\nPING\r\r\n", 13},
                    Malformed{"*1\r\n$5\r\nPING\r\n*1\r\n", 13}, Malformed{"*1\r\n$0\r\n\n\r", 8},
                    Malformed{"*2\r\n$4\r\nPING\r\n*1\r\n$4\r\nPING\r\n", 14},
                    Malformed{"*1\r\n$1099511627777\r\nabc", 17},
                    Malformed{"*1\r\n$9223372036854775808\r\nabc", 17},
                    Malformed{"*1\r\n$18446744073709551620\r\nPING\r\n", 17},
                    Malformed{"*1\r\n$99999999999999999999999999999999\r\n", 17},
                    Malformed{"*1\r\n$1000\r\n" + std::string(1001, 'x') + "\r\n", 1011}));

TEST(Framer, RefusesTransactionsThatDoNotAlternate) {
  const std::string good = encode({"SET", "a", "1"});
  const std::string nested = good + stream_of({{"MULTI"}, {"SET", "a", "1"}, {"MULTI"}});

  for (const std::string& stream : {good + encode({"EXEC"}), good + encode({"DISCARD"}), nested,
                                    good + stream_of({{"MULTI"}, {"EXEC"}, {"EXEC"}}).substr(0)}) {
    const Framed whole = frame(stream);

    EXPECT_THAT(whole.error, HasSubstr(fmt::format("before offset {}", stream.size())));
    for (std::size_t cut = 1; cut < stream.size(); ++cut) {
      EXPECT_EQ(frame_cut_at(stream, cut), whole);
    }
  }
  EXPECT_EQ(frame(nested).safe, length(good));
}

TEST(Framer, BlamesTheSource) {
  Framer framer(0, 0);
  try {
    framer.feed(as_bytes("nonsense"));
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.side(), Side::source);
    EXPECT_EQ(error.kind(), ErrorKind::protocol);
    EXPECT_STREQ(error.what(),
                 "the replication stream is malformed at offset 0: 'n' instead of '*'");
  }
}

}  // namespace
}  // namespace keyrewind::aof
