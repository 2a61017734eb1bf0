#include "restore/log_reader.h"

#include "base/error.h"
#include "restore/safe_cut.h"
#include "store/encrypted_store.h"
#include "store/memory_store.h"
#include "support/faulty_store.h"
#include "support/watched_store.h"
#include "unit/restore/log_writer.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace keyrewind::restore {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

const std::string kLineage(40, 'a');
constexpr std::int64_t kBegin = 1000;

Timestamp at(int seconds) {
  return *from_rfc3339("2026-11-20T12:00:00Z") + std::chrono::seconds(seconds);
}

/// A SET of 40 to 49 bytes, so that frames end within commands.
std::string command(int number) {
  const std::string value = fmt::format("value-{}", number);
  return fmt::format("*3\r\n$3\r\nSET\r\n$5\r\nk{:04}\r\n${}\r\n{}\r\n", number, value.size(),
                     value);
}

/// `count` commands from the number `first` on.
std::string commands(int first, int count) {
  std::string text;
  for (int i = first; i < first + count; ++i) {
    text += command(i);
  }
  return text;
}

class LogReader : public testing::Test {
 protected:
  LogReader() {
    store_.create();
    for (int i = 0; i < 4; ++i) {
      log_.seal(commands(i * 10, 10), at(10 * (i + 1)));
    }
    window_ = log_.window(at(0));
  }

  /// What is read from `begin` to `end`; `meanwhile` runs before each piece is taken.
  std::string read(std::int64_t begin, std::int64_t end,
                   const std::function<void(std::int64_t offset)>& meanwhile = {}) {
    std::string got;
    Progress progress;
    read_log(catalog_, window_, begin, end,
             [&](ByteView raw, Timestamp arrived) {
               if (meanwhile) {
                 meanwhile(begin + static_cast<std::int64_t>(got.size()));
               }
               got += as_text(raw);
               arrivals_.push_back(arrived);
             },
             progress, {});
    EXPECT_EQ(progress.bytes, got.size());
    return got;
  }

  std::string wanted(std::int64_t begin, std::int64_t end) const {
    return log_.raw().substr(static_cast<std::size_t>(begin - kBegin),
                             static_cast<std::size_t>(end - begin));
  }

  std::string damage(std::int64_t begin, std::int64_t end) {
    try {
      read(begin, end);
      ADD_FAILURE() << "read from " << begin << " to " << end;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::corrupt) << error.what();
      EXPECT_EQ(error.side(), Side::repository) << error.what();
      return error.what();
    }
    return "";
  }

  /// Replaces an object by what `change` makes of it.
  void change(const std::string& name, const std::function<void(Bytes&)>& change) {
    Bytes content = *memory_.get(name, 1U << 20U, {});
    change(content);
    memory_.remove(name, {});
    memory_.put_if_absent(name, content, {});
  }

  store::MemoryStore memory_;
  test::LogWriter log_{memory_, "orders", kLineage, std::string(40, 'b'), kBegin};
  keyrewind::test::FaultyStore store_{memory_};
  catalog::Catalog catalog_{store_, "orders"};
  catalog::Window window_;
  std::vector<Timestamp> arrivals_;
};

TEST_F(LogReader, ReadsAllOfALog) {
  EXPECT_EQ(read(kBegin, log_.end()), log_.raw());
}

TEST_F(LogReader, ReadsFromAnyOffsetToAnyOther) {
  for (std::int64_t begin = kBegin; begin <= log_.end(); begin += 97) {
    for (std::int64_t end = begin; end <= log_.end(); end += 131) {
      ASSERT_EQ(read(begin, end), wanted(begin, end)) << begin << " to " << end;
    }
  }
}

TEST_F(LogReader, FetchesNothingForNothing) {
  store_.set({});

  EXPECT_EQ(read(log_.end(), log_.end()), "");

  EXPECT_EQ(store_.calls(), 0);
}

