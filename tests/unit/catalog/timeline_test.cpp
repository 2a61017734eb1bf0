#include "catalog/timeline.h"

#include "base/error.h"
#include "catalog/names.h"
#include "catalog/repository.h"
#include "sample.h"
#include "store/memory_store.h"
#include "support/faulty_store.h"
#include "support/manual_clock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace keyrewind::catalog {
namespace {

using std::chrono::seconds;
using test::failure_of;
using test::Fault;
using test::merge;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const std::string kLineage(test::kSampleLineage);
const std::string kOther(40, 'd');

/// Second `count` of the test's day.
Timestamp at(int count) {
  return test::sample_time() + seconds(count);
}

/// Writes one lineage's log, piece by piece, each with a mark at its end.
class LogWriter {
 public:
  LogWriter(store::ObjectStore& store, std::string lineage, std::int64_t begin)
      : store_(store), lineage_(std::move(lineage)), replid_(lineage_), end_(begin) {
    chain_ = chain_start(lineage_, begin);
  }

  /// The next piece, up to `end`, not written yet.
  Segment next(std::int64_t end, Timestamp arrived) {
    Segment segment = test::plain_segment("orders", end_, end, arrived, chain_);
    segment.lineage = lineage_;
    segment.ids = {{end_, replid_}};
    end_ = end;
    chain_ = chain_end(segment);
    return segment;
  }

  SegmentEntry write(std::int64_t end, Timestamp arrived) {
    return test::put_segment(store_, next(end, arrived));
  }

  void rename(const std::string& replid) { replid_ = replid; }

 private:
  store::ObjectStore& store_;
  const std::string lineage_;
  std::string replid_;
  std::int64_t end_;
  Digest chain_;
};

class TimelineTest : public testing::Test {
 protected:
  void SetUp() override { ensure_repository(store_, clock_, {}); }

  store::MemoryStore& store() { return store_; }
  Catalog& catalog() { return catalog_; }

  Timeline timeline() { return read_timeline(catalog_, {}); }

  /// Backs up: a snapshot at `offset` of the history `replid`, taken at `taken`. Returns its id.
  std::string back_up(const std::string& replid, std::int64_t offset, Timestamp taken,
                      const std::string& lineage = kLineage) {
    clock_.set(taken);
    Writer writer(catalog_, clock_, {});
    Manifest manifest = test::sample_manifest("orders", writer.new_id(), taken);
    Snapshot& snapshot = manifest.snapshots.front();
    snapshot.lineage = lineage;
    snapshot.replid = replid;
    snapshot.offset = offset;
    snapshot.taken = taken;
    return writer.commit(manifest, {}).id;
  }

  void damage(const SegmentEntry& segment) {
    Bytes object = *store_.get(segment.object, 1U << 20U, {});
    object[object.size() / 2] ^= std::byte{1};
    object[object.size() - 100] ^= std::byte{1};
    test::overwrite(store_, segment.object, as_text(object));
  }

  void put_event(const Event& event) {
    store_.put_if_absent(names::event("orders", "0", event.lineage, event.id),
                         as_bytes(encode(event)), {});
  }

