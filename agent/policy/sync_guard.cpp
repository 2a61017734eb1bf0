#include "policy/sync_guard.h"

#include "base/size.h"

#include <fmt/format.h>

#include <algorithm>

namespace keyrewind::policy {
namespace {

using Act = SyncDecision::Act;
using replica::ForkInfo;

/// Writes touch some pages while a child runs, even where nothing is known of how many.
constexpr std::uint64_t kShareCopied = 10;

/// The smaller one of those that are known; 0 is not known.
std::uint64_t least_known(std::uint64_t one, std::uint64_t other) noexcept {
  return one == 0 || other == 0 ? std::max(one, other) : std::min(one, other);
}

std::uint64_t memory_of(const ForkInfo& facts, std::uint64_t limit) noexcept {
  const std::uint64_t machine = least_known(facts.total_system_memory, limit);
  return facts.evicts ? machine : least_known(machine, facts.max_memory);
}

std::uint64_t expected_copy(const ForkInfo& facts) noexcept {
  const std::uint64_t seen = std::max(facts.last_copied, facts.current_copied);
  const std::uint64_t copied = seen > 0 ? seen : facts.used_memory / kShareCopied;
  return copied + (facts.backlog_active ? 0 : facts.backlog_size);
}

bool has_memory(const SyncQuestion& question, const ForkInfo& facts) noexcept {
  const auto left = percent_left(facts, question.memory_limit);
  return question.min_free_percent == 0 || !left || *left >= question.min_free_percent;
}

std::string why_busy(const GuardedNode& node) {
  const ForkInfo& facts = *node.facts;
  const std::string_view what = facts.loading               ? "is loading its data"
                                : facts.snapshot_running    ? "is saving a snapshot"
                                : facts.aof_rewrite_running ? "is rewriting its AOF"
                                                            : "has a module's child at work";
  return fmt::format("{} {}", node.name, what);
}

std::string why_short(const SyncQuestion& question, const GuardedNode& node) {
  const ForkInfo& facts = *node.facts;
  return fmt::format(
      "{} uses {} of {} and a fork would copy about {}: {} % would be left of the "
      "{} % that snapshots.min_free_memory wants",
      node.name, to_human_size(facts.used_memory),
      to_human_size(memory_of(facts, question.memory_limit)), to_human_size(expected_copy(facts)),
      *percent_left(facts, question.memory_limit), question.min_free_percent);
}

SyncDecision wait(SyncReason reason, std::string sentence, std::optional<Timestamp> until = {}) {
  return {.act = Act::wait, .reason = reason, .sentence = std::move(sentence), .until = until};
}

SyncDecision refuse(SyncReason reason, std::string sentence) {
  return {.act = Act::refuse, .reason = reason, .sentence = std::move(sentence)};
}

/// Goes through the nodes in their order.
SyncDecision choose(const SyncQuestion& question) {
  std::string busy;
  std::string away;
  std::string low;
  std::optional<std::size_t> unknown;
  for (std::size_t i = 0; i < question.nodes.size(); ++i) {
    const GuardedNode& node = question.nodes[i];
    if (!node.facts) {
      unknown = unknown.value_or(i);
    } else if (!has_memory(question, *node.facts)) {
      low += (low.empty() ? "" : "; ") + why_short(question, node);
    } else if (node.facts->loading) {
      away += (away.empty() ? "" : "; ") + why_busy(node);
    } else if (node.facts->has_child()) {
      busy += (busy.empty() ? "" : "; ") + why_busy(node);
    } else if (i == 0) {
      return {.act = Act::fork,
              .reason = SyncReason::best_node,
              .sentence = fmt::format("{} is the node to read from, and has the memory", node.name),
              .node = i};
    } else {
      const std::string waiting = busy + (busy.empty() || away.empty() ? "" : "; ") + away;
      const std::string& because = low.empty() ? waiting : low;
      return {.act = Act::fork,
              .reason = SyncReason::other_node,
              .sentence = because.empty() ? fmt::format("{} says how its memory is", node.name)
                                          : fmt::format("{} instead: {}", node.name, because),
              .node = i};
    }
  }
  if (!busy.empty()) {
    return wait(SyncReason::fork_running, std::move(busy));
  }
  if (unknown) {
    return {.act = Act::fork,
            .reason = SyncReason::memory_unknown,
            .sentence = fmt::format("{} does not say how its memory is (the right is +info)",
                                    question.nodes[*unknown].name),
            .node = *unknown};
  }
  if (!low.empty()) {
    return refuse(SyncReason::low_memory, std::move(low));
  }
  return wait(SyncReason::no_node,
              away.empty() ? "no node of the kind that is to be read answers" : std::move(away));
}

}  // namespace

std::string_view to_string(SyncReason reason) noexcept {
  switch (reason) {
    case SyncReason::best_node:
      return "best_node";
    case SyncReason::other_node:
      return "other_node";
    case SyncReason::memory_unknown:
      return "memory_unknown";
    case SyncReason::forced:
      return "forced";
    case SyncReason::too_soon:
      return "too_soon";
    case SyncReason::fork_running:
      return "fork_running";
    case SyncReason::low_memory:
      return "low_memory";
    case SyncReason::no_node:
      return "no_node";
    case SyncReason::no_method:
      return "no_method";
  }
  return "no_method";
}

std::optional<Timestamp> floor_ends(std::optional<Timestamp> last_sync,
                                    std::chrono::milliseconds min_interval,
                                    Timestamp now) noexcept {
  const bool binds = last_sync && *last_sync <= now && now - *last_sync < min_interval;
  return binds ? std::optional(*last_sync + min_interval) : std::nullopt;
}

SyncDecision decide_sync(const SyncQuestion& question) {
  if (question.method == Method::compaction || question.method == Method::scan) {
    return refuse(SyncReason::no_method, "this version makes snapshots by full syncs only");
  }
  const auto until = floor_ends(question.last_sync, question.min_interval, question.now);
  if (until && !question.force) {
    return wait(SyncReason::too_soon,
                fmt::format("the last full sync began at {}, and quotas.full_sync_min_interval "
                            "allows the next one at {}",
                            to_rfc3339(*question.last_sync), to_rfc3339(*until)),
                until);
  }
  SyncDecision decision = choose(question);
  if (until && decision.act == Act::fork) {
    decision.reason = SyncReason::forced;
    decision.sentence = "before its time by --force: " + decision.sentence;
  }
  return decision;
}

std::optional<std::uint64_t> percent_left(const ForkInfo& facts,
                                          std::uint64_t memory_limit) noexcept {
  const std::uint64_t memory = memory_of(facts, memory_limit);
  if (memory == 0) {
    return std::nullopt;
  }
  const std::uint64_t copy = expected_copy(facts);
  const std::uint64_t wanted =
      copy > memory || facts.used_memory > memory - copy ? memory : facts.used_memory + copy;
  // In shares of the memory, not times 100: sizes near 2^64 must not overflow.
  return static_cast<std::uint64_t>(static_cast<double>(memory - wanted) * 100.0 /
                                    static_cast<double>(memory));
}

}  // namespace keyrewind::policy