TEST_F(LogReader, SaysWhenEachPieceHadArrived) {
  test::LogWriter log(memory_, "orders", std::string(40, 'c'), std::string(40, 'b'), kBegin);
  const std::string raw = commands(0, 4);
  const auto end_of = [](int count) {
    return kBegin + static_cast<std::int64_t>(commands(0, count).size());
  };
  log.seal(raw, at(9), {{end_of(1), at(1)}, {end_of(2), at(5)}, {end_of(3), at(3)}});
  window_ = log.window(at(0));

  read(end_of(1), end_of(4));

  // Frames end where they end, so only the order of different ones counts.
  arrivals_.erase(std::unique(arrivals_.begin(), arrivals_.end()), arrivals_.end());
  EXPECT_THAT(arrivals_, ElementsAre(at(5), at(3), at(9)));
}

TEST_F(LogReader, NamesTheObjectOfWhichAnyBitIsWrongAndGivesNothingBehindIt) {
  const catalog::SegmentEntry& damaged = log_.objects()[1];
  std::uint64_t data = 0;
  for (const codec::Frame& frame : log_.segments()[1].frames) {
    data += frame.stored_bytes;
  }
  for (std::uint64_t byte = 0; byte < data; byte += 7) {
    const auto flip = [&](Bytes& content) { content[byte] ^= std::byte{0x10}; };
    change(damaged.object, flip);
    const std::string message = damage(kBegin, log_.end());
    EXPECT_THAT(message, HasSubstr(damaged.object));
    EXPECT_THAT(message, HasSubstr(fmt::format("sound up to offset {}", damaged.begin)));
    change(damaged.object, flip);
  }
}

TEST_F(LogReader, ReadsWhatLiesBeforeTheDamage) {
  const catalog::SegmentEntry& damaged = log_.objects()[2];
  memory_.remove(damaged.object, {});

  EXPECT_EQ(read(kBegin, damaged.begin), wanted(kBegin, damaged.begin));
  EXPECT_EQ(read(damaged.end, log_.end()), wanted(damaged.end, log_.end()));
  const std::string message = damage(kBegin, damaged.begin + 1);
  EXPECT_THAT(message, HasSubstr(damaged.object));
  EXPECT_THAT(message, HasSubstr("is missing"));
  EXPECT_THAT(message, HasSubstr(fmt::format("--at offset:{} ", damaged.begin)));
}

TEST_F(LogReader, FindsAnObjectThatWasCutShort) {
  change(log_.objects()[1].object, [](Bytes& content) { content.resize(10); });

  EXPECT_THAT(damage(kBegin, log_.end()), HasSubstr(log_.objects()[1].object));
}

TEST_F(LogReader, FindsASegmentOfAnotherHistoryInTheChain) {
  window_.segments[1].previous[0] ^= std::byte{1};

  const std::string message = damage(kBegin, log_.end());

  EXPECT_THAT(message, HasSubstr("hash chain"));
  EXPECT_THAT(message, HasSubstr(log_.objects()[1].object));
}

TEST_F(LogReader, FindsSegmentsThatChangedPlaces) {
  std::swap(window_.segments[1].links, window_.segments[2].links);
  std::swap(window_.segments[1].frames, window_.segments[2].frames);
  window_.segments[1].links[0].end = window_.segments[1].end;
  window_.segments[2].links[0].end = window_.segments[2].end;

  EXPECT_THAT(damage(kBegin, log_.end()), HasSubstr("damaged"));
}

TEST_F(LogReader, FindsBytesThatAreNotThoseThatWereSealed) {
  // Object and index agree with each other, but not with the link.
  window_.segments[1].links[0].sha256[0] ^= std::byte{1};
  window_.segments[2].previous = catalog::chain_end(window_.segments[1]);
  window_.segments.resize(3);

  EXPECT_THAT(damage(kBegin, log_.objects()[2].end), HasSubstr(log_.objects()[1].object));
}

TEST_F(LogReader, GoesOnInTheObjectThatSegmentsWereMergedInto) {
  log_.merge(0, 3);

  EXPECT_EQ(read(kBegin, log_.end()), log_.raw());
  EXPECT_EQ(read(kBegin + 77, log_.end() - 5), wanted(kBegin + 77, log_.end() - 5));
}

