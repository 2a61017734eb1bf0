#include "daemon/fork_guard.h"

#include "base/error.h"
#include "base/log.h"
#include "replica/connection.h"
#include "replica/fork_info.h"

#include <utility>

namespace keyrewind::daemon {
namespace {

using policy::SyncDecision;
using policy::SyncReason;

/// Nothing if the node does not say: it may not, or hangs up on a question that it does not know.
/// Throws if it is not there.
std::optional<replica::ForkInfo> ask(const replica::SourceOptions& source,
                                     const std::stop_token& stop) {
  replica::Connection connection(source, stop);
  try {
    return replica::ask_fork_info(connection);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::cancelled) {
      throw;
    }
    return std::nullopt;
  }
}

metrics::SnapshotDecision to_metric(const SyncDecision& decision) {
  switch (decision.act) {
    case SyncDecision::Act::fork:
      return decision.node == 0 ? metrics::SnapshotDecision::full_sync
                                : metrics::SnapshotDecision::full_sync_elsewhere;
    case SyncDecision::Act::wait:
      return metrics::SnapshotDecision::wait;
    case SyncDecision::Act::refuse:
      break;
  }
  return metrics::SnapshotDecision::refuse;
}

std::string word_of(const SyncDecision& decision) {
  switch (decision.act) {
    case SyncDecision::Act::fork:
      return decision.node == 0 ? "fork" : "other_node";
    case SyncDecision::Act::wait:
      return "wait";
    case SyncDecision::Act::refuse:
      break;
  }
  return "refuse";
}

}  // namespace

ForkVerdict judge_fork(const std::vector<replica::Node>& nodes,
                       const replica::SourceOptions& source, const ForkRules& rules,
                       const SyncFloor& floor, Timestamp now, const std::stop_token& stop) {
  policy::SyncQuestion question;
  question.now = now;
  question.method = rules.method;
  question.min_free_percent = rules.min_free_percent;
  question.memory_limit = rules.memory_limit;
  question.last_sync = floor.last_sync;
  question.min_interval = floor.min_interval;
  question.force = floor.force;
  // Without any node only what they say is missing, unless it is decided whatever that is.
  if (auto decision = policy::decide_sync(question); decision.reason != SyncReason::no_node) {
    return {.decision = std::move(decision)};
  }
  std::vector<replica::Address> asked;
  std::optional<Error> failure;
  for (const replica::Node& node : nodes) {
    try {
      auto facts = ask(replica::options_for(source, node.address), stop);
      question.nodes.push_back({replica::to_string(node.address), std::move(facts)});
      asked.push_back(node.address);
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::cancelled) {
        throw;
      }
      failure = failure ? failure : std::optional(error);
    }
  }
  if (asked.empty() && failure) {
    throw *failure;
  }
  ForkVerdict verdict{.decision = policy::decide_sync(question)};
  if (verdict.decision.act == SyncDecision::Act::fork) {
    verdict.node = asked.at(verdict.decision.node);
  }
  if (verdict.decision.reason == SyncReason::memory_unknown) {
    verdict.warnings.push_back(verdict.decision.sentence);
  }
  return verdict;
}

ForkVerdict ForkGuard::judge(const std::vector<replica::Node>& nodes,
                             const replica::SourceOptions& source, const ForkRules& rules,
                             const SyncFloor& floor, const std::stop_token& stop) {
  ForkVerdict verdict = judge_fork(nodes, source, rules, floor, clock_.now(), stop);
  const SyncDecision& decision = verdict.decision;
  // Not the sentence: the figures in it are others each time.
  was_news_ = std::exchange(last_, decision.reason) != decision.reason;
  if (was_news_ || verdict.node) {
    metrics_.decided(to_metric(decision));
  }
  const std::string word = word_of(decision);
  if (verdict.node) {
    log::info("full sync decided", {{"decision", word}, {"reason", decision.sentence}});
  } else if (was_news_) {
    log::warn("full sync not begun", {{"decision", word}, {"reason", decision.sentence}});
  }
  const Timestamp now = clock_.now();
  seen_.change([&](Observations::Seen& seen) {
    seen.status.guard = {
        .at = now, .decision = word, .reason = decision.sentence, .until = decision.until};
    seen.full_sync_refused =
        decision.act == SyncDecision::Act::refuse ? decision.sentence : std::string();
  });
  return verdict;
}

}  // namespace keyrewind::daemon
