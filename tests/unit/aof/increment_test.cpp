#include "aof/increment.h"

#include "base/error.h"
#include "unit/aof/streams.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <stdexcept>
#include <string>

namespace keyrewind::aof {
namespace {

using std::chrono::milliseconds;
using test::encode;
using test::stream_of;
using testing::HasSubstr;

Timestamp at_second(double seconds) {
  return Timestamp(milliseconds(static_cast<std::int64_t>(seconds * 1000)));
}

/// An increment that is written into a string.
class Increment {
 public:
  explicit Increment(std::int64_t offset = 0, std::uint64_t database = 0)
      : writer_(offset, database, [this](ByteView bytes) { text_ += as_text(bytes); }) {}
  Increment(const Increment&) = delete;
  Increment& operator=(const Increment&) = delete;

  Increment& append(std::string_view raw, double second = 1) {
    writer_.append(as_bytes(raw), at_second(second));
    return *this;
  }

  IncrementWriter& writer() { return writer_; }
  const std::string& text() const { return text_; }

  /// Behind the SELECT and the first line with a time.
  std::string body() const {
    const std::string head = encode({"SELECT", "0"}) + "#TS:1\r\n";
    EXPECT_TRUE(text_.starts_with(head)) << text_;
    return text_.substr(head.size());
  }