TEST_F(LogReader, IsNotDisturbedByAMergeAtAnyMoment) {
  for (std::int64_t when = kBegin; when < log_.end() - 64; when += 61) {
    store::MemoryStore memory;
    test::LogWriter log(memory, "orders", kLineage, std::string(40, 'b'), kBegin);
    for (int i = 0; i < 4; ++i) {
      log.seal(commands(i * 10, 10), at(10 * (i + 1)));
    }
    const catalog::Catalog catalog(memory, "orders");
    const catalog::Window window = log.window(at(0));
    bool merged = false;
    std::string got;
    Progress progress;
    read_log(catalog, window, kBegin, log.end(),
             [&](ByteView raw, Timestamp) {
               if (!merged && kBegin + static_cast<std::int64_t>(got.size()) >= when) {
                 log.merge(0, 1);
                 log.merge(2, 3);
                 merged = true;
               }
               got += as_text(raw);
             },
             progress, {});

    EXPECT_TRUE(merged);
    EXPECT_EQ(got, log.raw()) << "merged at " << when;
  }
}

TEST_F(LogReader, FetchesFromSeveralSegmentsAtOnce) {
  keyrewind::test::WatchedStore watched(memory_);
  watched.gather(4, [](const auto&) { return true; });
  const catalog::Catalog catalog(watched, "orders");
  std::string got;
  Progress progress;

  read_log(catalog, window_, kBegin, log_.end(), {.connections = 4},
           [&](ByteView raw, Timestamp) { got += as_text(raw); }, progress, {});

  EXPECT_EQ(got, log_.raw());
}

TEST_F(LogReader, FetchesNothingTwiceAndNothingThatIsNotWanted) {
  keyrewind::test::WatchedStore watched(memory_);
  const catalog::Catalog catalog(watched, "orders");
  const std::int64_t begin = log_.segments()[1].begin + 200;
  const std::int64_t end = log_.segments()[2].begin + 10;
  Progress progress;

  read_log(catalog, window_, begin, end, [](ByteView, Timestamp) {}, progress, {});

  EXPECT_THAT(watched.ranges_of(log_.objects()[0].object), IsEmpty());
  EXPECT_THAT(watched.ranges_of(log_.objects()[3].object), IsEmpty());
  ASSERT_THAT(watched.ranges_of(log_.objects()[1].object), SizeIs(1));
  ASSERT_THAT(watched.ranges_of(log_.objects()[2].object), SizeIs(1));
  EXPECT_GT(watched.ranges_of(log_.objects()[1].object)[0].offset, 0U);
  EXPECT_EQ(watched.ranges_of(log_.objects()[2].object)[0].bytes,
            log_.segments()[2].frames[0].stored_bytes);
}

TEST_F(LogReader, ReadsMoreSegmentsThanItFetchesAhead) {
  test::LogWriter log(memory_, "orders", std::string(40, 'c'), std::string(40, 'b'), kBegin);
  for (int i = 0; i < 200; ++i) {
    log.seal(command(i), at(i));
  }
  window_ = log.window(at(0));

  EXPECT_EQ(read(kBegin, log.end()), log.raw());
}

TEST_F(LogReader, GoesOnInMergedSegmentsWhereSmallOnesGoWhileTheyAreFetchedAhead) {
  test::LogWriter log(memory_, "orders", std::string(40, 'c'), std::string(40, 'b'), kBegin);
  for (int i = 0; i < 100; ++i) {
    log.seal(commands(i * 3, 3), at(i));
  }
  window_ = log.window(at(0));
  bool merged = false;

  const std::string got = read(kBegin, log.end(), [&](std::int64_t offset) {
    if (!merged && offset > kBegin + 4000) {
      merged = true;
      log.merge(0, 49);
      log.merge(50, 99);
    }
  });

  EXPECT_TRUE(merged);
  EXPECT_EQ(got, log.raw());
}

