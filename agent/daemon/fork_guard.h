#pragma once

#include "base/clock.h"
#include "daemon/observations.h"
#include "metrics/agent_metrics.h"
#include "policy/sync_guard.h"
#include "replica/nodes.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace keyrewind::daemon {

/// When a node may fork.
struct ForkRules {
  policy::Method method = policy::Method::automatic;
  std::uint64_t min_free_percent = 20;  ///< Of the node's memory; 0: never mind.
  std::uint64_t memory_limit = 0;       ///< Bytes of a node; 0: what its machine has.
};

/// How soon after one full sync the next one may be.
struct SyncFloor {
  std::optional<Timestamp> last_sync{};
  std::chrono::milliseconds min_interval{};
  bool force = false;  ///< A person passes it.
};

/// What was decided about a full sync, and where it is to be done.
struct ForkVerdict {
  policy::SyncDecision decision;
  std::optional<replica::Address> node{};  ///< Nothing: not now.
  std::vector<std::string> warnings{};     ///< For the backup's record.
};

/// Asks each of `nodes`, best first, how its memory is and what it does, and decides where to fork,
/// if anywhere. A node that can't be asked is passed over; one that may not say (no right +info) is
/// taken for able, with a warning. Below the floor nobody is asked.
ForkVerdict judge_fork(const std::vector<replica::Node>& nodes,
                       const replica::SourceOptions& source, const ForkRules& rules,
                       const SyncFloor& floor, Timestamp now, const std::stop_token& stop);

/// The same for an agent: logs each verdict that is news, and tells what it is asked about it. One
/// thread at a time.
class ForkGuard {
 public:
  /// All must outlive the guard.
  ForkGuard(Observations& seen, metrics::AgentMetrics& metrics, const Clock& clock)
      : seen_(seen), metrics_(metrics), clock_(clock) {}

  ForkVerdict judge(const std::vector<replica::Node>& nodes, const replica::SourceOptions& source,
                    const ForkRules& rules, const SyncFloor& floor, const std::stop_token& stop);

  /// Whether the last verdict had another reason than the one before.
  bool was_news() const noexcept { return was_news_; }

 private:
  Observations& seen_;
  metrics::AgentMetrics& metrics_;
  const Clock& clock_;
  std::optional<policy::SyncReason> last_;
  bool was_news_ = false;
};

}  // namespace keyrewind::daemon
