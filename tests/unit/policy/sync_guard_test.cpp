#include "policy/sync_guard.h"

#include "times.h"

#include <gmock/gmock.h>

#include <limits>
#include <set>
#include <string>
#include <vector>

namespace keyrewind::policy {
namespace {

using Act = SyncDecision::Act;
using replica::ForkInfo;
using std::chrono::minutes;
using testing::HasSubstr;

constexpr std::uint64_t kGiB = 1 << 30;

/// A node of 16 GiB.
ForkInfo node(std::uint64_t used_gib, std::uint64_t copied_gib) {
  ForkInfo info;
  info.used_memory = used_gib * kGiB;
  info.last_copied = copied_gib * kGiB;
  info.total_system_memory = 16 * kGiB;
  info.backlog_active = true;
  return info;
}

/// A question that allows everything, about nodes a, b, c ….
SyncQuestion ask(const std::vector<std::optional<ForkInfo>>& nodes) {
  SyncQuestion question{
      .now = at("2026-11-30T12:00"), .min_free_percent = 20, .min_interval = minutes(10)};
  char name = 'a';
  for (const auto& facts : nodes) {
    question.nodes.push_back({.name = std::string(1, name++), .facts = facts});
  }
  return question;
}

ForkInfo with_child(ForkInfo info) {
  info.snapshot_running = true;
  return info;
}

TEST(DecideSync, ForksOnTheBestNode) {
  const SyncDecision decision = decide_sync(ask({node(8, 1), node(1, 1)}));

  EXPECT_EQ(decision.act, Act::fork);
  EXPECT_EQ(decision.reason, SyncReason::best_node);
  EXPECT_EQ(decision.node, 0U);
}

TEST(DecideSync, ForksElsewhereIfTheBestNodeIsShortOfMemory) {
  const SyncDecision decision = decide_sync(ask({node(12, 2), node(8, 1)}));

  EXPECT_EQ(decision.act, Act::fork);
  EXPECT_EQ(decision.reason, SyncReason::other_node);
  EXPECT_EQ(decision.node, 1U);
  EXPECT_EQ(decision.sentence,
            "b instead: a uses 12.0 GiB of 16.0 GiB and a fork would copy about 2.0 GiB: 12 % "
            "would be left of the 20 % that snapshots.min_free_memory wants");
}

TEST(DecideSync, ForksElsewhereIfTheBestNodeHasAChild) {
  ForkInfo rewriting = node(1, 0);
  rewriting.aof_rewrite_running = true;
  ForkInfo loading = node(1, 0);
  loading.loading = true;

  const SyncDecision decision = decide_sync(ask({rewriting, loading, node(1, 0)}));

  EXPECT_EQ(decision.node, 2U);
  EXPECT_EQ(decision.sentence, "c instead: a is rewriting its AOF; b is loading its data");
}

TEST(DecideSync, RefusesIfNoNodeHasTheMemory) {
  const SyncDecision decision = decide_sync(ask({node(12, 2), with_child(node(15, 2))}));

  EXPECT_EQ(decision.act, Act::refuse);
  EXPECT_EQ(decision.reason, SyncReason::low_memory);
  EXPECT_THAT(decision.sentence, HasSubstr("a uses 12.0 GiB of 16.0 GiB"));
  EXPECT_THAT(decision.sentence, HasSubstr("; b uses 15.0 GiB of 16.0 GiB"));
}

TEST(DecideSync, CountsByTheLimitOfAContainer) {
  SyncQuestion question = ask({node(6, 1)});
  question.memory_limit = 8 * kGiB;

  const SyncDecision decision = decide_sync(question);

  EXPECT_EQ(decision.reason, SyncReason::low_memory);
  EXPECT_THAT(decision.sentence, HasSubstr("a uses 6.0 GiB of 8.0 GiB"));
}

TEST(DecideSync, IsRefusedForMemoryEvenIfForced) {
  SyncQuestion question = ask({node(15, 1)});
  question.force = true;

  EXPECT_EQ(decide_sync(question).reason, SyncReason::low_memory);
}

TEST(DecideSync, WaitsForChildrenIfThereWouldBeMemory) {
  const SyncDecision decision = decide_sync(ask({with_child(node(1, 0)), node(15, 1)}));

  EXPECT_EQ(decision.act, Act::wait);
  EXPECT_EQ(decision.reason, SyncReason::fork_running);
  EXPECT_EQ(decision.sentence, "a is saving a snapshot");
}

TEST(DecideSync, KeepsTheFloorBetweenTwo) {
  SyncQuestion question = ask({node(1, 0)});
  question.last_sync = at("2026-11-30T11:55");

  const SyncDecision decision = decide_sync(question);
  EXPECT_EQ(decision.act, Act::wait);
  EXPECT_EQ(decision.reason, SyncReason::too_soon);
  EXPECT_EQ(decision.until, at("2026-11-30T12:05"));
  EXPECT_EQ(decision.sentence,
            "the last full sync began at 2026-11-30T11:55:00.000Z, and "
            "quotas.full_sync_min_interval allows the next one at 2026-11-30T12:05:00.000Z");

  question.now = at("2026-11-30T12:05");
  EXPECT_EQ(decide_sync(question).act, Act::fork);
}

TEST(DecideSync, PassesTheFloorByForceAlone) {
  SyncQuestion question = ask({node(1, 0)});
  question.last_sync = at("2026-11-30T11:55");
  question.force = true;

  const SyncDecision decision = decide_sync(question);

  EXPECT_EQ(decision.act, Act::fork);
  EXPECT_EQ(decision.reason, SyncReason::forced);
  EXPECT_THAT(decision.sentence, HasSubstr("before its time by --force: a is the node"));
}

TEST(DecideSync, IsNotStuckByASyncFromTheFuture) {
  SyncQuestion question = ask({node(1, 0)});
  question.last_sync = at("2026-12-01T12:00");

  EXPECT_EQ(decide_sync(question).act, Act::fork);
}

TEST(DecideSync, HasNoFloorWithoutOne) {
  SyncQuestion question = ask({node(1, 0)});
  question.last_sync = question.now;
  question.min_interval = {};

  EXPECT_EQ(decide_sync(question).act, Act::fork);
}

TEST(DecideSync, RefusesMethodsThatThereAreNone) {
  for (const Method method : {Method::compaction, Method::scan}) {
    SyncQuestion question = ask({node(1, 0)});
    question.method = method;
    EXPECT_EQ(decide_sync(question).act, Act::refuse);
    EXPECT_EQ(decide_sync(question).reason, SyncReason::no_method);
  }
}

TEST(DecideSync, PrefersANodeThatSaysHowItsMemoryIs) {
  const SyncDecision known = decide_sync(ask({std::nullopt, node(1, 0)}));
  EXPECT_EQ(known.node, 1U);
  EXPECT_EQ(known.reason, SyncReason::other_node);
  EXPECT_EQ(known.sentence, "b says how its memory is");

  const SyncDecision unknown = decide_sync(ask({node(15, 1), std::nullopt}));
  EXPECT_EQ(unknown.act, Act::fork);
  EXPECT_EQ(unknown.node, 1U);
  EXPECT_EQ(unknown.reason, SyncReason::memory_unknown);
  EXPECT_EQ(unknown.sentence, "b does not say how its memory is (the right is +info)");
}

TEST(DecideSync, WaitsForNodes) {
  EXPECT_EQ(decide_sync(ask({})).act, Act::wait);
  EXPECT_EQ(decide_sync(ask({})).reason, SyncReason::no_node);
}

TEST(DecideSync, DoesNotMindMemoryIfToldSo) {
  SyncQuestion question = ask({node(16, 8)});
  question.min_free_percent = 0;

  EXPECT_EQ(decide_sync(question).act, Act::fork);
}

TEST(PercentLeft, CountsWhatAForkWouldCopy) {
  EXPECT_EQ(percent_left(node(8, 4)), 25U);
  EXPECT_EQ(percent_left(node(10, 0)), 31U) << "a tenth of what is used, if nothing is known";

  ForkInfo running = node(8, 1);
  running.current_copied = 4 * kGiB;
  EXPECT_EQ(percent_left(running), 25U);

  ForkInfo without_backlog = node(8, 2);
  without_backlog.backlog_active = false;
  without_backlog.backlog_size = 2 * kGiB;
  EXPECT_EQ(percent_left(without_backlog), 25U);
}

TEST(PercentLeft, TakesMaxmemoryForTheBoundOfAServerThatDoesNotEvict) {
  ForkInfo info = node(7, 1);
  info.max_memory = 10 * kGiB;
  EXPECT_EQ(percent_left(info), 20U);
  info.evicts = true;
  EXPECT_EQ(percent_left(info), 50U);
  info.evicts = false;
  info.max_memory = 64 * kGiB;
  EXPECT_EQ(percent_left(info), 50U);
}

TEST(PercentLeft, TakesAContainersLimitForTheBoundIfThatIsLess) {
  const ForkInfo info = node(7, 1);
  EXPECT_EQ(percent_left(info, 10 * kGiB), 20U);
  EXPECT_EQ(percent_left(info, 64 * kGiB), 50U);

  ForkInfo bounded = info;
  bounded.max_memory = 16 * kGiB;
  EXPECT_EQ(percent_left(bounded, 10 * kGiB), 20U);
  bounded.max_memory = 10 * kGiB;
  EXPECT_EQ(percent_left(bounded, 12 * kGiB), 20U);

  ForkInfo unknown = info;
  unknown.total_system_memory = 0;
  EXPECT_EQ(percent_left(unknown, 10 * kGiB), 20U);
}

TEST(PercentLeft, IsNeverNegativeAndNeverOverflows) {
  constexpr auto kMost = std::numeric_limits<std::uint64_t>::max();
  EXPECT_EQ(percent_left(node(20, 20)), 0U);
  ForkInfo info = node(1, 1);
  info.used_memory = kMost;
  info.last_copied = kMost;
  EXPECT_EQ(percent_left(info), 0U);
  info = {};
  EXPECT_EQ(percent_left(info), std::nullopt);
  info.max_memory = kMost;
  EXPECT_EQ(percent_left(info), 100U);
}

TEST(SyncReason, HasAWordEach) {
  std::set<std::string_view> words;
  for (int i = 0; i <= static_cast<int>(SyncReason::no_method); ++i) {
    words.insert(to_string(static_cast<SyncReason>(i)));
  }
  EXPECT_EQ(words.size(), 9U);
}

}  // namespace
}  // namespace keyrewind::policy
