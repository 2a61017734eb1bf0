#include "cli/timeline_view.h"

#include <gmock/gmock.h>

#include <chrono>

namespace keyrewind::cli {
namespace {

using catalog::Gap;
using catalog::SnapshotPoint;
using catalog::Timeline;
using catalog::TimelineEvent;
using catalog::Window;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

const std::string kLineage(40, 'a');
const std::string kOther(40, 'b');

/// Second `count` of 2026-11-20.
Timestamp at(int count) {
  return std::chrono::sys_days(std::chrono::year(2026) / 11 / 20) + std::chrono::seconds(count);
}

/// A window with snapshots at these seconds, and a log that ends at `until` if that is behind them.
Window window(const std::string& lineage, const std::vector<int>& snapshots, int until) {
  Window window;
  window.lineage = lineage;
  window.begin = snapshots.front();
  window.end = until;
  window.from = at(snapshots.front());
  window.until = at(until);
  for (const int second : snapshots) {
    SnapshotPoint point;
    point.commit.id = "id-" + std::to_string(second);
    point.snapshot.offset = second;
    point.snapshot.taken = at(second);
    window.snapshots.push_back(point);
  }
  if (until > snapshots.back()) {
    window.log.resize(2);
    window.log[0].bytes = 1000;
    window.log[1].bytes = 24;
  }
  return window;
}

TimelineEvent flush(const std::string& lineage, int second) {
  TimelineEvent event;
  event.id = lineage.substr(0, 8) + "-" + std::to_string(second);
  event.kind = "command";
  event.command = "FLUSHALL";
  event.database = 3;
  event.at = at(second);
  event.lineage = lineage;
  event.offset = second;
  event.before = second - 1;
  return event;
}

/// 0 to 18 s and 30 to 38 s, in two lineages.
Timeline sample() {
  Timeline timeline;
  timeline.windows = {window(kLineage, {0, 8}, 18), window(kOther, {30}, 38)};
  timeline.gaps = {{at(18), at(30), kLineage, 18, "the backlog was lost"}};
  timeline.events = {flush(kLineage, 12), flush(kOther, 34)};
  TimelineEvent gap;
  gap.id = "20261120T000030Z-aaaaaa";
  gap.kind = "gap";
  gap.at = at(24);
  gap.detail = "the backlog\nwas lost";
  timeline.events.insert(timeline.events.begin() + 1, gap);
  return timeline;
}

/// 41 columns: one for each second from 0 to 38.
std::vector<std::string> bars(const Timeline& timeline, const api::TimeSpan& span = {}) {
  return timeline_bars(timeline, span, 41);
}

TEST(TimelineBars, ShowWindowsGapsSnapshotsAndEvents) {
  EXPECT_THAT(bars(sample()), ElementsAre("[S=======S===!=====|     !     S===!===>]"));
}

TEST(TimelineBars, AreAsWideAsTheTerminalButNeverTooNarrow) {
  for (const std::size_t width : {20U, 80U, 200U}) {
    EXPECT_THAT(timeline_bars(sample(), {}, width), ElementsAre(SizeIs(width)));
  }
  EXPECT_THAT(timeline_bars(sample(), {}, 3), ElementsAre(SizeIs(20)));
}

TEST(TimelineBars, ShowASnapshotAndAnEventInOneColumn) {
  Timeline timeline = sample();
  timeline.events.push_back(flush(kOther, 30));

  EXPECT_THAT(bars(timeline), ElementsAre(HasSubstr(" *===!===>]")));
}

TEST(TimelineBars, AreSeveralWhereWindowsOverlap) {
  Timeline timeline = sample();
  timeline.gaps.clear();
  timeline.windows.insert(timeline.windows.begin() + 1, window(std::string(40, 'c'), {10}, 25));
  timeline.events = {flush(std::string(40, 'c'), 20)};

  EXPECT_THAT(bars(timeline), ElementsAre("[S=======S=========|           S=======>]",
                                          "[          S=========!====|             ]"));
}

TEST(TimelineBars, ShowASnapshotWithoutLogAsOneMoment) {
  Timeline timeline;
  timeline.windows = {window(kLineage, {0}, 0), window(kOther, {38}, 38)};

  EXPECT_THAT(bars(timeline), ElementsAre("[S                                     S]"));
}

TEST(TimelineBars, ShowASingleMoment) {
  Timeline timeline;
  timeline.windows = {window(kLineage, {5}, 5)};

  EXPECT_THAT(bars(timeline), ElementsAre("[S" + std::string(38, ' ') + "]"));
}

TEST(TimelineBars, DoNotSayThatAWindowGoesOnIfTheLogBehindItIsDamaged) {
  Timeline timeline = sample();
  timeline.gaps.push_back({at(38), at(40), kOther, 38, "damaged"});

  EXPECT_THAT(bars(timeline), ElementsAre(Not(HasSubstr(">"))));
}

TEST(TimelineBars, ShowTheTimesThatWereAskedFor) {
  const api::TimeSpan span{at(10), at(35)};
  const auto shown = timeline_bars(api::cut(sample(), span), span, 28);

  EXPECT_THAT(shown, ElementsAre("[==!=====|     !     S===!=]"));
}

TEST(TimelineBars, AreNoneWithoutWindows) {
  EXPECT_THAT(bars({}), IsEmpty());
}

TEST(CutTimeline, KeepsWhatReachesIntoTheTimes) {
  const Timeline part = api::cut(sample(), {at(20), at(31)});

  ASSERT_THAT(part.windows, SizeIs(1));
  EXPECT_EQ(part.windows[0].lineage, kOther);
  EXPECT_THAT(part.gaps, SizeIs(1));
  ASSERT_THAT(part.events, SizeIs(1));
  EXPECT_EQ(part.events[0].kind, "gap");
}

TEST(CutTimeline, KeepsAllProblems) {
  Timeline timeline = sample();
  timeline.problems = {"segment x is damaged"};

  EXPECT_THAT(api::cut(timeline, {at(1000), {}}).problems, SizeIs(1));
  EXPECT_THAT(api::cut(timeline, {at(1000), {}}).windows, IsEmpty());
}

TEST(TimelineJson, HasEverything) {
  Timeline timeline = sample();
  timeline.problems = {"segment x is damaged"};

  const auto json = api::to_json("orders", timeline);

  EXPECT_EQ(json["source"], "orders");
  EXPECT_EQ(json["windows"].size(), 2U);
  EXPECT_EQ(json["windows"][0].dump(),
            R"({"lineage":")" + kLineage +
                R"(","from":"2026-11-20T00:00:00.000Z","until":"2026-11-20T00:00:18.000Z",)"
                R"("from_offset":0,"until_offset":18,)"
                R"("snapshots":[{"id":"id-0","at":"2026-11-20T00:00:00.000Z","offset":0},)"
                R"({"id":"id-8","at":"2026-11-20T00:00:08.000Z","offset":8}],)"
                R"("segments":2,"stored_bytes":1024})");
  EXPECT_EQ(json["gaps"][0]["reason"], "the backlog was lost");
  EXPECT_EQ(json["gaps"][0]["offset"], 18);
  EXPECT_EQ(json["snapshots"].size(), 3U);
  EXPECT_EQ(json["snapshots"][2]["lineage"], kOther);
  EXPECT_EQ(json["events"][0].dump(),
            R"({"id":"aaaaaaaa-12","kind":"command","command":"FLUSHALL","database":3,)"
            R"("at":"2026-11-20T00:00:12.000Z","lineage":")" +
                kLineage + R"(","offset":12,"before":11,"detail":""})");
  EXPECT_TRUE(json["events"][1]["command"].is_null());
  EXPECT_TRUE(json["events"][1]["database"].is_null());
  EXPECT_EQ(json["problems"][0], "segment x is damaged");
}

