#include "base/error.h"
#include "catalog/catalog.h"
#include "catalog/commit_pages.h"
#include "catalog/log_page.h"
#include "catalog/log_runs.h"
#include "catalog/names.h"
#include "catalog/repository.h"
#include "catalog/timeline.h"
#include "sample.h"
#include "store/memory_store.h"
#include "support/faulty_store.h"
#include "support/manual_clock.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace keyrewind::catalog {
namespace {

using std::chrono::seconds;
using test::failure_of;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

const std::string kLineage(test::kSampleLineage);

constexpr int kSegments = 3200;
constexpr std::int64_t kBytes = 10;

std::int64_t end_of(int number) {
  return kBytes * (number + 1);
}

/// Segment `number` of a log in which much happens, some of it where a page ends.
Segment segment_at(int number, const Digest& previous) {
  int at = 10 * number;
  at -= number >= 1024 ? 3600 : 0;  // The clock is set back twice.
  at -= number >= 1500 ? 50 : 0;
  Segment segment = test::plain_segment("orders", kBytes * number, end_of(number),
                                        test::sample_time() + seconds(at), previous);
  segment.ids.front().replid = std::string(40, static_cast<char>('a' + number / 512 % 6));
  if (number % 97 == 0) {
    segment.noted = {{"FLUSHALL", 3, segment.begin + 1, segment.begin + 5}};
  }
  if (number == 300 || number == 1024 || number == 2047 || number == 2048) {
    const Timestamp resumed = segment.marks.back().at - seconds(1);
    segment.resumptions = {
        {segment.begin, resumed, "10.0.0.7:6379"},
        {number == 2047 ? segment.end : segment.begin, resumed, "10.0.0.8:6379"}};
  }
  return segment;
}

/// A log of three thousand segments, the first two thousand of which have pages.
class LogPages : public testing::Test {
 protected:
  void SetUp() override {
    ensure_repository(store_, clock_, {});
    Digest chain = chain_start(kLineage, 0);
    for (int i = 0; i < kSegments; ++i) {
      segments_.push_back(segment_at(i, chain));
      chain = chain_end(segments_.back());
      entries_.push_back(test::put_segment(store_, segments_.back()));
    }
    for (const int number : {5, 1023, 1024, 3199}) {
      back_up(segments_[static_cast<std::size_t>(number)]);
    }
    ASSERT_EQ(write_log_pages(store_, "orders", "0", {}), 2U);
  }

  void back_up(const Segment& segment) {
    Writer writer(catalog_, clock_, {});
    Manifest manifest = test::sample_manifest("orders", writer.new_id(), segment.marks.back().at);
    Snapshot& snapshot = manifest.snapshots.front();
    snapshot.lineage = kLineage;
    snapshot.replid = segment.ids.back().replid;
    snapshot.offset = segment.end;
    snapshot.taken = segment.marks.back().at;
    writer.commit(manifest, {});
    clock_.advance(seconds(1));
  }

  /// Calls that the outline takes.
  std::uint64_t calls() {
    test::FaultyStore counting(store_);
    read_outline(Catalog(counting, "orders"), {});
    return counting.calls();
  }

  /// That the outline tells the same as all indexes do. Returns it.
  Timeline expect_the_same() {
    const Timeline all = read_timeline(catalog_, {});
    Timeline outline = read_outline(catalog_, {});
    EXPECT_EQ(outline.windows.size(), all.windows.size());
    for (std::size_t i = 0; i < std::min(outline.windows.size(), all.windows.size()); ++i) {
      const Window& told = outline.windows[i];
      const Window& read = all.windows[i];
      EXPECT_EQ(told.lineage, read.lineage);
      EXPECT_EQ(std::pair(told.begin, told.end), std::pair(read.begin, read.end));
      EXPECT_EQ(std::pair(told.from, told.until), std::pair(read.from, read.until));
      EXPECT_EQ(told.log, read.log);
      EXPECT_EQ(told.snapshots.size(), read.snapshots.size());
      EXPECT_THAT(told.segments, IsEmpty());
    }
    EXPECT_EQ(outline.gaps.size(), all.gaps.size());
    EXPECT_EQ(outline.events, all.events);
    EXPECT_EQ(outline.problems, all.problems);
    EXPECT_EQ(outline.breaks.size(), all.breaks.size());
    EXPECT_EQ(outline.unused.size(), all.unused.size());
    return outline;
  }

  static std::string page(int first, int last) {
    return names::log_page("orders", "0", kLineage, kBytes * first, end_of(last));
  }

