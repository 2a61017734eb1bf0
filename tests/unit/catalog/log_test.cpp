#include "catalog/log.h"

#include "base/error.h"
#include "catalog/names.h"
#include "sample.h"
#include "store/memory_store.h"
#include "support/faulty_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace keyrewind::catalog {
namespace {

using test::failure_of;
using test::Fault;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string kLineage(test::kSampleLineage);

SegmentEntry entry(std::int64_t begin, std::int64_t end) {
  return {.object = {}, .bytes = 0, .begin = begin, .end = end, .last = {}, .level = 0};
}

/// In the order of list_logs.
std::vector<SegmentEntry> in_order(std::vector<SegmentEntry> segments) {
  std::sort(segments.begin(), segments.end(), [](const SegmentEntry& a, const SegmentEntry& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end > b.end;
  });
  return segments;
}

std::vector<std::pair<std::int64_t, std::int64_t>> spans(
    const std::vector<SegmentEntry>& segments) {
  std::vector<std::pair<std::int64_t, std::int64_t>> spans;
  for (const SegmentEntry& segment : segments) {
    spans.emplace_back(segment.begin, segment.end);
  }
  return spans;
}

using Spans = std::vector<std::pair<std::int64_t, std::int64_t>>;

SegmentEntry entry(std::int64_t begin, std::int64_t end, std::uint64_t generation) {
  SegmentEntry made = entry(begin, end);
  made.generation = generation;
  return made;
}

TEST(StaleSegments, AreThoseThatReachBeyondWhereALaterGenerationBegan) {
  auto segments = in_order({entry(0, 10, 1), entry(10, 20, 1), entry(20, 30, 1), entry(20, 25, 2),
                            entry(25, 40, 2), entry(30, 35, 1)});
  EXPECT_EQ(spans(take_stale(segments)), (Spans{{20, 30}, {30, 35}}));
  EXPECT_EQ(spans(segments), (Spans{{0, 10}, {10, 20}, {20, 25}, {25, 40}}));
}

TEST(StaleSegments, AreJudgedByTheEarliestOfAllLaterGenerations) {
  auto segments = in_order({entry(0, 10, 0), entry(10, 30, 0), entry(30, 40, 3), entry(10, 20, 2)});
  EXPECT_EQ(spans(take_stale(segments)), (Spans{{10, 30}}));
  // What a later generation took over from another is none.
  EXPECT_EQ(spans(segments), (Spans{{0, 10}, {10, 20}, {30, 40}}));
}

TEST(StaleSegments, AreNoneWhereAMergedOneCoversWhatItWasMadeOf) {
  auto segments = in_order({entry(0, 10, 1), entry(10, 20, 2), entry(20, 30, 2), entry(10, 30, 2)});
  EXPECT_THAT(take_stale(segments), IsEmpty());
}

TEST(Cover, TakesTheFewest) {
  const auto segments = in_order(
      {entry(0, 10), entry(10, 20), entry(20, 30), entry(0, 20), entry(10, 30), entry(30, 40)});

  EXPECT_EQ(spans(cover(segments, 0)).size(), 3U);
  EXPECT_EQ(spans(cover(segments, 10)), (Spans{{10, 30}, {30, 40}}));
  EXPECT_EQ(spans(cover(segments, 30)), (Spans{{30, 40}}));
}

TEST(Cover, MayBeginEarlier) {
  const auto segments = in_order({entry(0, 10), entry(10, 20)});

  EXPECT_EQ(spans(cover(segments, 15)), (Spans{{10, 20}}));
  EXPECT_EQ(spans(cover(segments, 9)), (Spans{{0, 10}, {10, 20}}));
}

TEST(Cover, EndsAtABreak) {
  const auto segments = in_order({entry(0, 10), entry(20, 30)});

  EXPECT_EQ(spans(cover(segments, 0)), (Spans{{0, 10}}));
  EXPECT_THAT(cover(segments, 10), IsEmpty());
  EXPECT_THAT(cover(segments, 15), IsEmpty());
  EXPECT_THAT(cover(segments, 30), IsEmpty());
  EXPECT_THAT(cover({}, 0), IsEmpty());
}

TEST(Cover, IsNotLedAstrayByASegmentThatFitsNoOther) {
  const auto segments = in_order({entry(0, 10), entry(10, 20), entry(20, 40), entry(0, 30)});

  EXPECT_EQ(spans(cover(segments, 0)), (Spans{{0, 10}, {10, 20}, {20, 40}}));
}

// Whatever has been merged, and whichever small ones have been removed since, all is covered, and
// by no more segments than it takes.
TEST(Cover, IsWholeAndSmallestWhateverWasMerged) {
  std::mt19937 random(7);
  const auto below = [&](std::size_t most) {
    return std::uniform_int_distribution<std::size_t>(0, most - 1)(random);
  };
  for (int round = 0; round < 300; ++round) {
    std::vector<std::int64_t> cuts = {0};
    const std::size_t count = 1 + below(30);
    for (std::size_t i = 0; i < count; ++i) {
      cuts.push_back(cuts.back() + 1 + static_cast<std::int64_t>(below(100)));
    }
    Spans live;
    for (std::size_t i = 0; i + 1 < cuts.size(); ++i) {
      live.emplace_back(cuts[i], cuts[i + 1]);
    }
    std::vector<SegmentEntry> segments;
    for (const auto& [begin, end] : live) {
      segments.push_back(entry(begin, end));
    }
    for (std::size_t merges = below(8); merges > 0 && live.size() > 1; --merges) {
      const std::size_t first = below(live.size() - 1);
      const std::size_t last = first + 1 + below(live.size() - first - 1);
      const std::pair merged(live[first].first, live[last].second);
      segments.push_back(entry(merged.first, merged.second));
      for (std::size_t i = first; i <= last; ++i) {
        if (below(2) == 0) {
          std::erase_if(segments, [&](const SegmentEntry& segment) {
            return segment.begin == live[i].first && segment.end == live[i].second;
          });
        }
      }
      live.erase(live.begin() + static_cast<std::ptrdiff_t>(first),
                 live.begin() + static_cast<std::ptrdiff_t>(last) + 1);
      live.insert(live.begin() + static_cast<std::ptrdiff_t>(first), merged);
    }
    const auto listed = in_order(segments);
    const std::int64_t begin =
        static_cast<std::int64_t>(below(static_cast<std::size_t>(cuts.back())));

    const Spans found = spans(cover(listed, begin));

    ASSERT_FALSE(found.empty());
    EXPECT_LE(found.front().first, begin);
    EXPECT_GT(found.front().second, begin);
    EXPECT_EQ(found.back().second, cuts.back());
    for (std::size_t i = 1; i < found.size(); ++i) {
      EXPECT_EQ(found[i].first, found[i - 1].second);
    }
    const auto smallest = static_cast<std::size_t>(std::count_if(
        live.begin(), live.end(), [&](const auto& span) { return span.second > begin; }));
    EXPECT_EQ(found.size(), smallest);
  }
}

TEST(Logs, AreListedByLineage) {
  store::MemoryStore store;
  Segment segment = test::sample_segment();
  const SegmentEntry long_one = test::put_segment(store, segment, 1);
  const SegmentEntry later =
      test::put_segment(store, test::plain_segment("orders", 5000, 5001, test::sample_time(), {}));
  const SegmentEntry short_one =
      test::put_segment(store, test::plain_segment("orders", 1000, 1500, test::sample_time(), {}));
  segment.lineage = std::string(40, 'f');
  const SegmentEntry other = test::put_segment(store, segment);
  segment.source = "users";
  test::put_segment(store, segment);
  segment.source = "orders";
  segment.shard = "1";
  test::put_segment(store, segment);
  store.put_if_absent(names::lineages("orders", "0") + kLineage + "/log/foreign", {}, {});

  const auto logs = list_logs(store, "orders", "0", {});

  EXPECT_THAT(logs, ElementsAre(testing::Pair(kLineage, ElementsAre(long_one, short_one, later)),
                                testing::Pair(std::string(40, 'f'), ElementsAre(other))));
  EXPECT_THAT(list_logs(store, "nobody", "0", {}), IsEmpty());
}

TEST(Logs, AreNotListedFromARepositoryThatFails) {
  store::MemoryStore store;
  const test::FaultyStore faulty(store, {.mode = Fault::Mode::fail_before});

  EXPECT_EQ(failure_of([&] { (void)list_logs(faulty, "orders", "0", {}); }).kind(),
            ErrorKind::unavailable);
}

class ReadSegmentTest : public testing::Test {
 protected:
  store::MemoryStore& store() { return store_; }
  const SegmentEntry& entry() const { return entry_; }