TEST_F(LogReader, ChecksAllOfALinkWithinWhichTheObjectChanged) {
  // Every frame is a request of its own, so the object can go between two of them.
  const ReadOptions frame_by_frame{.connections = 1, .memory = 0};
  const std::int64_t length = log_.segments()[0].end - kBegin;
  for (const bool alter : {false, true}) {
    store::MemoryStore memory;
    test::LogWriter log(memory, "orders", kLineage, std::string(40, 'b'), kBegin);
    for (int i = 0; i < 4; ++i) {
      log.seal(commands(i * 10, 10), at(10 * (i + 1)));
    }
    const catalog::Catalog catalog(memory, "orders");
    std::string got;
    Progress progress;
    const auto read = [&] {
      read_log(catalog, log.window(at(0)), kBegin, log.end(), frame_by_frame,
               [&](ByteView raw, Timestamp) {
                 if (got.empty()) {
                   log.merge(0, 3, true, [&](std::string& merged) {
                     merged[static_cast<std::size_t>(length) - 3] ^= alter ? 1 : 0;
                   });
                 }
                 got += as_text(raw);
               },
               progress, {});
    };

    if (alter) {
      EXPECT_THROW(read(), Error);
      EXPECT_LT(got.size(), static_cast<std::size_t>(length));
    } else {
      read();
      EXPECT_EQ(got, log.raw());
    }
  }
}

TEST_F(LogReader, ThrowsWhatTheStoreThrowsAtAnyCall) {
  store_.set({});
  EXPECT_EQ(read(kBegin, log_.end()), log_.raw());
  const std::uint64_t calls = store_.calls();
  for (std::uint64_t call = 1; call <= calls; ++call) {
    store_.set({.mode = keyrewind::test::Fault::Mode::fail_before, .call = call});
    try {
      read(kBegin, log_.end());
      ADD_FAILURE() << "no failure at call " << call;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::unavailable) << call;
    }
  }
}

/// The same log, encrypted.
class EncryptedLog : public LogReader {
 protected:
  EncryptedLog() {
    ground_.create();
    for (int i = 0; i < 100; ++i) {
      written_.seal(commands(i * 3, 3), at(i));
    }
    window_ = written_.window(at(0));
  }

  std::string read_from(store::ObjectStore& store, std::int64_t begin, std::int64_t end) {
    const catalog::Catalog catalog(store, "orders");
    std::string got;
    Progress progress;
    read_log(catalog, window_, begin, end, [&](ByteView raw, Timestamp) { got += as_text(raw); },
             progress, {});
    return got;
  }

  Error failure(store::ObjectStore& store) {
    try {
      read_from(store, kBegin, written_.end());
    } catch (const Error& error) {
      return error;
    }
    return Error(ErrorKind::internal, "nothing was thrown");
  }

  const codec::AgeIdentity identity_{
      "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX"};
  store::MemoryStore ground_;
  store::EncryptedStore owner_{std::make_unique<keyrewind::test::FaultyStore>(ground_),
                               {identity_.recipient()},
                               {identity_}};
  test::LogWriter written_{owner_, "orders", kLineage, std::string(40, 'b'), kBegin};
};

TEST_F(EncryptedLog, IsReadWithAnIdentity) {
  EXPECT_EQ(read_from(owner_, kBegin, written_.end()), written_.raw());
  EXPECT_EQ(read_from(owner_, kBegin + 100, written_.end() - 100),
            written_.raw().substr(100, written_.raw().size() - 200));
}

TEST_F(EncryptedLog, IsNotReadWithoutOne) {
  store::EncryptedStore stranger(std::make_unique<keyrewind::test::FaultyStore>(ground_), {}, {});

  EXPECT_EQ(failure(stranger).kind(), ErrorKind::config);
}

TEST_F(EncryptedLog, NamesTheObjectThatIsDamagedOrMissing) {
  const catalog::SegmentEntry& damaged = written_.objects()[70];
  Bytes content = *ground_.get(damaged.object, 1U << 20U, {});
  content[content.size() - 20] ^= std::byte{1};
  ground_.remove(damaged.object, {});
  for (const bool missing : {true, false}) {
    const Error error = failure(owner_);
    EXPECT_EQ(error.kind(), ErrorKind::corrupt);
    EXPECT_THAT(error.what(), HasSubstr(damaged.object));
    EXPECT_THAT(error.what(), HasSubstr(fmt::format("--at offset:{} ", damaged.begin)));
    EXPECT_EQ(std::string_view(error.what()).find("is missing") != std::string_view::npos, missing);
    ground_.put_if_absent(damaged.object, content, {});
  }
}

