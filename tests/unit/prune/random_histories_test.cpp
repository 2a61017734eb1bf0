#include "catalog/backup_lock.h"
#include "catalog/timeline.h"
#include "history.h"
#include "prune/lock_backups.h"
#include "prune/prune.h"
#include "store/memory_store.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

/// Whatever happened to a source and whatever the rules are: what should be restorable stays so.
namespace keyrewind::prune {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;

/// A state that can be restored, and when it was.
struct State {
  std::string lineage;
  std::int64_t offset = 0;
  Timestamp at{};
};

std::vector<State> restorable(const catalog::Timeline& timeline) {
  std::vector<State> states;
  for (const catalog::Window& window : timeline.windows) {
    for (const catalog::SnapshotPoint& point : window.snapshots) {
      states.push_back({window.lineage, point.snapshot.offset, point.snapshot.taken});
    }
    for (const catalog::Segment& segment : window.segments) {
      for (const catalog::TimeMark& mark : segment.marks) {
        if (mark.offset >= window.begin) {
          states.push_back({window.lineage, mark.offset, mark.at});
        }
      }
    }
  }
  return states;
}

bool is_restorable(const catalog::Timeline& timeline, const State& state) {
  return std::ranges::any_of(timeline.windows, [&](const catalog::Window& window) {
    return window.lineage == state.lineage && window.begin <= state.offset &&
           state.offset <= window.end;
  });
}

/// A random life, locks and rules, and then perhaps a clock that is wrong.
class RuledHistory : public test::History {
 public:
  explicit RuledHistory(std::uint64_t seed) : History(seed) {
    lock_some();
    choose_rules();
    const int skew = pick(0, 9);
    clock_.advance(skew == 0 ? days(1) : skew == 1 ? -days(1) : minutes(pick(0, 600)));
  }

  const policy::RetentionRules& rules() const { return rules_; }

 private:
  void lock_some() {
    for (const catalog::Commit& commit : catalog().list({})) {
      if (pick(0, 15) == 0) {
        const bool ends = pick(0, 1) == 0;
        lock_backup(catalog(), commit.id,
                    {{},
                     ends ? std::optional(clock_.now() + hours(pick(-20, 20))) : std::nullopt,
                     "",
                     clock_.now()},
                    {});
      }
    }
  }

  void choose_rules() {
    const auto some = [&] { return static_cast<std::uint64_t>(pick(0, 1) == 0 ? 0 : pick(0, 6)); };
    rules_ = {.keep_last = some(),
              .keep_hourly = some(),
              .keep_daily = some(),
              .keep_weekly = some(),
              .keep_monthly = some(),
              .keep_yearly = some(),
              .keep_within = hours(pick(0, 2) == 0 ? pick(0, 200) : 0),
              .recovery_window = minutes(pick(0, 3) == 0 ? 0 : pick(0, 12000)),
              .min_backups = some(),
              .keep_labels = {},
              .zone = {}};
    if (pick(0, 9) == 0) {
      rules_.keep_labels = {"kind=a"};
    }
  }

  policy::RetentionRules rules_;
};

void check(std::uint64_t seed) {
  RuledHistory history(seed);
  const catalog::Timeline before = catalog::read_timeline(history.catalog(), {});
  const PruneOptions options{.rules = history.rules(), .dry_run = false};

  const PruneReport report = prune::prune(history.catalog(), options, history.clock(), {});

  ASSERT_TRUE(report.problems.empty());
  const catalog::Timeline after = catalog::read_timeline(history.catalog(), {});
  std::set<std::string> there;
  for (const catalog::BackupParts& backup : after.backups) {
    there.insert(backup.commit.id);
  }
  Timestamp newest{};
  for (const State& state : restorable(before)) {
    newest = std::max(newest, state.at);
  }
  for (const catalog::LogRun& run : before.unused) {
    newest = std::max(newest, run.last);
  }
  const Timestamp oldest_wanted =
      std::min(newest, history.clock().now()) - history.rules().recovery_window;
  for (const State& state : restorable(before)) {
    if (state.at >= oldest_wanted) {
      ASSERT_TRUE(is_restorable(after, state)) << state.lineage << " " << state.offset;
    }
  }
  for (const BackupOutcome& backup : report.backups) {
    ASSERT_FALSE(backup.reasons.empty());
    ASSERT_EQ(there.contains(backup.commit.id), backup.keep) << backup.commit.id;
    for (const catalog::Window& window : before.windows) {
      for (const catalog::SnapshotPoint& point : window.snapshots) {
        if (backup.keep && point.commit.id == backup.commit.id) {
          const bool stays = std::ranges::any_of(after.windows, [&](const catalog::Window& one) {
            return std::ranges::any_of(one.snapshots, [&](const catalog::SnapshotPoint& other) {
              return other.commit.id == backup.commit.id;
            });
          });
          ASSERT_TRUE(stays) << backup.commit.id;
        }
      }
    }
  }
  if (!before.backups.empty()) {
    ASSERT_TRUE(there.contains(before.backups.back().commit.id));
  }
  for (const LogOutcome& log : report.logs) {
    ASSERT_TRUE(log.kept_segments == 0 || !log.reasons.empty() || !log.keep_from) << log.lineage;
  }
  for (const std::string& name : test::names_in(history.store(), "sources/orders/")) {
    const auto segment = catalog::names::parse_segment("orders", "0", name);
    if (!segment) {
      continue;
    }
    const auto log = std::ranges::find(report.logs, segment->lineage, &LogOutcome::lineage);
    ASSERT_NE(log, report.logs.end());
    ASSERT_TRUE(log->keep_from && segment->end >= *log->keep_from)
        << name << " " << log->keep_from.value_or(-1);
  }

  const auto names = test::names_in(history.store());
  const PruneReport again = prune::prune(history.catalog(), options, history.clock(), {});
  ASSERT_EQ(again.removed_backups, 0U);
  ASSERT_EQ(again.removed_objects, 0U);
  ASSERT_EQ(test::names_in(history.store()), names);
}

TEST(RandomHistories, KeepWhatIsWantedAndNothingElse) {
  for (std::uint64_t seed = 1; seed <= 150 && !testing::Test::HasFatalFailure(); ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    check(seed);
  }
}

}  // namespace
}  // namespace keyrewind::prune
