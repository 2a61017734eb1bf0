#include "restore/open_log.h"

#include "base/error.h"
#include "catalog/timeline.h"
#include "unit/prune/history.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace keyrewind::restore {
namespace {

using std::chrono::milliseconds;
using test::History;

const std::string kLineage(40, 'a');

/// Each is looked for on a timeline that is read for it.
constexpr std::size_t kMomentsOfEach = 25;

/// All that a moment comes to, as text.
std::string outcome(const catalog::Timeline& timeline, const Moment& moment,
                    const std::optional<std::string>& backup) {
  try {
    const RestorePoint point = find_restore_point(timeline, moment, backup);
    return fmt::format("{} {} {} {} {}", point.base.commit.id, point.window.lineage, point.offset,
                       to_rfc3339(point.at), fmt::join(point.notes, "; "));
  } catch (const Error& error) {
    return error.what();
  }
}

/// Moments of every kind, most of them near to something.
std::vector<Moment> moments_of(const catalog::Timeline& timeline, std::mt19937_64& random) {
  const auto near = [&] { return std::uniform_int_distribution<int>(-1500, 1500)(random); };
  std::vector<Moment> moments{{}};
  const auto add = [&](Timestamp time, std::int64_t offset) {
    moments.push_back({.kind = Moment::Kind::time, .time = time, .offset = 0, .event = {}});
    moments.push_back({.kind = Moment::Kind::time,
                       .time = time + milliseconds(near()),
                       .offset = 0,
                       .event = {}});
    moments.push_back({.kind = Moment::Kind::offset,
                       .time = {},
                       .offset = std::max<std::int64_t>(offset + near() / 10, 0),
                       .event = {}});
  };
  for (const catalog::Window& window : timeline.windows) {
    for (const catalog::SnapshotPoint& point : window.snapshots) {
      add(point.snapshot.taken, point.snapshot.offset);
    }
    for (const catalog::Segment& segment : window.segments) {
      add(segment.marks.back().at, segment.end);
    }
  }
  for (const catalog::TimelineEvent& event : timeline.events) {
    moments.push_back(
        {.kind = Moment::Kind::before_event, .time = {}, .offset = 0, .event = event.id});
  }
  return moments;
}

TEST(OpenLog, FindsTheSameAsWithAllIndexes) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    History history(seed);
    std::mt19937_64 random(seed);
    const catalog::Timeline all = catalog::read_timeline(history.catalog(), {});
    std::vector<std::optional<std::string>> bases{std::nullopt};
    if (!all.backups.empty()) {
      bases.emplace_back(all.backups[random() % all.backups.size()].commit.id);
    }
    std::vector<Moment> moments = moments_of(all, random);
    std::ranges::shuffle(moments, random);
    moments.resize(std::min<std::size_t>(moments.size(), kMomentsOfEach));
    for (const Moment& moment : moments) {
      for (const std::optional<std::string>& base : bases) {
        ASSERT_EQ(outcome(read_timeline_for(history.catalog(), moment, base, {}), moment, base),
                  outcome(all, moment, base))
            << "seed " << seed << " time " << to_rfc3339(moment.time) << " offset " << moment.offset
            << " event " << moment.event << " from " << base.value_or("any");
      }
    }
  }
}

class LongLog : public testing::Test {
 protected:
  void SetUp() override {
    catalog::ensure_repository(store_, clock_, {});
    for (int i = 0; i < kSegments; ++i) {
      if (i % kBackupEach == 0) {
        test::take_backup(catalog_, clock_, kLineage, log_.end());
      }
      clock_.advance(std::chrono::seconds(10));
      log_.write(100, clock_.now());
    }
  }

  static constexpr int kSegments = 400;
  static constexpr int kBackupEach = 100;

  store::MemoryStore store_;
  test::ManualClock clock_{test::prune_time()};
  catalog::Catalog catalog_{store_, "orders"};
  test::LineageWriter log_{store_, kLineage, 0};
};

TEST_F(LongLog, IsOpenedFromTheSnapshotBeforeToTheMoment) {
  const auto opened = [&](const Moment& moment) {
    const catalog::Timeline timeline = read_timeline_for(catalog_, moment, std::nullopt, {});
    const catalog::Window& window = timeline.windows.at(0);
    EXPECT_EQ(window.log.size(), window.segments.size());
    return window.segments.empty()
               ? std::pair<std::int64_t, std::int64_t>()
               : std::pair(window.segments.front().begin, window.segments.back().end);
  };
  using Kind = Moment::Kind;

  EXPECT_EQ(opened({.kind = Kind::latest, .time = {}, .offset = 0, .event = {}}),
            std::pair(INT64_C(29900), INT64_C(40000)));
  EXPECT_EQ(opened({.kind = Kind::offset, .time = {}, .offset = 10450, .event = {}}),
            std::pair(INT64_C(9900), INT64_C(10500)));
  const auto [begin, end] = opened({.kind = Kind::time,
                                    .time = test::prune_time() + std::chrono::seconds(2155),
                                    .offset = 0,
                                    .event = {}});
  EXPECT_EQ(begin, 19900);
  EXPECT_GE(end, 21600);
  EXPECT_LE(end, 21900);
}

TEST_F(LongLog, IsReadWholeWhereAnIndexIsDamaged) {
  const catalog::SegmentEntry entry =
      catalog::list_logs(store_, "orders", "0", {}).at(kLineage)[350];
  store_.remove(entry.object, {});
  store_.put_if_absent(entry.object, Bytes(static_cast<std::size_t>(entry.bytes)), {});
  const Moment latest{};

  EXPECT_EQ(outcome(read_timeline_for(catalog_, latest, std::nullopt, {}), latest, std::nullopt),
            outcome(catalog::read_timeline(catalog_, {}), latest, std::nullopt));
}

}  // namespace
}  // namespace keyrewind::restore