  store::MemoryStore store_;
  test::ManualClock clock_{test::sample_time()};
  Catalog catalog_{store_, "orders"};
  std::vector<Segment> segments_;
  std::vector<SegmentEntry> entries_;
};

TEST_F(LogPages, TellTheSameAsTheSegmentsThatTheyStandFor) {
  const Timeline outline = expect_the_same();

  ASSERT_THAT(outline.windows, SizeIs(1));
  EXPECT_EQ(outline.windows[0].log.size(), kSegments - 6U);
  // The last 1152 segments, and the pages, events, commits and manifests.
  EXPECT_LT(calls(), 1200U);
}

TEST_F(LogPages, AreWrittenOnce) {
  EXPECT_EQ(write_log_pages(store_, "orders", "0", {}), 0U);
  EXPECT_TRUE(store_.head(page(0, 1023), {}));
  EXPECT_TRUE(store_.head(page(1024, 2047), {}));
}

TEST_F(LogPages, AreReadBackAsTheyWereWritten) {
  const LogPage page = decode_log_page(*store_.get(this->page(1024, 2047), kMaxLogPageBytes, {}));

  EXPECT_EQ(page.lineage, kLineage);
  EXPECT_EQ(page.previous, segments_[1024].previous);
  EXPECT_EQ(page.chain, chain_end(segments_[2047]));
  EXPECT_EQ(page.last, segments_[2047].marks.back());
  EXPECT_EQ(decode_log_page(encode(page)), page);
}

TEST_F(LogPages, ThatAreDamagedOrGoneAreNoLoss) {
  test::overwrite(store_, page(0, 1023), "no frame");
  expect_the_same();
  const Bytes second = *store_.get(page(1024, 2047), kMaxLogPageBytes, {});
  test::overwrite(store_, page(0, 1023), as_text(second));
  expect_the_same();
  Bytes torn = second;
  torn.resize(torn.size() / 2);
  test::overwrite(store_, page(1024, 2047), as_text(torn));
  expect_the_same();
  store_.remove(page(0, 1023), {});
  store_.remove(page(1024, 2047), {});
  expect_the_same();
}

TEST_F(LogPages, StandForMergedSegmentsThatFit) {
  const Segment whole = test::merged(segments_, 100, 132);
  test::put_segment(store_, whole, 1);
  expect_the_same();
  for (std::size_t i = 100; i < 132; ++i) {
    store_.remove(entries_[i].object, {});
  }

  EXPECT_EQ(expect_the_same().windows[0].log.size(), kSegments - 6U - 31U);
  EXPECT_LT(calls(), 1200U);
}

TEST_F(LogPages, DoNotStandForSegmentsThatReachOverTheirEnds) {
  test::put_segment(store_, test::merged(segments_, 1020, 1030), 1);
  for (std::size_t i = 1020; i < 1030; ++i) {
    store_.remove(entries_[i].object, {});
  }

  expect_the_same();
  EXPECT_GT(calls(), 3100U);
}

TEST_F(LogPages, DoNotHideThatASegmentIsMissing) {
  store_.remove(entries_[700].object, {});

  const Timeline outline = expect_the_same();

  ASSERT_THAT(outline.breaks, SizeIs(1));
  EXPECT_EQ(outline.breaks[0].begin, segments_[700].begin);
  ASSERT_THAT(outline.gaps, SizeIs(1));
}

TEST_F(LogPages, DoNotTellOfWhatRetentionHasRemoved) {
  store_.put_if_absent(names::trim("orders", "0", kLineage, segments_[500].end),
                       as_bytes(encode_trim(kLineage, segments_[500].end, clock_.now())), {});

  const Timeline outline = expect_the_same();

  ASSERT_THAT(outline.windows, SizeIs(2));
  EXPECT_EQ(outline.events.front().before, segments_[512].begin);
}

TEST_F(LogPages, AreNotReadForAllIndexes) {
  test::FaultyStore counting(store_);

  EXPECT_EQ(read_timeline(Catalog(counting, "orders"), {}).windows.at(0).segments.size(),
            kSegments - 6U);
  EXPECT_GT(counting.calls(), static_cast<std::uint64_t>(kSegments));
}

/// Three hundred backups, more than one page of them.
class CommitPages : public testing::Test {
 protected:
  void SetUp() override {
    ensure_repository(store_, clock_, {});
    for (int i = 0; i < 300; ++i) {
      clock_.advance(seconds(60));
      const std::string id = fmt::format("{}-{:06x}", to_compact(clock_.now()), i);
      put(static_cast<std::uint64_t>(i + 1), test::sample_manifest("orders", id, clock_.now()));
    }
    before_ = catalog_.list({});
    timeline_ = read_outline(catalog_, {});
  }

