#include "resp/reply_reader.h"

#include "base/error.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <string>
#include <string_view>
#include <vector>

namespace keyrewind::resp {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Reply text(std::string value) {
  return {Reply::Kind::text, std::move(value), 0, {}};
}
Reply status(std::string value) {
  return {Reply::Kind::status, std::move(value), 0, {}};
}
Reply error(std::string value) {
  return {Reply::Kind::error, std::move(value), 0, {}};
}
Reply integer(std::int64_t value) {
  return {Reply::Kind::integer, "", value, {}};
}
Reply nil() {
  return {};
}
Reply array(std::vector<Reply> elements) {
  return {Reply::Kind::array, "", 0, std::move(elements)};
}

/// Reads `bytes` as a socket would deliver them: in pieces of `piece` bytes.
std::vector<Reply> read_in_pieces(std::string_view bytes, std::size_t piece) {
  ReplyReader reader;
  std::vector<Reply> replies;
  while (!bytes.empty()) {
    reader.feed(as_bytes(bytes.substr(0, piece)));
    bytes.remove_prefix(std::min(piece, bytes.size()));
    while (auto reply = reader.next()) {
      replies.push_back(std::move(*reply));
    }
  }
  return replies;
}

std::vector<Reply> read(std::string_view bytes) {
  return read_in_pieces(bytes, bytes.size());
}

std::string what_is_wrong_with(std::string_view bytes) {
  try {
    read(bytes);
  } catch (const Error& failure) {
    EXPECT_EQ(failure.kind(), ErrorKind::protocol);
    EXPECT_EQ(failure.side(), Side::source);
    return failure.what();
  }
  return "";
}

constexpr std::string_view kEveryKind =
    "+OK\r\n-NOPERM this user has no permissions\r\n:-42\r\n$5\r\nhello\r\n$0\r\n\r\n$-1\r\n*-1\r\n"
    "*0\r\n*4\r\n$1\r\na\r\n:1\r\n*2\r\n+x\r\n*1\r\n$-1\r\n-ERR inside\r\n";

TEST(ReplyReader, ReadsEveryKindOfReply) {
  EXPECT_THAT(read(kEveryKind),
              ElementsAre(status("OK"), error("NOPERM this user has no permissions"), integer(-42),
                          text("hello"), text(""), nil(), nil(), array({}),
                          array({text("a"), integer(1), array({status("x"), array({nil()})}),
                                 error("ERR inside")})));
}

TEST(ReplyReader, ReadsTheSameHoweverTheBytesArrive) {
  const std::vector<Reply> whole = read(kEveryKind);
  for (std::size_t piece = 1; piece < kEveryKind.size(); ++piece) {
    EXPECT_EQ(read_in_pieces(kEveryKind, piece), whole) << "in pieces of " << piece << " bytes";
  }
}

TEST(ReplyReader, KeepsBytesThatLookLikeAnything) {
  using namespace std::string_view_literals;
  EXPECT_THAT(read("$7\r\na\r\n\0b\n\xff\r\n"sv),
              ElementsAre(text(std::string("a\r\n\0b\n\xff"sv))));
}

TEST(ReplyReader, WaitsForTheRestOfEveryTruncation) {
  constexpr std::string_view bytes = "*2\r\n$3\r\nabc\r\n*1\r\n:12345\r\n";
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_THAT(read(bytes.substr(0, size)), IsEmpty()) << size;
  }
}

TEST(ReplyReader, RefusesWhatIsNotAReply) {
  EXPECT_THAT(what_is_wrong_with("HTTP/1.1 400 Bad Request\r\n"), HasSubstr("not a reply"));
  EXPECT_NE(what_is_wrong_with("$-2\r\n"), "");
  EXPECT_NE(what_is_wrong_with("$abc\r\n"), "");
  EXPECT_NE(what_is_wrong_with("$99999999999999999999\r\n"), "");
  EXPECT_NE(what_is_wrong_with("*-2\r\n"), "");
  EXPECT_NE(what_is_wrong_with("*99999999999999999999\r\n"), "");
  EXPECT_NE(what_is_wrong_with(":12x\r\n"), "");
}

TEST(ReplyReader, KeepsRefusingAfterTheFirstFailure) {
  ReplyReader reader;
  reader.feed(as_bytes("!"));
  EXPECT_THROW(reader.next(), Error);
  reader.feed(as_bytes("+OK\r\n"));
  EXPECT_THROW(reader.next(), Error);
}

TEST(ReplyReader, RefusesDeepNesting) {
  std::string bytes;
  for (int i = 0; i < 1000; ++i) {
    bytes += "*1\r\n";
  }
  EXPECT_NE(what_is_wrong_with(bytes), "");
}

TEST(ReplyReader, AllocatesNothingForAnAnnouncedCountOrLength) {
  EXPECT_THAT(read("*2147483647\r\n"), IsEmpty());
  EXPECT_THAT(read("$9000000000000000\r\n"), IsEmpty());
}

TEST(ReplyReader, RefusesMoreElementsThanAnyRealReplyHas) {
  std::string bytes = "*2147483647\r\n";
  for (int i = 0; i < 300'000; ++i) {
    bytes += ":1\r\n";
  }
  EXPECT_THAT(what_is_wrong_with(bytes), HasSubstr("too many elements"));
}

TEST(ReplyReader, RefusesAReplyThatNeverEnds) {
  ReplyReader reader;
  const std::string piece(std::size_t{1} << 20, 'x');
  reader.feed(as_bytes("$1000000000\r\n"));
  for (int i = 0; i < 63; ++i) {
    reader.feed(as_bytes(piece));
    ASSERT_EQ(reader.next(), std::nullopt);
  }
  reader.feed(as_bytes(piece));
  EXPECT_THROW(reader.next(), Error);
}

TEST(ReplyReader, CountsTheLimitAnewForEachReply) {
  ReplyReader reader;
  const std::string reply = "$1048576\r\n" + std::string(std::size_t{1} << 20, 'x') + "\r\n";
  for (int i = 0; i < 70; ++i) {
    reader.feed(as_bytes(reply));
    ASSERT_TRUE(reader.next().has_value());
  }
}

TEST(Reply, KnowsTheCodeWordOfAnError) {
  EXPECT_EQ(error("NOPERM this user").error_code(), "NOPERM");
  EXPECT_EQ(error("LOADING").error_code(), "LOADING");
  EXPECT_EQ(status("OK fine").error_code(), "");
}

TEST(Reply, FindsTheValueBehindAName) {
  const Reply pairs = array({text("server"), text("redis"), text("proto"), integer(2),
                             text("redis"), text("no"), text("odd one out")});
  EXPECT_EQ(*pairs.find("server"), text("redis"));
  EXPECT_EQ(*pairs.find("proto"), integer(2));
  EXPECT_EQ(*pairs.find("redis"), text("no"));
  EXPECT_EQ(pairs.find("odd one out"), nullptr);
  EXPECT_EQ(pairs.find("missing"), nullptr);
  EXPECT_EQ(text("server").find("server"), nullptr);
}

}  // namespace
}  // namespace keyrewind::resp
