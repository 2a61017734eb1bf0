#include "restore/moment.h"

#include "base/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace keyrewind::restore {
namespace {

using catalog::Gap;
using catalog::Resumption;
using catalog::Segment;
using catalog::Timeline;
using catalog::TimelineEvent;
using catalog::TimeMark;
using catalog::Window;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string kLineage(40, 'a');
const std::string kOther(40, 'b');

/// So many seconds after noon.
Timestamp at(int seconds) {
  return *from_rfc3339("2026-11-20T12:00:00Z") + std::chrono::seconds(seconds);
}

catalog::SnapshotPoint snapshot(const std::string& id, std::int64_t offset, int seconds) {
  catalog::SnapshotPoint point;
  point.commit.id = id;
  point.snapshot.offset = offset;
  point.snapshot.lineage = kLineage;
  point.snapshot.taken = at(seconds);
  return point;
}

/// A window of one snapshot, and a segment with marks behind it.
Window window(const catalog::SnapshotPoint& first, std::vector<TimeMark> marks,
              const std::string& lineage = kLineage) {
  Window window;
  window.lineage = lineage;
  window.begin = first.snapshot.offset;
  window.from = first.snapshot.taken;
  window.end = marks.empty() ? window.begin : marks.back().offset;
  window.until = marks.empty() ? window.from : marks.back().at;
  window.snapshots = {first};
  if (!marks.empty()) {
    Segment segment;
    segment.lineage = lineage;
    segment.begin = window.begin;
    segment.end = window.end;
    segment.links = {{window.end, {}}};
    segment.marks = std::move(marks);
    window.segments = {segment};
  }
  return window;
}

/// One window: a snapshot at 1000 and marks each 100 bytes and 10 seconds up to 1500.
Timeline steady() {
  Timeline timeline;
  timeline.windows = {
      window(snapshot("first", 1000, 0),
             {{1100, at(10)}, {1200, at(20)}, {1300, at(30)}, {1400, at(40)}, {1500, at(50)}})};
  return timeline;
}

RestorePoint find(const Timeline& timeline, const std::string& moment,
                  const std::optional<std::string>& backup = std::nullopt) {
  return find_restore_point(timeline, parse_moment(moment), backup);
}

RestorePoint find(const Timeline& timeline, Timestamp time) {
  return find(timeline, to_rfc3339(time));
}

Error refusal(const Timeline& timeline, const std::string& moment,
              const std::optional<std::string>& backup = std::nullopt) {
  try {
    const auto point = find(timeline, moment, backup);
    ADD_FAILURE() << moment << " means offset " << point.offset;
  } catch (const Error& error) {
    return error;
  }
  return {ErrorKind::internal, "not refused"};
}

std::string refused(const Timeline& timeline, const std::string& moment,
                    const std::optional<std::string>& backup = std::nullopt) {
  const Error error = refusal(timeline, moment, backup);
  EXPECT_EQ(error.kind(), ErrorKind::no_backup);
  return error.what();
}

TEST(ParseMoment, ReadsAllForms) {
  EXPECT_EQ(parse_moment("latest").kind, Moment::Kind::latest);
  const Moment time = parse_moment("2026-11-20T12:00:10Z");
  EXPECT_EQ(time.kind, Moment::Kind::time);
  EXPECT_EQ(time.time, at(10));
  const Moment offset = parse_moment("offset:12345");
  EXPECT_EQ(offset.kind, Moment::Kind::offset);
  EXPECT_EQ(offset.offset, 12345);
  const Moment event = parse_moment("before:aaaaaaaa-1200");
  EXPECT_EQ(event.kind, Moment::Kind::before_event);
  EXPECT_EQ(event.event, "aaaaaaaa-1200");
}

TEST(ParseMoment, ReadsTimesWithAnOffsetFromUtc) {
  EXPECT_EQ(parse_moment("2026-11-20T13:00:10+01:00").time, at(10));
  EXPECT_EQ(parse_moment("2026-11-20T06:30:10.000-05:30").time, at(10));
  EXPECT_EQ(parse_moment("2026-11-20T12:00:10.5+00:00").time,
            at(10) + std::chrono::milliseconds(500));
}

TEST(ParseMoment, SaysWhichFormsThereAre) {
  for (const std::string text : {"",
                                 "now",
                                 "yesterday",
                                 "12345",
                                 "offset:",
                                 "offset:-5",
                                 "offset:+5",
                                 "offset:1x",
                                 "offset:99999999999999999999",
                                 "before:",
                                 "before:abc",
                                 "2026-11-20",
                                 "2026-11-20T12:00:10",
                                 "2026-11-20T12:00:10+1:00",
                                 "2026-11-20T12:00:10+24:00",
                                 "2026-11-20T12:00:10+00:60",
                                 "2026-11-20T12:00:10+aa:00",
                                 "+01:00",
                                 "2026-13-20T12:00:10Z",
                                 "Latest"}) {
    try {
      parse_moment(text);
      ADD_FAILURE() << text << " was taken";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::config);
      EXPECT_THAT(error.what(), HasSubstr("offset:12345"));
    }
  }
}