  /// As a Writer puts it, which would list all others before.
  void put(std::uint64_t sequence, const Manifest& manifest) {
    const std::string encoded = encode(manifest);
    Commit commit;
    commit.id = manifest.id;
    commit.sequence = sequence;
    commit.source = "orders";
    commit.created = commit.finished = manifest.created;
    commit.keys = 7;
    commit.server = "Valkey 8.1.1";
    commit.labels = {{"n", std::to_string(sequence)}};
    commit.origin = {Trigger::schedule, "hourly"};
    commit.manifest = {names::manifest("orders", commit.id), encoded.size(),
                       codec::sha256_hex(as_bytes(encoded))};
    store_.put_if_absent(commit.manifest.name, as_bytes(encoded), {});
    store_.put_if_absent(names::commit("orders", sequence, commit.id), as_bytes(encode(commit)),
                         {});
  }

  std::vector<CommitEntry> entries() { return list_commits(store_, "orders", {}); }
  void begin_run() { const Writer writer(catalog_, clock_, {}); }
  void remove(std::uint64_t sequence) {
    store_.remove(names::commit("orders", sequence, before_[sequence - 1].id), {});
  }

  std::uint64_t calls() {
    test::FaultyStore counting(store_);
    (void)Catalog(counting, "orders").list({});
    return counting.calls();
  }

  void expect_the_same() {
    EXPECT_EQ(catalog_.list({}), before_);
    const Timeline outline = read_outline(catalog_, {});
    EXPECT_THAT(outline.problems, IsEmpty());
    ASSERT_EQ(outline.backups.size(), timeline_.backups.size());
    for (std::size_t i = 0; i < outline.backups.size(); ++i) {
      EXPECT_EQ(outline.backups[i].commit, timeline_.backups[i].commit);
      EXPECT_EQ(outline.backups[i].parts, timeline_.backups[i].parts);
    }
    EXPECT_EQ(outline.windows.size(), timeline_.windows.size());
  }

  store::MemoryStore store_;
  test::ManualClock clock_{test::sample_time()};
  Catalog catalog_{store_, "orders"};
  std::vector<Commit> before_;
  Timeline timeline_;
  const std::string page_ = names::commit_page("orders", {1, 256});
};

TEST_F(CommitPages, AreWrittenByTheNextRunAndTellTheSame) {
  EXPECT_GT(calls(), 300U);

  begin_run();

  EXPECT_TRUE(store_.head(page_, {}));
  expect_the_same();
  EXPECT_LT(calls(), 60U);
  EXPECT_EQ(write_commit_pages(store_, "orders", entries(), {}), 0U);
}

TEST_F(CommitPages, ThatAreDamagedAreNoLoss) {
  begin_run();
  test::overwrite(store_, page_, "no frame");
  expect_the_same();
  const Bytes other = encode_commit_page("users", {});
  test::overwrite(store_, page_, as_text(other));
  expect_the_same();
}

TEST_F(CommitPages, DoNotTellOfBackupsThatAreRemoved) {
  begin_run();
  for (std::uint64_t sequence = 2; sequence <= 200; ++sequence) {
    remove(sequence);
  }

  EXPECT_THAT(catalog_.list({}), SizeIs(101));
  EXPECT_EQ(catalog_.list({}).front(), before_.front());
  EXPECT_THAT(read_outline(catalog_, {}).backups, SizeIs(101));
  EXPECT_THAT(list_old_commit_pages(store_, "orders", entries(), {}), IsEmpty());
}

TEST_F(CommitPages, AreOldWhenFewOfTheirBackupsAreLeft) {
  begin_run();
  for (std::uint64_t sequence = 2; sequence <= 242; ++sequence) {
    remove(sequence);
  }

  EXPECT_THAT(list_old_commit_pages(store_, "orders", entries(), {}), ElementsAre(page_));
  EXPECT_EQ(catalog_.list({}).front(), before_.front());
}

TEST_F(CommitPages, AreNotWrittenOfADamagedBackup) {
  store_.remove(names::manifest("orders", before_[100].id), {});

  EXPECT_EQ(failure_of([&] { write_commit_pages(store_, "orders", entries(), {}); }).kind(),
            ErrorKind::corrupt);
  begin_run();  // Nevertheless.

  EXPECT_FALSE(store_.head(page_, {}));
  EXPECT_THAT(read_outline(catalog_, {}).unreadable_backups, ElementsAre(before_[100].id));
}

}  // namespace
}  // namespace keyrewind::catalog