  /// Replaces the object, and corrects its size in the entry.
  void replace(ByteView content) {
    test::overwrite(store_, entry_.object, as_text(content));
    entry_.bytes = content.size();
  }

  Error failure() {
    return failure_of([&] { (void)read_segment(store_, entry_, {}); });
  }

 private:
  store::MemoryStore store_;
  SegmentEntry entry_ = test::put_segment(store_, test::sample_segment(), 3);
};

TEST_F(ReadSegmentTest, GivesBackWhatWasWritten) {
  EXPECT_EQ(read_segment(store(), entry(), {}), test::sample_segment());
}

TEST_F(ReadSegmentTest, ReadsAnIndexOfAnySize) {
  Segment large = test::sample_segment();
  std::mt19937 random(1);
  large.marks.pop_back();
  while (large.marks.size() < 200'000) {
    large.marks.push_back(
        {4000, test::sample_time() - std::chrono::milliseconds(random() % 100'000'000)});
  }
  large.marks.push_back({5000, test::sample_time()});
  test::segment_object(large);
  ASSERT_GT(encode_segment_index(large).size(), 300'000U);
  const SegmentEntry where = test::put_segment(store(), large);

  EXPECT_EQ(read_segment(store(), where, {}), large);
}

TEST_F(ReadSegmentTest, IsNothingIfTheObjectIsGone) {
  store().remove(entry().object, {});

  EXPECT_EQ(read_segment(store(), entry(), {}), std::nullopt);
}

TEST_F(ReadSegmentTest, ThrowsIfTheRepositoryFails) {
  test::FaultyStore faulty(store(), {.mode = Fault::Mode::fail_before});
  EXPECT_EQ(failure_of([&] { (void)read_segment(faulty, entry(), {}); }).kind(),
            ErrorKind::unavailable);

  // Gone, but nobody can say so.
  store().remove(entry().object, {});
  faulty.set({.mode = Fault::Mode::fail_before, .call = 2, .kind = ErrorKind::denied});
  EXPECT_EQ(failure_of([&] { (void)read_segment(faulty, entry(), {}); }).kind(), ErrorKind::denied);
}

TEST_F(ReadSegmentTest, NamesTheObjectThatIsDamaged) {
  for (const Fault::Mode mode : {Fault::Mode::flip_bit, Fault::Mode::truncate}) {
    const test::FaultyStore faulty(store(), {.mode = mode, .call = 1});
    const Error error = failure_of([&] { (void)read_segment(faulty, entry(), {}); });
    EXPECT_EQ(error.kind(), ErrorKind::corrupt);
    EXPECT_EQ(error.side(), Side::repository);
    EXPECT_THAT(error.what(), HasSubstr(entry().object));
  }
}

TEST_F(ReadSegmentTest, ShowsEveryTruncation) {
  const Bytes object = *store().get(entry().object, 1U << 20U, {});
  for (std::size_t length = 0; length < object.size(); ++length) {
    replace(ByteView(object).first(length));
    ASSERT_EQ(failure().kind(), ErrorKind::corrupt) << length;
    replace(ByteView(object).last(length));
    ASSERT_EQ(failure().kind(), ErrorKind::corrupt) << length;
  }
}

TEST_F(ReadSegmentTest, HasNothingBeforeItsFramesOrAroundThem) {
  const Bytes object = *store().get(entry().object, 1U << 20U, {});
  Bytes longer = object;
  longer.insert(longer.begin(), std::byte{0});
  replace(longer);
  EXPECT_THAT(failure().what(), HasSubstr("bytes where its index wants"));
  longer = object;
  longer.push_back(std::byte{0});
  replace(longer);
  EXPECT_EQ(failure().kind(), ErrorKind::corrupt);
}

TEST_F(ReadSegmentTest, TakesNoOtherSegmentUnderThatName) {
  const auto put_as_first = [&](const Segment& other, std::uint64_t level) {
    const SegmentEntry where = test::put_segment(store(), other, level);
    replace(*store().get(where.object, 1U << 20U, {}));
    store().remove(where.object, {});
  };
  std::vector<Segment> others(5, test::sample_segment());
  others[0].source = "users";
  others[1].shard = "1";
  others[2].lineage = std::string(40, 'f');
  others[3].marks.back().at += std::chrono::seconds(1);
  others[4] = test::plain_segment("orders", 1000, 4999, test::sample_time(), {});
  for (const Segment& other : others) {
    put_as_first(other, 4);
    EXPECT_EQ(failure().kind(), ErrorKind::corrupt);
    EXPECT_THAT(failure().what(), HasSubstr("its index does not fit its name"));
  }
  put_as_first(test::sample_segment(), 4);
  EXPECT_EQ(read_segment(store(), entry(), {}), test::sample_segment());
}

TEST(Logs, AreClearedOfAbandonedUploads) {
  store::MemoryStore store;
  const std::string folder = names::lineages("orders", "0") + kLineage;
  const auto segment = store.upload(folder + "/log/a", {});
  const auto event = store.upload(folder + "/events/a", {});
  const auto snapshot = store.upload(folder + "/snapshots/a", {});
  const auto other = store.upload(names::lineages("orders", "1") + kLineage + "/log/a", {});

  EXPECT_EQ(remove_abandoned_log_uploads(store, "orders", "0", {}), 2U);

  EXPECT_THROW(segment->complete(), Error);
  EXPECT_THROW(event->complete(), Error);
  EXPECT_NO_THROW(snapshot->complete());
  EXPECT_NO_THROW(other->complete());
}

TEST(LineageId, IsTheReplicationIdWhereThatIsFree) {
  const std::string replid(test::kSampleReplid);

  EXPECT_EQ(lineage_id(replid, 100, [](const std::string&) { return false; }), replid);
}

TEST(LineageId, IsAnotherWhereTheSameHistoryBeginsAgain) {
  const std::string replid(test::kSampleReplid);
  std::set<std::string> taken = {replid};
  const auto there = [&](const std::string& lineage) { return taken.contains(lineage); };

  const std::string second = lineage_id(replid, 100, there);
  EXPECT_EQ(second,
            codec::sha256_hex(as_bytes("keyrewind lineage " + replid + " 100")).substr(0, 40));
  EXPECT_NE(lineage_id(replid, 200, there), second);
  taken.insert(second);
  const std::string third = lineage_id(replid, 100, there);
  EXPECT_TRUE(names::is_valid_lineage(third));
  EXPECT_FALSE(taken.contains(third));
}

Event sample_event() {
  return {.id = "20261120T130221Z-0a1b2c",
          .kind = "gap",
          .lineage = kLineage,
          .offset = 67890,
          .at = test::sample_time(),
          .detail = "the servers no longer had the stream from here on"};
}

void put_event(store::ObjectStore& store, const Event& event) {
  store.put_if_absent(names::event("orders", "0", event.lineage, event.id), as_bytes(encode(event)),
                      {});
}

TEST(Event, GivesBackWhatWasWritten) {
  EXPECT_EQ(decode_event(as_bytes(encode(sample_event()))), sample_event());
}

TEST(Event, IsThatOfTheFormat) {
  EXPECT_EQ(encode(sample_event()),
            "{\n"
            "  \"format\": 1,\n"
            "  \"kind\": \"keyrewind-event\",\n"
            "  \"id\": \"20261120T130221Z-0a1b2c\",\n"
            "  \"event\": \"gap\",\n"
            "  \"lineage\": \"75a4f1c0b3c94b0bd7ab1b34c2d3f6e88c5f2a10\",\n"
            "  \"offset\": 67890,\n"
            "  \"at\": \"2026-11-20T13:02:21.123Z\",\n"
            "  \"detail\": \"the servers no longer had the stream from here on\"\n"
            "}\n");
}

TEST(Event, IsRefusedWhereItIsDamaged) {
  const std::string text = encode(sample_event());
  for (std::size_t length = 0; length + 1 < text.size(); ++length) {
    EXPECT_EQ(failure_of([&] { (void)decode_event(as_bytes(text.substr(0, length))); }).kind(),
              ErrorKind::corrupt)
        << length;
  }
  const auto with = [&](const std::string& old, const std::string& other) {
    std::string changed = text;
    return changed.replace(changed.find(old), old.size(), other);
  };
  for (const std::string& other :
       {with("67890", "-1"), with("67890", "9223372036854775808"), with("75a4", "75A4"),
        with("\"gap\"", "null"), with("20261120T130221Z-0a1b2c", "../a"),
        with("2026-11-20T", "2026-11-31T"), with("keyrewind-event", "keyrewind-commit"),
        with("\"detail\"", "\"details\"")}) {
    EXPECT_EQ(failure_of([&] { (void)decode_event(as_bytes(other)); }).kind(), ErrorKind::corrupt)
        << other;
  }
  EXPECT_EQ(failure_of([&] {
              (void)decode_event(as_bytes(with("\"format\": 1", "\"format\": 2")));
            }).kind(),
            ErrorKind::incompatible);
}

TEST(Event, IsNotWrittenWhereItCouldHaveNoName) {
  for (const auto& [id, lineage] : std::vector<std::pair<std::string, std::string>>{
           {"a/b", kLineage}, {"", kLineage}, {"a", "short"}}) {
    Event event = sample_event();
    event.id = id;
    event.lineage = lineage;
    EXPECT_EQ(failure_of([&] { (void)encode(event); }).kind(), ErrorKind::internal);
  }
}

TEST(Events, AreListedOldestFirst) {
  store::MemoryStore store;
  Event first = sample_event();
  Event second = sample_event();
  second.id = "20261120T130221Z-000000";
  second.at += std::chrono::seconds(1);
  second.lineage = std::string(40, '0');
  put_event(store, second);
  put_event(store, first);
  std::vector<std::string> problems;

  EXPECT_THAT(list_events(store, "orders", "0", problems, {}), ElementsAre(first, second));
  EXPECT_THAT(problems, IsEmpty());
}

TEST(Events, ThatAreDamagedAreProblems) {
  store::MemoryStore store;
  put_event(store, sample_event());
  const std::string folder = names::lineages("orders", "0") + kLineage + "/events/";
  store.put_if_absent(folder + "a.json", as_bytes("{"), {});
  store.put_if_absent(folder + "b.json", as_bytes(encode(sample_event())), {});
  store.put_if_absent(folder + "c.json", Bytes(kMaxEventBytes + 1), {});
  store.put_if_absent(folder + "d.json", as_bytes("{\"format\": 2}"), {});
  std::vector<std::string> problems;

  EXPECT_THAT(list_events(store, "orders", "0", problems, {}), ElementsAre(sample_event()));

  ASSERT_EQ(problems.size(), 4U);
  EXPECT_THAT(problems[0], HasSubstr(folder + "a.json: the event is damaged"));
  EXPECT_THAT(problems[1], HasSubstr("b.json: the event does not fit its name"));
  EXPECT_THAT(problems[2], HasSubstr("c.json"));
  EXPECT_THAT(problems[3], HasSubstr("d.json: the event was written in format 2"));
}

TEST(Events, AreNotListedFromARepositoryThatFails) {
  store::MemoryStore store;
  put_event(store, sample_event());
  test::FaultyStore faulty(store);
  std::vector<std::string> problems;
  for (std::uint64_t call = 1; call <= 2; ++call) {
    faulty.set({.mode = Fault::Mode::fail_before, .call = call});
    EXPECT_EQ(failure_of([&] { (void)list_events(faulty, "orders", "0", problems, {}); }).kind(),
              ErrorKind::unavailable);
  }
}

}  // namespace
}  // namespace keyrewind::catalog