 private:
  store::MemoryStore store_;
  Catalog catalog_{store_, "orders"};
  test::ManualClock clock_{test::sample_time()};
};

std::vector<std::string> backups_of(const Window& window) {
  std::vector<std::string> ids;
  for (const SnapshotPoint& point : window.snapshots) {
    ids.push_back(point.commit.id);
  }
  return ids;
}

std::vector<std::int64_t> ends_of(const Window& window) {
  std::vector<std::int64_t> ends;
  for (const Segment& segment : window.segments) {
    ends.push_back(segment.end);
  }
  return ends;
}

TEST_F(TimelineTest, IsEmptyWhereNothingIs) {
  const Timeline timeline = this->timeline();

  EXPECT_THAT(timeline.windows, IsEmpty());
  EXPECT_THAT(timeline.gaps, IsEmpty());
  EXPECT_THAT(timeline.events, IsEmpty());
  EXPECT_THAT(timeline.problems, IsEmpty());
}

TEST(Timeline, IsEmptyWhereThereIsNoRepositoryYet) {
  store::MemoryStore store;

  EXPECT_THAT(read_timeline(Catalog(store, "orders"), {}).windows, IsEmpty());

  store.put_if_absent("holiday.jpg", as_bytes("beach"), {});
  EXPECT_EQ(failure_of([&] { (void)read_timeline(Catalog(store, "orders"), {}); }).kind(),
            ErrorKind::unavailable);
}

TEST_F(TimelineTest, HasAWindowFromTheFirstSnapshotOnALogToItsEnd) {
  LogWriter log(store(), kLineage, 100);
  log.write(200, at(10));
  const SegmentEntry second = log.write(300, at(20));
  const SegmentEntry third = log.write(400, at(30));
  const std::string later = back_up(kLineage, 350, at(25));
  const std::string first = back_up(kLineage, 250, at(15));

  const Timeline timeline = this->timeline();

  ASSERT_THAT(timeline.windows, SizeIs(1));
  const Window& window = timeline.windows.front();
  EXPECT_EQ(window.lineage, kLineage);
  EXPECT_EQ(window.begin, 250);
  EXPECT_EQ(window.end, 400);
  EXPECT_EQ(window.from, at(15));
  EXPECT_EQ(window.until, at(30));
  EXPECT_THAT(backups_of(window), ElementsAre(first, later));
  EXPECT_THAT(window.log, ElementsAre(span_of(second), span_of(third)));
  EXPECT_THAT(ends_of(window), ElementsAre(300, 400));
  EXPECT_THAT(timeline.gaps, IsEmpty());
  EXPECT_THAT(timeline.problems, IsEmpty());
}

TEST_F(TimelineTest, HasAWindowOfOneMomentForASnapshotWithoutALog) {
  const std::string id = back_up(kOther, 5, at(1));
  const std::string again = back_up(kOther, 5, at(2));
  const std::string later = back_up(kOther, 6, at(9));

  const Timeline timeline = this->timeline();

  ASSERT_THAT(timeline.windows, SizeIs(2));
  EXPECT_THAT(backups_of(timeline.windows[0]), ElementsAre(id, again));
  EXPECT_EQ(timeline.windows[0].from, at(1));
  EXPECT_EQ(timeline.windows[0].until, at(2));
  EXPECT_EQ(timeline.windows[0].begin, 5);
  EXPECT_EQ(timeline.windows[0].end, 5);
  EXPECT_THAT(timeline.windows[0].log, IsEmpty());
  EXPECT_THAT(backups_of(timeline.windows[1]), ElementsAre(later));
  ASSERT_THAT(timeline.gaps, SizeIs(1));
  EXPECT_EQ(timeline.gaps[0].from, at(2));
  EXPECT_EQ(timeline.gaps[0].until, at(9));
  EXPECT_EQ(timeline.gaps[0].offset, 5);
  EXPECT_EQ(timeline.gaps[0].reason, "no log goes on from the snapshot");
}

TEST_F(TimelineTest, HasNoWindowOnALogThatNoSnapshotIsOn) {
  LogWriter log(store(), kLineage, 100);
  Segment segment = log.next(200, at(10));
  segment.noted = {{"FLUSHALL", 0, 120, 150}};
  test::put_segment(store(), segment);
  back_up(kLineage, 99, at(1));
  back_up(kLineage, 201, at(11));
  back_up(kOther, 150, at(12));

  const Timeline timeline = this->timeline();

  ASSERT_THAT(timeline.windows, SizeIs(3));
  for (const Window& window : timeline.windows) {
    EXPECT_THAT(window.log, IsEmpty());
  }
  EXPECT_THAT(timeline.events, SizeIs(1));
}

TEST_F(TimelineTest, BeginsAndEndsExactlyWhereTheLogDoes) {
  LogWriter log(store(), kLineage, 100);
  log.write(200, at(10));
  back_up(kLineage, 100, at(1));
  back_up(kLineage, 200, at(11));

  const Timeline timeline = this->timeline();

  ASSERT_THAT(timeline.windows, SizeIs(1));
  EXPECT_EQ(timeline.windows[0].begin, 100);
  EXPECT_EQ(timeline.windows[0].end, 200);
  EXPECT_THAT(timeline.windows[0].snapshots, SizeIs(2));
}

TEST_F(TimelineTest, PutsASnapshotAtTheEndOfALogOnIt) {
  LogWriter log(store(), kLineage, 100);
  log.write(200, at(10));
  back_up(kLineage, 200, at(11));

  const Timeline timeline = this->timeline();

  ASSERT_THAT(timeline.windows, SizeIs(1));
  EXPECT_EQ(timeline.windows[0].begin, 200);
  EXPECT_EQ(timeline.windows[0].end, 200);
  EXPECT_EQ(timeline.windows[0].until, at(11));
  EXPECT_THAT(timeline.windows[0].log, IsEmpty());
  EXPECT_THAT(timeline.gaps, IsEmpty());
}

// After a failover the same history goes by another id, and a backup calls its lineage by that.
TEST_F(TimelineTest, TakesASnapshotForTheHistoryThatItIsOnWhateverLineageItNames) {
  LogWriter log(store(), kLineage, 100);
  log.write(200, at(10));
  log.rename(kOther);
  log.write(300, at(20));
  const std::string base = back_up(kLineage, 100, at(1));
  const std::string before = back_up(kLineage, 200, at(10));
  const std::string at_change = back_up(kOther, 200, at(11), kOther);
  const std::string behind = back_up(kOther, 250, at(15), kOther);
  // The old primary went on for a moment: its history is another from there on.
  const std::string lost = back_up(kLineage, 250, at(16), kLineage);
  const std::string too_early = back_up(kOther, 199, at(17), kOther);

  const Timeline timeline = this->timeline();

  ASSERT_THAT(timeline.windows, SizeIs(3));
  EXPECT_THAT(backups_of(timeline.windows[0]), ElementsAre(base, before, at_change, behind));
  EXPECT_THAT(backups_of(timeline.windows[1]), ElementsAre(lost));
  EXPECT_THAT(backups_of(timeline.windows[2]), ElementsAre(too_early));
  EXPECT_THAT(timeline.gaps, IsEmpty());
  ASSERT_THAT(timeline.events, SizeIs(1));
  EXPECT_EQ(timeline.events[0].kind, "failover");
  EXPECT_EQ(timeline.events[0].offset, 200);
  EXPECT_EQ(timeline.events[0].id, "75a4f1c0-200-failover");
  EXPECT_EQ(timeline.events[0].detail, "the history goes on as " + kOther);
}

TEST_F(TimelineTest, SeesAFailoverWithinASegment) {
  LogWriter log(store(), kLineage, 100);
  Segment segment = log.next(300, at(20));
  segment.ids.push_back({150, kOther});
  test::put_segment(store(), segment);
  back_up(kOther, 200, at(12), kOther);

  const Timeline timeline = this->timeline();

  ASSERT_THAT(timeline.windows, SizeIs(1));
  EXPECT_EQ(timeline.windows[0].lineage, kLineage);
  EXPECT_EQ(timeline.windows[0].end, 300);
  ASSERT_THAT(timeline.events, SizeIs(1));
  EXPECT_EQ(timeline.events[0].offset, 150);
}

// The same history begins again after a gap, in another folder.
TEST_F(TimelineTest, TellsTwoLineagesOfOneHistoryApartByTheirOffsets) {
  LogWriter(store(), kLineage, 100).write(200, at(10));
  LogWriter again(store(), kOther, 500);
  again.rename(kLineage);
  again.write(600, at(60));
  const std::string first = back_up(kLineage, 100, at(1));
  const std::string second = back_up(kLineage, 500, at(50));
  put_event({.id = "20261120T130241Z-0a1b2c",
             .kind = "gap",
             .lineage = kLineage,
             .offset = 200,
             .at = at(20),
             .detail = "the servers no longer had the stream from here on"});

  const Timeline timeline = this->timeline();

  ASSERT_THAT(timeline.windows, SizeIs(2));
  EXPECT_EQ(timeline.windows[0].lineage, kLineage);
  EXPECT_THAT(backups_of(timeline.windows[0]), ElementsAre(first));
  EXPECT_EQ(timeline.windows[1].lineage, kOther);
  EXPECT_EQ(timeline.windows[1].end, 600);
  EXPECT_THAT(backups_of(timeline.windows[1]), ElementsAre(second));
  ASSERT_THAT(timeline.gaps, SizeIs(1));
  EXPECT_EQ(timeline.gaps[0].from, at(10));
  EXPECT_EQ(timeline.gaps[0].until, at(50));
  EXPECT_EQ(timeline.gaps[0].lineage, kLineage);
  EXPECT_EQ(timeline.gaps[0].offset, 200);
  EXPECT_EQ(timeline.gaps[0].reason, "the servers no longer had the stream from here on");
  ASSERT_THAT(timeline.events, SizeIs(1));
  EXPECT_EQ(timeline.events[0].id, "20261120T130241Z-0a1b2c");
  EXPECT_EQ(timeline.events[0].kind, "gap");
  EXPECT_EQ(timeline.events[0].before, 200);
  EXPECT_THAT(timeline.problems, IsEmpty());
}

TEST_F(TimelineTest, PrefersTheLineageThatASnapshotNames) {
  LogWriter first(store(), kLineage, 100);
  first.write(200, at(10));
  LogWriter second(store(), kOther, 100);
  second.rename(kLineage);
  second.write(200, at(20));
  back_up(kLineage, 150, at(15), kOther);

  const Timeline timeline = this->timeline();

  ASSERT_THAT(timeline.windows, SizeIs(1));
  EXPECT_EQ(timeline.windows[0].lineage, kOther);
}

TEST_F(TimelineTest, BreaksWhereASegmentIsMissing) {
  LogWriter log(store(), kLineage, 100);
  log.write(200, at(10));
  const SegmentEntry missing = log.write(300, at(20));
  log.write(400, at(30));
  back_up(kLineage, 100, at(1));
  const std::string behind = back_up(kLineage, 350, at(25));
  store().remove(missing.object, {});

  const Timeline timeline = this->timeline();

  const std::string reason =
      "the log of lineage " + kLineage + " is missing from offset 200 to 300";
  ASSERT_THAT(timeline.windows, SizeIs(2));
  EXPECT_EQ(timeline.windows[0].end, 200);
  EXPECT_EQ(timeline.windows[0].until, at(10));
  EXPECT_EQ(timeline.windows[1].begin, 350);
  EXPECT_EQ(timeline.windows[1].end, 400);
  EXPECT_THAT(backups_of(timeline.windows[1]), ElementsAre(behind));
  ASSERT_THAT(timeline.gaps, SizeIs(1));
  EXPECT_EQ(timeline.gaps[0].from, at(10));
  EXPECT_EQ(timeline.gaps[0].until, at(25));
  EXPECT_EQ(timeline.gaps[0].reason, reason);
  EXPECT_THAT(timeline.problems, ElementsAre(reason));
}

TEST_F(TimelineTest, SaysThatTheLogBehindABreakIsOutOfReach) {
  LogWriter log(store(), kLineage, 100);
  log.write(200, at(10));
  const SegmentEntry missing = log.write(300, at(20));
  log.write(400, at(30));
  back_up(kLineage, 100, at(1));
  store().remove(missing.object, {});

  const Timeline timeline = this->timeline();

  ASSERT_THAT(timeline.windows, SizeIs(1));
  ASSERT_THAT(timeline.gaps, SizeIs(1));
  EXPECT_EQ(timeline.gaps[0].from, at(10));
  EXPECT_EQ(timeline.gaps[0].until, at(30));
  EXPECT_THAT(timeline.gaps[0].reason, HasSubstr("is missing from offset 200 to 300"));
}

TEST_F(TimelineTest, BreaksWhereASegmentIsDamagedAndNamesIt) {
  LogWriter log(store(), kLineage, 100);
  log.write(200, at(10));
  const SegmentEntry damaged = log.write(300, at(20));
  log.write(400, at(30));
  back_up(kLineage, 100, at(1));
  back_up(kLineage, 250, at(15));
  back_up(kLineage, 300, at(21));
  damage(damaged);

  const Timeline timeline = this->timeline();

  ASSERT_THAT(timeline.windows, SizeIs(3));
  EXPECT_EQ(timeline.windows[0].end, 200);
  EXPECT_EQ(timeline.windows[1].begin, 250);
  EXPECT_EQ(timeline.windows[1].end, 250);
  EXPECT_EQ(timeline.windows[2].begin, 300);
  EXPECT_EQ(timeline.windows[2].end, 400);
  ASSERT_THAT(timeline.gaps, SizeIs(2));
  EXPECT_EQ(timeline.gaps[0].reason, damaged.object + " is damaged");
  EXPECT_EQ(timeline.gaps[1].reason, damaged.object + " is damaged");
  ASSERT_THAT(timeline.problems, SizeIs(1));
  EXPECT_THAT(timeline.problems[0], HasSubstr(damaged.object + ": the segment's index is damaged"));
}

TEST_F(TimelineTest, EndsBeforeALastSegmentThatIsDamaged) {
  LogWriter log(store(), kLineage, 100);
  log.write(200, at(10));
  const SegmentEntry damaged = log.write(300, at(20));
  back_up(kLineage, 100, at(1));
  damage(damaged);

  const Timeline timeline = this->timeline();

  ASSERT_THAT(timeline.windows, SizeIs(1));
  EXPECT_EQ(timeline.windows[0].end, 200);
  ASSERT_THAT(timeline.gaps, SizeIs(1));
  EXPECT_EQ(timeline.gaps[0].from, at(10));
  EXPECT_EQ(timeline.gaps[0].until, damaged.last);
  EXPECT_EQ(timeline.gaps[0].reason, damaged.object + " is damaged");
}

TEST_F(TimelineTest, BeginsBehindAFirstSegmentThatIsDamaged) {
  LogWriter log(store(), kLineage, 100);
  const SegmentEntry damaged = log.write(200, at(10));
  log.write(300, at(20));
  back_up(kLineage, 100, at(1));
  back_up(kLineage, 200, at(10));
  damage(damaged);

  const Timeline timeline = this->timeline();

  ASSERT_THAT(timeline.windows, SizeIs(2));
  EXPECT_EQ(timeline.windows[0].end, 100);
  EXPECT_EQ(timeline.windows[1].begin, 200);
  ASSERT_THAT(timeline.gaps, SizeIs(1));
  EXPECT_EQ(timeline.gaps[0].reason, damaged.object + " is damaged");
}

TEST_F(TimelineTest, BreaksWhereASegmentDoesNotFollow) {
  LogWriter log(store(), kLineage, 100);
  log.write(200, at(10));
  LogWriter stranger(store(), kLineage, 200);
  const SegmentEntry strange = stranger.write(300, at(20));
  stranger.write(400, at(30));
  back_up(kLineage, 100, at(1));
  back_up(kLineage, 200, at(11));

  const Timeline timeline = this->timeline();

  ASSERT_THAT(timeline.windows, SizeIs(1));
  EXPECT_EQ(timeline.windows[0].end, 200);
  const std::string reason = strange.object + " does not follow what stands before it";
  EXPECT_THAT(timeline.problems, ElementsAre(reason));
  ASSERT_THAT(timeline.gaps, SizeIs(1));
  EXPECT_EQ(timeline.gaps[0].reason, reason);
  EXPECT_EQ(timeline.gaps[0].until, at(30));
}

TEST_F(TimelineTest, TakesMergedSegmentsWhereThereAreSome) {
  LogWriter log(store(), kLineage, 100);
  std::vector<Segment> parts;
  for (int i = 2; i <= 6; ++i) {
    parts.push_back(log.next(i * 100, at(i)));
    test::put_segment(store(), parts.back());
  }
  const SegmentEntry merged = test::put_segment(store(), merge({parts[0], parts[1], parts[2]}), 1);
  back_up(kLineage, 250, at(2));

  const Timeline timeline = this->timeline();

  ASSERT_THAT(timeline.windows, SizeIs(1));
  EXPECT_THAT(ends_of(timeline.windows[0]), ElementsAre(400, 500, 600));
  EXPECT_EQ(timeline.windows[0].log.front(), span_of(merged));
  EXPECT_EQ(timeline.windows[0].until, at(6));
  EXPECT_THAT(timeline.problems, IsEmpty());
}

TEST_F(TimelineTest, TakesTheSmallOnesWhereTheMergedOneIsDamaged) {
  LogWriter log(store(), kLineage, 100);
  std::vector<Segment> parts;
  for (int i = 2; i <= 4; ++i) {
    parts.push_back(log.next(i * 100, at(i)));
    test::put_segment(store(), parts.back());
  }
  const SegmentEntry merged = test::put_segment(store(), merge(parts), 1);
  back_up(kLineage, 100, at(1));
  damage(merged);

  const Timeline timeline = this->timeline();

  ASSERT_THAT(timeline.windows, SizeIs(1));
  EXPECT_THAT(ends_of(timeline.windows[0]), ElementsAre(200, 300, 400));
  EXPECT_THAT(timeline.gaps, IsEmpty());
  EXPECT_THAT(timeline.problems, ElementsAre(HasSubstr(merged.object)));
}

TEST_F(TimelineTest, FindsTheMergedOneWhereSmallOnesGoWhileItReads) {
  LogWriter log(store(), kLineage, 100);
  std::vector<Segment> parts;
  std::vector<SegmentEntry> entries;
  for (int i = 2; i <= 4; ++i) {
    parts.push_back(log.next(i * 100, at(i)));
    entries.push_back(test::put_segment(store(), parts.back()));
  }
  back_up(kLineage, 100, at(1));
  test::FaultyStore racing(store());
  Catalog catalog(racing, "orders");
  (void)read_timeline(catalog, {});
  for (std::uint64_t call = 1; call <= racing.calls(); ++call) {
    SCOPED_TRACE(call);
    store::MemoryStore copy;
    for (const store::ObjectInfo& object : store().list("", {})) {
      copy.put_if_absent(object.name, *store().get(object.name, 1U << 20U, {}), {});
    }
    test::FaultyStore merging(copy);
    merging.meanwhile(call, [&] {
      test::put_segment(copy, merge(parts), 1);
      for (const SegmentEntry& entry : entries) {
        copy.remove(entry.object, {});
      }
    });

    const Timeline timeline = read_timeline(Catalog(merging, "orders"), {});

    ASSERT_THAT(timeline.windows, SizeIs(1));
    EXPECT_EQ(timeline.windows[0].end, 400);
    EXPECT_THAT(timeline.problems, IsEmpty());
    EXPECT_THAT(timeline.gaps, IsEmpty());
  }
}

TEST_F(TimelineTest, ShowsWhatTheLogNotes) {
  LogWriter log(store(), kLineage, 100);
  Segment segment = log.next(200, at(10));
  segment.marks = {{120, at(3)}, {160, at(5)}, {200, at(10)}};
  segment.noted = {{"FLUSHALL", 7, 120, 150}, {"DEL of 25000 keys", std::nullopt, 150, 190}};
  segment.noted_left_out = 12;
  test::put_segment(store(), segment);

  const Timeline timeline = this->timeline();

  ASSERT_THAT(timeline.events, SizeIs(3));
  const TimelineEvent& flush = timeline.events[0];
  EXPECT_EQ(flush.id, "75a4f1c0-150");
  EXPECT_EQ(flush.kind, "command");
  EXPECT_EQ(flush.command, "FLUSHALL");
  EXPECT_EQ(flush.database, 7U);
  EXPECT_EQ(flush.at, at(5));
  EXPECT_EQ(flush.lineage, kLineage);
  EXPECT_EQ(flush.offset, 150);
  EXPECT_EQ(flush.before, 120);
  EXPECT_EQ(timeline.events[1].id, "75a4f1c0-190");
  EXPECT_EQ(timeline.events[1].database, std::nullopt);
  EXPECT_EQ(timeline.events[2].kind, "left_out");
  EXPECT_EQ(timeline.events[2].detail, "12 further commands up to here are not listed");
}

TEST_F(TimelineTest, ShowsWhereTheStreamWasTakenUpAgain) {
  LogWriter log(store(), kLineage, 100);
  Segment first = log.next(200, at(10));
  first.resumptions = {{100, at(2), "10.0.0.1:6379"}};
  Segment second = log.next(300, at(90));
  second.resumptions = {{200, at(60), "10.0.0.7:6379"}, {200, at(70), "10.0.0.8:6379"}};
  test::put_segment(store(), first);
  test::put_segment(store(), second);

  const Timeline timeline = this->timeline();

  ASSERT_THAT(timeline.events, SizeIs(3));
  EXPECT_EQ(timeline.events[0].id, "75a4f1c0-100-resumed");
  EXPECT_EQ(timeline.events[0].detail, "from 10.0.0.1:6379");
  EXPECT_EQ(timeline.events[1].id, "75a4f1c0-200-resumed");
  EXPECT_EQ(timeline.events[1].at, at(60));
  EXPECT_EQ(timeline.events[1].offset, 200);
  EXPECT_EQ(timeline.events[1].detail,
            "from 10.0.0.7:6379; nobody was attached since " + to_rfc3339(at(10)));
  EXPECT_EQ(timeline.events[2].id, "75a4f1c0-200-resumed-2");
}

TEST_F(TimelineTest, ShowsThatTheClockWasSetBack) {
  LogWriter log(store(), kLineage, 100);
  Segment first = log.next(200, at(100));
  first.marks = {{150, at(50)}, {170, at(40)}, {200, at(100)}};
  test::put_segment(store(), first);
  log.write(300, at(100 - 3600));
  back_up(kLineage, 100, at(1));

  const Timeline timeline = this->timeline();

  ASSERT_THAT(timeline.events, SizeIs(2));
  EXPECT_EQ(timeline.events[0].id, "75a4f1c0-300-clock_step");
  EXPECT_EQ(timeline.events[0].before, 200);
  EXPECT_EQ(timeline.events[0].detail, "the clock went back by 1h 00m");
  EXPECT_EQ(timeline.events[1].id, "75a4f1c0-170-clock_step");
  EXPECT_EQ(timeline.events[1].at, at(40));
  EXPECT_EQ(timeline.events[1].before, 150);
  ASSERT_THAT(timeline.windows, SizeIs(1));
  EXPECT_EQ(timeline.windows[0].end, 300);
  EXPECT_THAT(timeline.gaps, IsEmpty());
}

TEST_F(TimelineTest, GoesOnWithoutWhatIsDamaged) {
  LogWriter log(store(), kLineage, 100);
  log.write(200, at(10));
  const std::string sound = back_up(kLineage, 100, at(1));
  const std::string broken = back_up(kLineage, 150, at(5));
  const std::string lost = back_up(kLineage, 160, at(6));
  test::overwrite(store(), names::commit("orders", 2, broken), "{");
  store().remove(names::manifest("orders", lost), {});
  store().put_if_absent(names::event("orders", "0", kLineage, "x"), as_bytes("{"), {});

  const Timeline timeline = this->timeline();

  ASSERT_THAT(timeline.windows, SizeIs(1));
  EXPECT_THAT(backups_of(timeline.windows[0]), ElementsAre(sound));
  ASSERT_THAT(timeline.problems, SizeIs(3));
  EXPECT_THAT(timeline.problems[0], HasSubstr(names::commit("orders", 2, broken)));
  EXPECT_THAT(timeline.problems[1], HasSubstr("the manifest of backup " + lost + " is missing"));
  EXPECT_THAT(timeline.problems[2], HasSubstr("/events/x.json: the event is damaged"));
}

TEST_F(TimelineTest, PassesOverABackupThatIsRemovedWhileItReads) {
  const std::string id = back_up(kLineage, 100, at(1));
  test::FaultyStore racing(store());
  racing.meanwhile(4, [&] {
    store().remove(names::commit("orders", 1, id), {});
    store().remove(names::manifest("orders", id), {});
  });

  const Timeline timeline = read_timeline(Catalog(racing, "orders"), {});

  EXPECT_THAT(timeline.windows, IsEmpty());
  EXPECT_THAT(timeline.problems, IsEmpty());
}

TEST_F(TimelineTest, IsNotReadFromARepositoryThatFails) {
  LogWriter log(store(), kLineage, 100);
  log.write(200, at(10));
  back_up(kLineage, 100, at(1));
  put_event({"x", "gap", kLineage, 200, at(11), "why"});
  test::FaultyStore faulty(store());
  const Catalog catalog(faulty, "orders");
  (void)read_timeline(catalog, {});
  const std::uint64_t calls = faulty.calls();
  for (std::uint64_t call = 1; call <= calls; ++call) {
    faulty.set({.mode = Fault::Mode::fail_before, .call = call});
    EXPECT_EQ(failure_of([&] { (void)read_timeline(catalog, {}); }).kind(), ErrorKind::unavailable)
        << call;
  }
}

TEST_F(TimelineTest, SeesNothingOfOtherSourcesAndShards) {
  Segment segment = LogWriter(store(), kLineage, 100).next(200, at(10));
  segment.source = "users";
  test::put_segment(store(), segment);
  segment.source = "orders";
  segment.shard = "1";
  test::put_segment(store(), segment);
  const std::string id = back_up(kLineage, 100, at(1));

  const Timeline timeline = this->timeline();

  ASSERT_THAT(timeline.windows, SizeIs(1));
  EXPECT_THAT(timeline.windows[0].log, IsEmpty());
}

TEST_F(TimelineTest, StopsWhenAsked) {
  back_up(kLineage, 100, at(1));
  std::stop_source stopped;
  stopped.request_stop();

  EXPECT_EQ(failure_of([&] { (void)read_timeline(catalog(), stopped.get_token()); }).kind(),
            ErrorKind::cancelled);
}

}  // namespace
}  // namespace keyrewind::catalog