 private:
  std::string text_;
  IncrementWriter writer_;
};

TEST(IncrementWriter, BeginsWithTheDatabase) {
  EXPECT_EQ(Increment(0, 0).text(), encode({"SELECT", "0"}));
  EXPECT_EQ(Increment(99, 12).text(), encode({"SELECT", "12"}));
}

TEST(IncrementWriter, PassesTheStreamOnVerbatim) {
  const std::string raw =
      stream_of({{"ping"}, {"set", "a", "\r\n"}, {"MULTI"}, {"DEL", "b"}, {"EXEC"}});
  Increment increment;

  increment.append(raw).writer().finish();

  EXPECT_EQ(increment.body(), raw);
  EXPECT_EQ(increment.writer().commands(), 5U);
  EXPECT_EQ(increment.writer().bytes(), increment.text().size());
}

TEST(IncrementWriter, WritesALineForEachNewSecond) {
  const std::string set = encode({"SET", "a", "1"});
  Increment increment;

  increment.append(set, 1.2).append(set, 1.9).append(set, 2.0).append(set, 60.5);

  EXPECT_EQ(increment.body(), set + set + "#TS:2\r\n" + set + "#TS:60\r\n" + set);
}

TEST(IncrementWriter, WritesNoLineWhenTheClockGoesBack) {
  const std::string set = encode({"SET", "a", "1"});
  Increment increment;

  increment.append(set, 1).append(set, 9).append(set, 3).append(set, 9).append(set, 10);

  EXPECT_EQ(increment.body(), set + "#TS:9\r\n" + set + set + set + "#TS:10\r\n" + set);
}

TEST(IncrementWriter, LetsALineWaitForTheEndOfACommand) {
  const std::string set = encode({"SET", "a", "1"});
  Increment increment;

  increment.append(set.substr(0, 9), 1).append(set.substr(9, 9), 2).append(set.substr(18) + set, 3);

  EXPECT_EQ(increment.body(), set + "#TS:3\r\n" + set);
}

TEST(IncrementWriter, LetsALineWaitForTheEndOfATransaction) {
  const std::string begin = stream_of({{"MULTI"}, {"SET", "a", "1"}});
  const std::string end = stream_of({{"SET", "b", "1"}, {"EXEC"}});
  const std::string ping = encode({"PING"});
  Increment increment;

  increment.append(begin, 1).append(end + ping, 2);

  EXPECT_EQ(increment.body(), begin + end + "#TS:2\r\n" + ping);
}

TEST(IncrementWriter, WritesNoLineThatNothingFollows) {
  const std::string set = encode({"SET", "a", "1"});
  Increment increment;

  increment.append(set, 1).append("", 2).writer().finish();

  EXPECT_EQ(increment.body(), set);
}

TEST(IncrementWriter, LeavesClusterCommandsOutHoweverTheyArrive) {
  const std::string set = encode({"SET", "CLUSTER", "CLUSTER"});
  const std::string raw = set + encode({"CLUSTER", "SETSLOT", "1", "NODE", "x"}) + set +
                          stream_of({{"cluster", "SYNCSLOTS", std::string(3000, 's')}, {"cluste"}});
  const std::string kept = set + set + encode({"cluste"});

  for (std::size_t cut = 0; cut <= raw.size(); ++cut) {
    Increment increment;
    increment.append(raw.substr(0, cut)).append(raw.substr(cut)).writer().finish();
    ASSERT_EQ(increment.body(), kept) << "cut at " << cut;
    EXPECT_EQ(increment.writer().left_out(), 2U);
    EXPECT_EQ(increment.writer().commands(), 3U);
  }
}

TEST(IncrementWriter, LeavesClusterCommandsOutOfTransactions) {
  Increment increment;

  increment.append(stream_of({{"MULTI"}, {"CLUSTER", "SETSLOT"}, {"SET", "a", "1"}, {"EXEC"}}));

  EXPECT_EQ(increment.body(), stream_of({{"MULTI"}, {"SET", "a", "1"}, {"EXEC"}}));
}

TEST(IncrementWriter, RefusesToLeaveOutTheClusterCommandThatTakesKeysAway) {
  const std::string raw = encode({"SET", "a", "1"});
  for (const std::string& command :
       {encode({"CLUSTER", "FLUSHSLOT", "1"}), encode({"cluster", "flushslot", "1", "SYNC"})}) {
    Increment increment(100);
    try {
      for (const char byte : raw + command) {
        increment.append(std::string(1, byte));
      }
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::incompatible);
      EXPECT_THAT(error.what(), HasSubstr("restore to offset:127 or before"));
    }
  }
}

TEST(IncrementWriter, HoldsBackNoMoreThanTheBeginningOfACommand) {
  Increment increment;
  const std::string head = "*1\r\n$1099511627776\r\nclusters-of-them";

  for (const char byte : head.substr(0, head.size() - 1)) {
    increment.append(std::string(1, byte));
  }
  EXPECT_EQ(increment.body(), "");

  increment.append(head.substr(head.size() - 1));
  EXPECT_EQ(increment.body(), head);
}

TEST(IncrementWriter, RefusesToEndWithinACommandOrTransaction) {
  const std::string set = encode({"SET", "a", "1"});
  Increment cut(100);
  cut.append(set + "*1\r\n");
  Increment open(100);
  open.append(set + encode({"MULTI"}));

  const auto refusal = [](Increment& increment) -> std::string {
    try {
      increment.writer().finish();
      return "";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::corrupt);
      return error.what();
    }
  };
  EXPECT_EQ(refusal(cut),
            "the log ends at offset 131 within a command; the last offset before it at which it "
            "can end is 127");
  EXPECT_THAT(refusal(open), HasSubstr("within a transaction"));
}

TEST(IncrementWriter, RefusesAStreamThatIsNone) {
  for (const std::string raw : {"\n", "garbage", "*1\r\n$-1\r\n", "*1\r\n$4\r\nEXEC\r\n"}) {
    Increment increment;
    try {
      increment.append(raw);
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::corrupt);
      EXPECT_THAT(error.what(), HasSubstr("offset"));
    }
  }
}

TEST(IncrementWriter, LetsTheErrorsOfWritingPass) {
  IncrementWriter writer(0, 0, [calls = 0](ByteView) mutable {
    if (++calls == 2) {
      throw Error(ErrorKind::failed, "disk full");
    }
  });
  try {
    writer.append(as_bytes("*1\r\n$4\r\nPING\r\n"), at_second(1));
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::failed);
  }
}

}  // namespace
}  // namespace keyrewind::aof