TEST_F(LogReader, NamesADamagedIndexThatItFindsWhenItListsAgain) {
  window_.log[1].last += std::chrono::seconds(1);  // Of such a name there is none.
  change(log_.objects()[1].object, [](Bytes& content) { content.resize(3); });

  EXPECT_THAT(damage(kBegin, log_.end()), HasSubstr(log_.objects()[1].object));
}

TEST_F(LogReader, PassesOnWhatTheStoreAndTheSinkThrow) {
  store_.set({.mode = keyrewind::test::Fault::Mode::fail_before, .call = 3});
  try {
    read(kBegin, log_.end());
    ADD_FAILURE() << "no failure";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::unavailable);
  }
  store_.set({});
  try {
    read(kBegin, log_.end(),
         [](std::int64_t) { throw Error(ErrorKind::corrupt, "the sink's own"); });
    ADD_FAILURE() << "no failure";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "the sink's own");
  }
}

class SafeCut : public testing::Test {
 protected:
  /// A command and a transaction sealed as one, then two commands.
  SafeCut() {
    first_ = command(1);
    transaction_ = "*1\r\n$5\r\nMULTI\r\n" + command(2) + command(3) + "*1\r\n$4\r\nEXEC\r\n";
    log_.seal(first_ + transaction_, at(9), {{offset(1), at(1)}});
    log_.seal(command(4) + command(5), at(12));
  }

  /// The offset behind the first so many parts.
  std::int64_t offset(int parts) const {
    return kBegin + static_cast<std::int64_t>(first_.size()) +
           (parts > 1 ? static_cast<std::int64_t>(transaction_.size()) : 0);
  }

  RestorePoint cut(std::int64_t offset, Moment::Kind kind = Moment::Kind::offset) {
    RestorePoint point;
    point.window = log_.window(at(0));
    point.base = point.window.snapshots.front();
    point.offset = offset;
    point.at = arrival_in(point.window, offset);
    const catalog::Catalog catalog(memory_, "orders");
    Moment moment;
    moment.kind = kind;
    cut_safely(catalog, moment, point, {});
    return point;
  }

  store::MemoryStore memory_;
  test::LogWriter log_{memory_, "orders", kLineage, std::string(40, 'b'), kBegin};
  std::string first_;
  std::string transaction_;
};

TEST_F(SafeCut, LeavesASafeOffsetAlone) {
  for (const std::int64_t safe : {kBegin, offset(1), offset(2), log_.end()}) {
    const RestorePoint point = cut(safe);
    EXPECT_EQ(point.offset, safe);
    EXPECT_THAT(point.notes, IsEmpty());
  }
}

TEST_F(SafeCut, GoesBackToTheBoundaryOfACommand) {
  const RestorePoint point = cut(offset(1) - 3);

  EXPECT_EQ(point.offset, kBegin);
  EXPECT_FALSE(point.needs_log());
  EXPECT_EQ(point.at, at(0));
  EXPECT_THAT(point.notes, ElementsAre(HasSubstr("within a command or transaction")));
}

TEST_F(SafeCut, GoesBackToBeforeATransaction) {
  for (std::int64_t within = offset(1) + 1; within < offset(2); ++within) {
    const RestorePoint point = cut(within);
    ASSERT_EQ(point.offset, offset(1)) << within;
    ASSERT_EQ(point.at, at(1)) << within;
  }
}

TEST_F(SafeCut, SaysSoOnlyWhereAnOffsetWasAskedFor) {
  EXPECT_THAT(cut(offset(2) - 1, Moment::Kind::time).notes, IsEmpty());
  EXPECT_THAT(cut(offset(2) - 1).notes, Not(IsEmpty()));
}

TEST_F(SafeCut, ReadsOnlyWhatWasSealedAroundIt) {
  memory_.remove(log_.objects()[0].object, {});

  EXPECT_EQ(cut(log_.end() - 1).offset, log_.end() - static_cast<std::int64_t>(command(5).size()));
}

TEST_F(SafeCut, FindsALogThatIsNone) {
  log_.seal("*1\r\n$4\r\nPING\r\nwhat is this", at(20));

  try {
    cut(log_.end() - 2);
    ADD_FAILURE() << "no failure";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::corrupt);
  }
}

}  // namespace
}  // namespace keyrewind::restore
