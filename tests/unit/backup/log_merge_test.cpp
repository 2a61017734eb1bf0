#include "backup/log_merge.h"

#include "base/error.h"
#include "base/log.h"
#include "log_sample.h"
#include "store/memory_store.h"
#include "support/faulty_store.h"
#include "support/temp_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace keyrewind::backup {
namespace {

using std::chrono::milliseconds;
using test::Fault;
using testing::ElementsAre;
using testing::IsSubsetOf;
using testing::SizeIs;

std::set<std::string> names_in(const store::ObjectStore& store) {
  std::set<std::string> names;
  for (const store::ObjectInfo& object : store.list("", {})) {
    names.insert(object.name);
  }
  return names;
}

void flip_bit(store::ObjectStore& store, const std::string& object, std::size_t byte) {
  Bytes content = *store.get(object, ~0ULL, {});
  content.at(byte) ^= std::byte{1};
  store.remove(object, {});
  store.put_if_absent(object, content, {});
}

/// Copies what a store holds.
void copy(const store::ObjectStore& from, store::ObjectStore& to) {
  for (const store::ObjectInfo& object : from.list("", {})) {
    to.put_if_absent(object.name, *from.get(object.name, ~0ULL, {}), {});
  }
}

/// What a log says, whatever its segments.
struct Said {
  std::string stream;
  std::vector<catalog::TimeMark> marks;
  std::vector<catalog::Resumption> resumptions;
  std::vector<aof::NotedCommand> noted;
  std::vector<catalog::Link> links;
  std::map<std::int64_t, std::string> ids{};  ///< Where they change.
  std::uint64_t commands = 0;

  bool operator==(const Said&) const = default;
};

Said said(const ReadLog& log) {
  using catalog::Segment;
  Said all{.stream = log.stream,
           .marks = log.all(&Segment::marks),
           .resumptions = log.all(&Segment::resumptions),
           .noted = log.all(&Segment::noted),
           .links = log.all(&Segment::links)};
  std::string last;
  for (const catalog::HistoryId& id : log.all(&Segment::ids)) {
    if (id.replid != last) {
      all.ids[id.offset] = last = id.replid;
    }
  }
  for (const Segment& segment : log.segments) {
    all.commands += segment.commands;
  }
  return all;
}

std::string inflated(const store::ObjectStore& store, const ReadLog& log) {
  Bytes all;
  for (const catalog::SegmentEntry& entry : log.entries) {
    const Bytes object = *store.get(entry.object, ~0ULL, {});
    all.insert(all.end(), object.begin(), object.end());
  }
  return inflate(all);
}

std::vector<std::uint64_t> levels(const ReadLog& log) {
  std::vector<std::uint64_t> found;
  for (const catalog::SegmentEntry& entry : log.entries) {
    found.push_back(entry.level);
  }
  return found;
}

class LogMerge : public testing::Test {
 protected:
  LogMerge() { log::configure(log::Level::error, log::Format::text); }

  std::size_t merge() { return merge_log(store_, options_, {}); }