TEST(RestorePointOfTime, IsTheLastMarkThatHadComeByThen) {
  const RestorePoint point = find(steady(), at(35));

  EXPECT_EQ(point.offset, 1300);
  EXPECT_EQ(point.at, at(30));
  EXPECT_EQ(point.base.commit.id, "first");
  EXPECT_THAT(point.notes, IsEmpty());
  EXPECT_TRUE(point.needs_log());
}

TEST(RestorePointOfTime, MayBeAMarkItself) {
  EXPECT_EQ(find(steady(), at(30)).offset, 1300);
  EXPECT_EQ(find(steady(), at(30) - std::chrono::milliseconds(1)).offset, 1200);
}

TEST(RestorePointOfTime, MayBeTheFirstAndTheLastMoment) {
  EXPECT_EQ(find(steady(), at(0)).offset, 1000);
  EXPECT_FALSE(find(steady(), at(0)).needs_log());
  EXPECT_EQ(find(steady(), at(50)).offset, 1500);
}

TEST(RestorePointOfTime, IsRefusedBeforeTheWindow) {
  const std::string message = refused(steady(), "2026-11-20T11:59:59.999Z");

  EXPECT_THAT(message, HasSubstr("outside of what can be restored"));
  EXPECT_THAT(message, HasSubstr("the first moment that can be restored is "
                                 "2026-11-20T12:00:00.000Z (offset:1000)"));
}

TEST(RestorePointOfTime, IsRefusedBeyondTheEnd) {
  const std::string message = refused(steady(), "2026-11-20T12:00:50.001Z");

  EXPECT_THAT(message, HasSubstr("the last moment before it that can be restored is "
                                 "2026-11-20T12:00:50.000Z (offset:1500)"));
}

/// `steady`, and a window of another lineage 100 s later.
Timeline with_gap(const std::string& reason) {
  Timeline timeline = steady();
  timeline.windows.push_back(window(snapshot("second", 1200, 150), {{1900, at(190)}}, kOther));
  timeline.gaps = {{at(50), at(150), kLineage, 1500, reason}};
  return timeline;
}

TEST(RestorePointOfTime, IsRefusedInAGapWithItsReasonAndTheNearestMoments) {
  const std::string message =
      refused(with_gap("the servers no longer had the stream"), "2026-11-20T12:01:40Z");

  EXPECT_THAT(message, HasSubstr("the servers no longer had the stream"));
  EXPECT_THAT(message, HasSubstr("2026-11-20T12:00:50.000Z (offset:1500) before"));
  EXPECT_THAT(message, HasSubstr("2026-11-20T12:02:30.000Z (offset:1200) after"));
}

TEST(RestorePointOfTime, IsCorruptionWhereASegmentIsMissing) {
  const std::string object = "sources/orders/shards/0/lineages/aaa/log/x.zst";
  Timeline timeline = with_gap(object + " is damaged");
  timeline.problems = {object + ": the SHA-256 of its index is another"};

  const Error error = refusal(timeline, "2026-11-20T12:01:40Z");

  EXPECT_EQ(error.kind(), ErrorKind::corrupt);
  EXPECT_THAT(error.what(), HasSubstr(object));
  EXPECT_EQ(find(timeline, at(35)).offset, 1300);
  EXPECT_EQ(find(timeline, at(190)).offset, 1900);
}

TEST(RestorePointOfTime, SaysThatNobodyWasAttached) {
  Timeline timeline = steady();
  timeline.windows[0].segments[0].resumptions = {{1300, at(38), "10.0.0.7:6379"}};

  const RestorePoint unattended = find(timeline, at(35));

  EXPECT_EQ(unattended.offset, 1300);
  EXPECT_THAT(unattended.notes, ElementsAre("nobody was attached from 2026-11-20T12:00:30.000Z to "
                                            "2026-11-20T12:00:38.000Z; this is the state at "
                                            "2026-11-20T12:00:30.000Z"));
  EXPECT_THAT(find(timeline, at(25)).notes, IsEmpty());
  EXPECT_THAT(find(timeline, at(38)).notes, IsEmpty());
  EXPECT_THAT(find(timeline, at(45)).notes, IsEmpty());
}