TEST(TimelineJson, HasEmptyListsWhenThereIsNothing) {
  EXPECT_EQ(api::to_json("orders", {}).dump(),
            R"({"source":"orders","windows":[],"gaps":[],"snapshots":[],"events":[],)"
            R"("problems":[]})");
}

TEST(TimelineText, ListsEverythingOldestFirstAndProblemsLast) {
  Timeline timeline = sample();
  timeline.problems = {"segment x is damaged"};

  const std::string text = to_text("orders", timeline, {}, 41);

  EXPECT_THAT(text, testing::StartsWith("orders: 2 windows, 1 gap, 3 snapshots, 3 events\n\n[S="));
  EXPECT_THAT(text, HasSubstr("\n  2026-11-20T00:00:00.000Z  to  2026-11-20T00:00:18.000Z  lineage "
                              "aaaaaaaa, offset 0 to 18, 2 snapshots, 2 segments of 1.0 KiB\n"));
  EXPECT_THAT(text, HasSubstr("behind offset 18 of aaaaaaaa: the backlog was lost\n"));
  EXPECT_THAT(text, HasSubstr("\n  2026-11-20T00:00:30.000Z  id-30  offset 30 of bbbbbbbb\n"));
  EXPECT_THAT(text,
              HasSubstr("\n  2026-11-20T00:00:12.000Z  aaaaaaaa-12  FLUSHALL in database 3\n"));
  EXPECT_THAT(text, HasSubstr("gap: the backlog was lost\n"));
  EXPECT_THAT(text, testing::EndsWith("\nProblems\n  segment x is damaged\n"));
}

TEST(TimelineText, HasTheTimesAtBothEndsOfTheBar) {
  const std::string text = to_text("orders", sample(), {}, 60);

  EXPECT_THAT(text,
              HasSubstr("]\n2026-11-20T00:00:00.000Z            2026-11-20T00:00:38.000Z\n="));
}

TEST(TimelineText, IsAPlainSentenceWhenThereIsNothing) {
  EXPECT_EQ(to_text("orders", {}, {}, 80), "no backup of orders yet\n");
  EXPECT_EQ(to_text("orders", {}, {at(0), {}}, 80), "nothing of orders in this time\n");
}

TEST(TimelineText, SaysThatNothingCanBeRestoredWithoutASnapshot) {
  Timeline timeline;
  timeline.events = {flush(kLineage, 1)};

  EXPECT_THAT(to_text("orders", timeline, {}, 80),
              testing::StartsWith("orders: nothing can be restored, 1 event\n"));
}

}  // namespace
}  // namespace keyrewind::cli