  store::MemoryStore store_;
  MergeOptions options_{.source = "orders", .shard = "0", .count = 4, .max_bytes = 4000};
};

TEST_F(LogMerge, HasNothingToDoAtFirst) {
  EXPECT_EQ(merge(), 0U);
  LogWriter log(store_);
  log.add_set(10);
  log.add_set(10);
  log.add_set(10);
  EXPECT_EQ(merge(), 0U);
  EXPECT_THAT(names_in(store_), SizeIs(3));
}

TEST_F(LogMerge, MakesOneOfSeveralAndRemovesThemInThePassAfter) {
  LogWriter log(store_);
  for (int i = 0; i < 4; ++i) {
    log.add_set(10);
  }
  const Said before = said(read_log(store_));

  EXPECT_EQ(merge(), 1U);
  EXPECT_THAT(names_in(store_), SizeIs(5));
  EXPECT_THAT(levels(read_log(store_)), ElementsAre(1));
  EXPECT_EQ(merge(), 0U);

  EXPECT_THAT(names_in(store_), SizeIs(1));
  EXPECT_EQ(said(read_log(store_)), before);
  EXPECT_EQ(inflated(store_, read_log(store_)), log.stream());
}

TEST_F(LogMerge, ClimbsLevelByLevel) {
  LogWriter log(store_);
  for (int i = 0; i < 16; ++i) {
    log.add_set(10);
  }
  EXPECT_EQ(merge(), 4U);
  EXPECT_EQ(merge(), 1U);
  EXPECT_EQ(merge(), 0U);
  EXPECT_THAT(levels(read_log(store_)), ElementsAre(2));
  EXPECT_THAT(names_in(store_), SizeIs(1));
  EXPECT_EQ(read_log(store_).stream, log.stream());
}

TEST_F(LogMerge, EndsAtTheHighestLevel) {
  LogWriter log(store_);
  for (int i = 0; i < 4; ++i) {
    log.add_set(1);
  }
  for (const catalog::SegmentEntry& entry : read_log(store_).entries) {
    std::string name = entry.object;
    name.at(name.rfind('-') + 1) = '9';
    store_.put_if_absent(name, *store_.get(entry.object, ~0ULL, {}), {});
    store_.remove(entry.object, {});
  }
  EXPECT_EQ(merge(), 0U);
  EXPECT_THAT(levels(read_log(store_)), ElementsAre(9, 9, 9, 9));
}

TEST_F(LogMerge, MakesNoneThatAreTooLarge) {
  LogWriter log(store_);
  for (int i = 0; i < 20; ++i) {
    log.add_set(1000);
  }
  while (merge() > 0) {
  }
  for (const catalog::Segment& segment : read_log(store_).segments) {
    EXPECT_LE(segment.end - segment.begin, 4000);
  }
  EXPECT_THAT(levels(read_log(store_)), ElementsAre(1, 1, 1, 1, 1, 1, 0, 0));
  EXPECT_EQ(read_log(store_).stream, log.stream());
}

// Marks are what an index is made of: a slow trickle makes small segments with many of them.
TEST_F(LogMerge, MakesNoneThatLastTooLong) {
  LogWriter log(store_);
  options_.count = 100;
  for (int i = 0; i < 40; ++i) {
    log.add_set(1, std::chrono::minutes(10));
  }
  while (merge() > 0) {
  }
  EXPECT_THAT(levels(read_log(store_)), ElementsAre(1, 1, 1, 1, 1, 0, 0, 0, 0, 0));
  for (const catalog::Segment& segment : read_log(store_).segments) {
    EXPECT_LE(segment.marks.back().at - segment.marks.front().at, options_.max_span);
  }
  EXPECT_EQ(read_log(store_).stream, log.stream());
}

// One that is neither small nor large must not keep those behind it from being merged.
TEST_F(LogMerge, SmallOnesBehindAnUnhandyOneAreMerged) {
  LogWriter log(store_);
  log.add_set(1500);
  log.add_set(3800);
  log.add_set(1500);
  log.add_set(3800);
  for (int i = 0; i < 40; ++i) {
    log.add_set(1);
  }

  EXPECT_GE(merge(), 10U);

  EXPECT_EQ(read_log(store_).stream, log.stream());
}

TEST_F(LogMerge, NeverMergesOverAHole) {
  LogWriter log(store_);
  for (int i = 0; i < 8; ++i) {
    log.add_set(10);
  }
  const auto entries = read_log(store_).entries;
  store_.remove(entries[2].object, {});

  EXPECT_EQ(merge(), 1U);

  const auto logs = catalog::list_logs(store_, "orders", "0", {});
  EXPECT_THAT(catalog::cover(logs.at(kLineage), entries[3].begin), SizeIs(2));
}

TEST_F(LogMerge, KeepsLineagesApart) {
  LogWriter one(store_);
  LogWriter other(store_, kOtherReplid);
  for (int i = 0; i < 4; ++i) {
    one.add_set(10);
    other.add_set(11);
  }
  EXPECT_EQ(merge(), 2U);
  merge();
  EXPECT_EQ(read_log(store_).stream, one.stream());
  EXPECT_EQ(read_log(store_, kOtherReplid).stream, other.stream());
}

TEST_F(LogMerge, LeavesOtherObjectsAlone) {
  LogWriter log(store_);
  for (int i = 0; i < 4; ++i) {
    log.add_set(10);
  }
  const std::set<std::string> others{
      "keyrewind.json", "sources/orders/source.json",
      "sources/orders/shards/0/lineages/" + kLineage + "/events/a.json",
      "sources/payments/source.json"};
  for (const std::string& name : others) {
    store_.put_if_absent(name, as_bytes(name), {});
  }
  merge();
  merge();
  EXPECT_THAT(others, IsSubsetOf(names_in(store_)));
}

TEST_F(LogMerge, DropsNoNotedCommandInSilence) {
  options_.count = 2;
  options_.max_bytes = 1U << 30U;
  LogWriter log(store_);
  const std::string flush = command({"FLUSHDB"});
  std::string many;
  for (std::size_t i = 0; i < catalog::kMaxNoted - 3; ++i) {
    many += flush;
  }
  log.add({{many, kTime}});
  log.add({{flush + flush + flush + flush + flush, kTime}});

  ASSERT_EQ(merge(), 1U);

  const catalog::Segment merged = read_log(store_).segments.at(0);
  EXPECT_THAT(merged.noted, SizeIs(catalog::kMaxNoted));
  EXPECT_EQ(merged.noted_left_out, 2U);
}

class LogMergeOfRandomLogs : public LogMerge, public testing::WithParamInterface<unsigned> {};

TEST_P(LogMergeOfRandomLogs, SaysTheSameAfterEveryPass) {
  std::mt19937 random(GetParam());
  options_.count = 2 + random() % 5;
  options_.max_bytes = 500 + random() % 20000;
  LogWriter log(store_);
  Said before;
  for (int pass = 0; pass < 15; ++pass) {
    const auto segments = random() % 20;
    for (std::size_t i = 0; i < segments; ++i) {
      log.add_random(random, 12);
    }
    before = said(read_log(store_));
    const std::vector<catalog::SegmentEntry> listed = read_log(store_).entries;

    merge();

    EXPECT_EQ(said(read_log(store_)), before);
    for (const catalog::SegmentEntry& entry : listed) {
      EXPECT_TRUE(store_.head(entry.object, {})) << "a reader still wants " << entry.object;
    }
  }
  while (merge() > 0) {
  }
  merge();
  EXPECT_EQ(before.stream, log.stream());
  EXPECT_EQ(said(read_log(store_)), before);
  EXPECT_EQ(inflated(store_, read_log(store_)), log.stream());
  EXPECT_EQ(names_in(store_).size(), read_log(store_).entries.size()) << "nothing is left over";
}

TEST_P(LogMergeOfRandomLogs, IsWholeAfterEveryFailure) {
  std::mt19937 random(GetParam());
  store::MemoryStore original;
  LogWriter log(original);
  for (int i = 0; i < 11; ++i) {
    log.add_random(random, 8);
  }
  // One pass before, so that there is something to remove, too.
  merge_log(original, options_, {});
  log.add_random(random, 8);
  const Said before = said(read_log(original));

  for (const Fault::Mode mode : {Fault::Mode::fail_before, Fault::Mode::fail_after}) {
    for (std::uint64_t call = 1;; ++call) {
      store::MemoryStore store;
      copy(original, store);
      test::FaultyStore faulty(store, {.mode = mode, .call = call});
      std::optional<Error> error;
      try {
        merge_log(faulty, options_, {});
      } catch (const Error& caught) {
        error = caught;
      }
      ASSERT_EQ(said(read_log(store)), before) << "call " << call;
      // The next process clears away and goes on.
      catalog::remove_abandoned_log_uploads(store, "orders", "0", {});
      while (merge_log(store, options_, {}) > 0) {
        ASSERT_EQ(said(read_log(store)), before) << "call " << call;
      }
      merge_log(store, options_, {});
      ASSERT_EQ(said(read_log(store)), before) << "call " << call;
      ASSERT_EQ(names_in(store).size(), read_log(store).entries.size()) << "call " << call;
      if (!error) {
        ASSERT_LT(faulty.calls(), call);
        break;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, LogMergeOfRandomLogs, testing::Range(1U, 5U));

TEST_F(LogMerge, DamagedSegmentsAreLeftAloneAndTheOthersMerged) {
  options_.max_bytes = 1U << 20U;
  store::MemoryStore original;
  LogWriter log(original);
  for (int i = 0; i < 12; ++i) {
    log.add_set(20);
  }
  const auto entries = read_log(original).entries;
  const std::size_t size = original.head(entries[5].object, {})->bytes;
  for (std::size_t byte = 0; byte < size; byte += byte + 60 < size ? 11 : 1) {
    store::MemoryStore store;
    copy(original, store);
    flip_bit(store, entries[5].object, byte);

    EXPECT_EQ(merge_log(store, options_, {}), 2U) << "byte " << byte;
    EXPECT_EQ(merge_log(store, options_, {}), 0U) << "byte " << byte;

    EXPECT_THAT(names_in(store), SizeIs(6)) << "byte " << byte;
    EXPECT_TRUE(store.head(entries[5].object, {}));
  }
}

TEST_F(LogMerge, WhatADamagedOneWouldReplaceIsKept) {
  LogWriter log(store_);
  for (int i = 0; i < 4; ++i) {
    log.add_set(20);
  }
  const Said before = said(read_log(store_));
  ASSERT_EQ(merge(), 1U);
  const std::string merged = read_log(store_).entries.at(0).object;
  flip_bit(store_, merged, store_.head(merged, {})->bytes - 1);
  for (int i = 0; i < 4; ++i) {
    log.add_set(20);
  }

  EXPECT_EQ(merge(), 1U) << "those behind it are merged";
  EXPECT_EQ(merge(), 0U);

  store_.remove(merged, {});
  EXPECT_THAT(levels(read_log(store_)), ElementsAre(0, 0, 0, 0, 1));
  EXPECT_EQ(read_log(store_).stream, log.stream());
}

TEST_F(LogMerge, NeverMergesWhatIsNotChained) {
  LogWriter log(store_);
  for (int i = 0; i < 4; ++i) {
    log.add_set(10);
  }
  const catalog::SegmentEntry third = read_log(store_).entries.at(2);
  catalog::Segment segment = *catalog::read_segment(store_, third, {});
  segment.previous.fill(std::byte{7});
  Bytes object = *store_.get(third.object, ~0ULL, {});
  object.resize(segment.frames.at(0).stored_bytes);
  const Bytes index = catalog::encode_segment_index(segment);
  object.insert(object.end(), index.begin(), index.end());
  store_.remove(third.object, {});
  store_.put_if_absent(third.object, object, {});

  EXPECT_EQ(merge(), 0U);

  EXPECT_THAT(names_in(store_), SizeIs(4));
}

TEST_F(LogMerge, StopEndsAPassWithEverythingWhole) {
  LogWriter log(store_);
  for (int i = 0; i < 12; ++i) {
    log.add_set(10);
  }
  const Said before = said(read_log(store_));
  for (std::uint64_t call = 1; call < 40; ++call) {
    std::stop_source stop;
    test::FaultyStore store(store_);
    store.meanwhile(call, [&] { stop.request_stop(); });
    try {
      merge_log(store, options_, stop.get_token());
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::cancelled);
    }
    EXPECT_EQ(said(read_log(store_)), before);
  }
}

}  // namespace
}  // namespace keyrewind::backup
