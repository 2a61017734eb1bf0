#include "backup/segment_writer.h"

#include "base/error.h"
#include "catalog/names.h"
#include "log_sample.h"
#include "store/memory_store.h"
#include "support/faulty_store.h"
#include "support/temp_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <set>
#include <string>
#include <vector>

namespace keyrewind::backup {
namespace {

using catalog::Segment;
using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const std::string kSet = command({"SET", "a", "1"});

std::int64_t size_of(const std::string& text) {
  return static_cast<std::int64_t>(text.size());
}

class SegmentWriterTest : public testing::Test {
 protected:
  /// Seals a journal of these pieces.
  Spool::Sealed seal(const std::vector<Piece>& pieces) {
    replica::Position position = kStart;
    add_journal(spool_, position, pieces);
    return *spool_.next({});
  }

  StoredSegment put(const Spool::Sealed& sealed) {
    return store_segment(store_, sealed, catalog::chain_start(kLineage, kStart.offset), 0, 1, {});
  }

  StoredSegment put(const std::vector<Piece>& pieces) { return put(seal(pieces)); }

  Bytes object(const StoredSegment& stored) const { return *store_.get(stored.object, ~0ULL, {}); }

  const test::TempDir folder_;
  Spool spool_{{.dir = folder_.path()}, "orders", "0"};
  store::MemoryStore store_;
};

TEST_F(SegmentWriterTest, StoresWhatZstdInflatesToTheStream) {
  std::mt19937 random(1);
  Timestamp at = kTime;
  const auto pieces = random_pieces(random, random_units(random, 500), at);

  const StoredSegment stored = put(pieces);

  EXPECT_EQ(inflate(object(stored)), joined(pieces));
  EXPECT_EQ(object(stored).size(), stored.stored_bytes);
}

TEST_F(SegmentWriterTest, CutsAStreamOfManyFramesAnywhere) {
  std::mt19937 random(2);
  std::string noise(9U << 20U, ' ');
  std::ranges::generate(noise, [&] { return static_cast<char>('a' + random() % 20); });
  const std::string all = command({"SET", "a", noise}) + kSet;

  const StoredSegment stored = put({{all, kTime}});

  EXPECT_THAT(stored.segment.frames, SizeIs(3));
  EXPECT_EQ(inflate(object(stored)), all);
}

TEST_F(SegmentWriterTest, ItsIndexSaysWhatTheJournalSays) {
  const std::string flush = command({"FLUSHALL"});
  spool_.begin(kLineage, kStart, 3);
  spool_.note_resumed("10.0.0.7:6379", kTime - milliseconds(7));
  spool_.note_renamed(kOtherReplid, kTime);
  spool_.append(as_bytes(kSet), kTime);
  spool_.append(as_bytes(flush), kTime + milliseconds(100));
  const std::int64_t end = kStart.offset + size_of(kSet + flush);
  spool_.append(as_bytes(command({"MULTI"})), kTime + milliseconds(200));
  spool_.seal({kOtherReplid, end}, 3);
  const Spool::Sealed sealed = *spool_.next({});

  const StoredSegment stored = put(sealed);

  const catalog::SegmentEntry entry =
      catalog::list_logs(store_, "orders", "0", {}).at(kLineage).front();
  EXPECT_EQ(entry.object, stored.object);
  EXPECT_EQ(entry.begin, kStart.offset);
  EXPECT_EQ(entry.end, end);
  const Segment segment = *catalog::read_segment(store_, entry, {});
  EXPECT_EQ(segment, stored.segment);
  EXPECT_EQ(segment.source, "orders");
  EXPECT_EQ(segment.shard, "0");
  EXPECT_EQ(segment.lineage, kLineage);
  EXPECT_EQ(segment.database, 3U);
  EXPECT_EQ(segment.commands, 2U);
  EXPECT_EQ(segment.previous, catalog::chain_start(kLineage, kStart.offset));
  EXPECT_THAT(segment.ids, ElementsAre(catalog::HistoryId{kStart.offset, kOtherReplid}));
  EXPECT_THAT(segment.resumptions, ElementsAre(catalog::Resumption{
                                       kStart.offset, kTime - milliseconds(7), "10.0.0.7:6379"}));
  EXPECT_THAT(segment.marks, ElementsAre(catalog::TimeMark{kStart.offset + size_of(kSet), kTime},
                                         catalog::TimeMark{end, kTime + milliseconds(100)}));
  const std::int64_t before = kStart.offset + size_of(kSet);
  EXPECT_THAT(segment.noted, ElementsAre(aof::NotedCommand{"FLUSHALL", 3, before, end}));
  EXPECT_EQ(read_log(store_).stream, kSet + flush);
}

TEST_F(SegmentWriterTest, TheNameIsTheSameWhoeverSealsIt) {
  std::mt19937 random(7);
  for (int round = 0; round < 50; ++round) {
    const test::TempDir folder;
    Timestamp at = kTime;
    const auto pieces = random_pieces(random, random_units(random, 1 + random() % 20), at);
    auto spool = std::make_unique<Spool>(SpoolOptions{.dir = folder.path()}, "orders", "0");
    replica::Position position = kStart;
    spool->begin(kLineage, position, 0);
    for (const Piece& piece : pieces) {
      spool->append(as_bytes(piece.bytes), piece.at);
      at = piece.at;
    }
    if (round % 2 == 0) {
      // What comes behind the end is not in the segment, nor is its time.
      spool->append(as_bytes(command({"MULTI"})), at + std::chrono::hours(1));
    }
    const std::string content = content_of(folder / "orders/0/0000000001.journal");
    spool->seal({kReplid, kStart.offset + size_of(joined(pieces))}, 0);
    const std::string name = segment_name(*spool->next({}), 0, false);

    spool.reset();
    write_file(folder / "orders/0/0000000001.journal", content);
    spool = std::make_unique<Spool>(SpoolOptions{.dir = folder.path()}, "orders", "0");

    EXPECT_EQ(segment_name(*spool->next({}), 0, false), name) << "after kill -9";
    EXPECT_EQ(name, catalog::names::segment("orders", "0",
                                            {.lineage = kLineage,
                                             .begin = kStart.offset,
                                             .end = kStart.offset + size_of(joined(pieces)),
                                             .last = at,
                                             .level = 0}));
  }
}

TEST_F(SegmentWriterTest, DescribesWhatItWouldStore) {
  std::mt19937 random(3);
  Timestamp at = kTime;
  const Spool::Sealed sealed = seal(random_pieces(random, random_units(random, 100), at));
  const catalog::Digest previous = catalog::chain_start(kLineage, kStart.offset);

  Segment described = describe_segment(sealed, previous, false);

  const StoredSegment stored = put(sealed);
  EXPECT_THAT(described.frames, IsEmpty());
  described.frames = stored.segment.frames;
  EXPECT_EQ(described, stored.segment);
}

/// When each byte had arrived.
std::vector<Timestamp> arrivals(const std::vector<Piece>& pieces) {
  std::vector<Timestamp> times;
  for (const Piece& piece : pieces) {
    times.insert(times.end(), piece.bytes.size(), piece.at);
  }
  return times;
}

TEST_F(SegmentWriterTest, MarksTellWhenEverythingHadArrivedToTenMilliseconds) {
  std::mt19937 random(4);
  Timestamp at = kTime;
  std::vector<std::string> units = random_units(random, 1000);
  const auto pieces = random_pieces(random, units, at);
  const std::vector<Timestamp> times = arrivals(pieces);

  const Segment segment = put(pieces).segment;

  std::int64_t offset = kStart.offset;
  for (const std::string& unit : units) {
    offset += size_of(unit);
    const Timestamp arrived = times.at(static_cast<std::size_t>(offset - kStart.offset) - 1);
    EXPECT_GE(catalog::arrival(segment, offset), arrived);
    EXPECT_LT(catalog::arrival(segment, offset), arrived + milliseconds(10));
  }
  const auto span = static_cast<std::size_t>((at - kTime) / milliseconds(10));
  EXPECT_LE(segment.marks.size(), span + 1) << "at most one in ten milliseconds";
  EXPECT_EQ(segment.marks.back().offset, segment.end);
  EXPECT_EQ(segment.marks.back().at, at);
}

TEST_F(SegmentWriterTest, AnEndlessTrickleIsMarkedEveryTenMilliseconds) {
  std::vector<Piece> pieces;
  for (int i = 0; i < 1000; ++i) {
    pieces.push_back({kSet, kTime + milliseconds(i)});
  }

  const Segment segment = put(pieces).segment;

  EXPECT_THAT(segment.marks, SizeIs(100));
}

TEST_F(SegmentWriterTest, AClockThatIsSetBackIsMarkedAsItWas) {
  const std::vector<Piece> pieces{{kSet, kTime},
                                  {kSet, kTime + milliseconds(3)},
                                  {kSet, kTime - std::chrono::hours(1)},
                                  {kSet, kTime - std::chrono::hours(1) + milliseconds(2)},
                                  {kSet, kTime - std::chrono::hours(1) + milliseconds(1)},
                                  {kSet, kTime + std::chrono::hours(1)}};

  const Segment segment = put(pieces).segment;

  const auto mark = [&](int sets, milliseconds at) {
    return catalog::TimeMark{kStart.offset + sets * size_of(kSet), kTime + at};
  };
  const milliseconds hour = std::chrono::hours(1);
  EXPECT_THAT(segment.marks, ElementsAre(mark(2, milliseconds(3)), mark(4, -hour + milliseconds(2)),
                                         mark(5, -hour + milliseconds(1)), mark(6, hour)));
}

TEST_F(SegmentWriterTest, NotesOnlySoManyCommands) {
  std::string all;
  for (std::size_t i = 0; i < catalog::kMaxNoted + 5; ++i) {
    all += command({"FLUSHDB"});
  }

  const Segment segment = put({{all, kTime}}).segment;

  EXPECT_THAT(segment.noted, SizeIs(catalog::kMaxNoted));
  EXPECT_EQ(segment.noted_left_out, 5U);
}

TEST_F(SegmentWriterTest, ANameThatIsTakenIsAFailure) {
  const Spool::Sealed sealed = seal({{kSet, kTime}});
  put(sealed);
  EXPECT_EQ(error_of([&] { put(sealed); }).kind(), ErrorKind::failed);
}

TEST_F(SegmentWriterTest, AJournalThatSomebodyChangedIsNotStored) {
  const Spool::Sealed sealed = seal({{kSet, kTime}, {kSet, kTime}});
  const std::string content = content_of(sealed.path);
  write_file(sealed.path, content.substr(0, content.size() - 40));

  const Error error = error_of([&] { put(sealed); });

  EXPECT_EQ(error.kind(), ErrorKind::failed);
  EXPECT_EQ(error.side(), Side::here);
  EXPECT_THAT(error.what(), HasSubstr(sealed.path.string()));
  EXPECT_THAT(store_.list("", {}), IsEmpty());
}

TEST_F(SegmentWriterTest, AFailureLeavesNothing) {
  const Spool::Sealed sealed = seal({{kSet, kTime}});
  test::FaultyStore faulty(store_);
  std::uint64_t failures = 0;
  for (std::uint64_t call = 1;; ++call) {
    faulty.set({.mode = test::Fault::Mode::fail_before, .call = call});
    try {
      store_segment(faulty, sealed, {}, 0, 1, {});
      break;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::unavailable);
      EXPECT_THAT(store_.list("", {}), IsEmpty());
      ++failures;
    }
  }
  EXPECT_GT(failures, 2U);
}

TEST_F(SegmentWriterTest, StopLeavesNothing) {
  std::stop_source stop;
  stop.request_stop();
  const Spool::Sealed sealed = seal({{kSet, kTime}});
  const Error error = error_of([&] { store_segment(store_, sealed, {}, 0, 1, stop.get_token()); });
  EXPECT_EQ(error.kind(), ErrorKind::cancelled);
  EXPECT_THAT(store_.list("", {}), IsEmpty());
}

}  // namespace
}  // namespace keyrewind::backup