TEST(RestorePointOfTime, IsTheLaterOneWhereTheClockWasSetBack) {
  Timeline timeline;
  timeline.windows = {
      window(snapshot("first", 1000, 0),
             {{1100, at(10)}, {1200, at(60)}, {1300, at(20)}, {1400, at(40)}, {1500, at(70)}})};

  const RestorePoint twice = find(timeline, at(30));

  EXPECT_EQ(twice.offset, 1300);
  EXPECT_THAT(twice.notes, ElementsAre(HasSubstr("the earlier one is offset:1100")));
  EXPECT_EQ(find(timeline, at(65)).offset, 1400);
  EXPECT_THAT(find(timeline, at(65)).notes, IsEmpty());
  EXPECT_EQ(find(timeline, at(15)).offset, 1100);
  EXPECT_THAT(find(timeline, at(15)).notes, IsEmpty());
}

TEST(RestorePointOfTime, FindsWhatCameWhenTheClockStoodBeyondTheWindowsEnd) {
  Timeline timeline;
  timeline.windows = {
      window(snapshot("first", 1000, 0), {{1100, at(3600)}, {1200, at(10)}, {1300, at(20)}})};

  EXPECT_EQ(find(timeline, at(3600)).offset, 1300);
  EXPECT_EQ(find(timeline, "latest").offset, 1300);
}

TEST(RestorePointOfTime, IsTheNewerLineagesWhereSeveralHaveIt) {
  Timeline timeline = steady();
  timeline.windows.push_back(window(snapshot("second", 7000, 20), {{7500, at(60)}}, kOther));

  const RestorePoint point = find(timeline, at(35));

  EXPECT_EQ(point.window.lineage, kOther);
  EXPECT_THAT(point.notes, ElementsAre(HasSubstr("lies in 2 lineages")));
}

TEST(RestorePointOfTime, BeginsWithTheNearestSnapshotBefore) {
  Timeline timeline = steady();
  timeline.windows[0].snapshots.push_back(snapshot("middle", 1250, 25));
  timeline.windows[0].snapshots.push_back(snapshot("late", 1450, 45));

  EXPECT_EQ(find(timeline, at(25)).base.commit.id, "first");
  EXPECT_EQ(find(timeline, at(30)).base.commit.id, "middle");
  EXPECT_EQ(find(timeline, at(50)).base.commit.id, "late");
  EXPECT_EQ(find(timeline, "offset:1450").base.commit.id, "late");
  EXPECT_EQ(find(timeline, "offset:1449").base.commit.id, "middle");
}

TEST(RestorePointOfLatest, IsTheEndOfTheNewestWindow) {
  EXPECT_EQ(find(steady(), "latest").offset, 1500);
  EXPECT_EQ(find(with_gap("x"), "latest").offset, 1900);
  EXPECT_EQ(find(with_gap("x"), "latest", "first").offset, 1500);
}

TEST(RestorePointOfLatest, IsRefusedWhereTheNewestSegmentsAreDamaged) {
  Timeline timeline = steady();
  timeline.problems = {"the log of lineage aaa is missing from offset 1500 to 1600"};
  timeline.gaps = {{at(50), at(150), kLineage, 1500, timeline.problems[0]}};

  const Error error = refusal(timeline, "latest");

  EXPECT_EQ(error.kind(), ErrorKind::corrupt);
  EXPECT_THAT(error.what(), HasSubstr("missing from offset 1500"));
  EXPECT_THAT(error.what(), HasSubstr("offset:1500"));
  EXPECT_EQ(find(timeline, "offset:1500").offset, 1500);
}

TEST(RestorePointOfLatest, SaysThatLaterLogHasNoSnapshotYet) {
  Timeline timeline = steady();
  timeline.gaps = {{at(50), at(150), kLineage, 1500, "no log goes on from here"}};

  EXPECT_THAT(find(timeline, "latest").notes, ElementsAre(HasSubstr("no log goes on from here")));
}

TEST(RestorePointOfLatest, IsRefusedWhereThereIsNothing) {
  EXPECT_THAT(refused(Timeline(), "latest"), HasSubstr("nothing that can be restored"));
  EXPECT_THAT(refused(Timeline(), "2026-11-20T12:01:40Z"),
              HasSubstr("nothing that can be restored"));
}

TEST(RestorePointOfOffset, IsThatOffset) {
  const RestorePoint point = find(steady(), "offset:1234");

  EXPECT_EQ(point.offset, 1234);
  EXPECT_EQ(point.at, at(30));
  EXPECT_THAT(point.notes, IsEmpty());
}

TEST(RestorePointOfOffset, MeansTheNewestLineageThatHasIt) {
  const RestorePoint point = find(with_gap("x"), "offset:1300");

  EXPECT_EQ(point.window.lineage, kOther);
  EXPECT_EQ(point.base.commit.id, "second");
  EXPECT_THAT(point.notes, ElementsAre(HasSubstr("2 lineages; this is the newest, bbbbbbbb")));
  EXPECT_EQ(find(with_gap("x"), "offset:1300", "first").window.lineage, kLineage);
}

TEST(RestorePointOfOffset, IsRefusedOutside) {
  EXPECT_THAT(refused(steady(), "offset:999"), HasSubstr("offset:1000"));
  EXPECT_THAT(refused(steady(), "offset:1501"), HasSubstr("offset:1500"));
}

TEST(RestorePointOfOffset, IsRefusedInAGapOfItsLineage) {
  Timeline timeline = steady();
  timeline.windows.push_back(window(snapshot("second", 2000, 150), {{2900, at(190)}}));
  timeline.gaps = {{at(50), at(150), kLineage, 1500, "the spool was full"}};

  const std::string message = refused(timeline, "offset:1700");

  EXPECT_THAT(message, HasSubstr("the spool was full"));
  EXPECT_THAT(message, HasSubstr("(offset:1500) before"));
  EXPECT_THAT(message, HasSubstr("(offset:2000) after"));
}

TEST(RestorePointOfBackup, IsNotBeforeItWasTaken) {
  Timeline timeline = steady();
  timeline.windows[0].snapshots.push_back(snapshot("late", 1450, 45));

  EXPECT_THAT(refused(timeline, "offset:1200", "late"), HasSubstr("backup late was taken later"));
  EXPECT_EQ(find(timeline, "offset:1460", "first").base.commit.id, "first");
}

TEST(RestorePointOfBackup, IsOnlyLookedForInItsWindow) {
  const std::string message = refused(with_gap("x"), "2026-11-20T12:03:00Z", "first");

  EXPECT_THAT(message, HasSubstr("from backup first"));
}

TEST(RestorePointOfBackup, IsRefusedIfItIsOnNoTimeline) {
  EXPECT_THAT(refused(steady(), "latest", "gone"), HasSubstr("backup gone"));
}

/// `steady` with FLUSHALL in a transaction that begins at 1210, and another event.
Timeline with_events() {
  Timeline timeline = steady();
  TimelineEvent flush;
  flush.id = "aaaaaaaa-1260";
  flush.kind = "command";
  flush.command = "FLUSHALL";
  flush.at = at(30);
  flush.lineage = kLineage;
  flush.offset = 1260;
  flush.before = 1210;
  TimelineEvent other = flush;
  other.id = "aaaaaaaa-12601";
  other.offset = 12601;
  other.before = 12500;
  timeline.events = {flush, other};
  return timeline;
}

TEST(RestorePointBeforeEvent, IsBeforeTheTransactionThatItIsIn) {
  const RestorePoint point = find(with_events(), "before:aaaaaaaa-1260");

  EXPECT_EQ(point.offset, 1210);
  EXPECT_EQ(point.at, at(30));
}

TEST(RestorePointBeforeEvent, TakesAnUnambiguousBeginning) {
  EXPECT_THAT(refused(with_events(), "before:aaaaaaaa-12"), HasSubstr("several events"));
  Timeline one = with_events();
  one.events.pop_back();
  EXPECT_EQ(find(one, "before:aaaa").offset, 1210);
}

TEST(RestorePointBeforeEvent, IsRefusedIfThereIsNone) {
  EXPECT_THAT(refused(with_events(), "before:cccccccc-1"), HasSubstr("keyrewind timeline"));
}

TEST(RestorePointBeforeEvent, IsRefusedOutsideOfTheWindows) {
  const std::string message = refused(with_events(), "before:aaaaaaaa-12601");

  EXPECT_THAT(message, HasSubstr("offset 12500"));
  EXPECT_THAT(message, HasSubstr("offset:1500"));
  Timeline elsewhere = with_events();
  elsewhere.events[0].lineage = kOther;
  EXPECT_THAT(refused(elsewhere, "before:aaaaaaaa-1260"), HasSubstr("outside"));
}

}  // namespace
}  // namespace keyrewind::restore
