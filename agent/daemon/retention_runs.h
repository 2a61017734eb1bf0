#pragma once

#include "base/clock.h"
#include "catalog/catalog.h"
#include "daemon/observations.h"
#include "daemon/tasks.h"
#include "metrics/agent_metrics.h"
#include "policy/retention.h"

#include <stop_token>
#include <string>

namespace keyrewind::daemon {

/// Removes what the rules do not want any more, each time as a task. One thread.
class RetentionRuns {
 public:
  /// The arguments must outlive the runs.
  RetentionRuns(catalog::Catalog& catalog, Tasks& tasks, Observations& seen,
                metrics::AgentMetrics& metrics, const Clock& clock)
      : catalog_(catalog), tasks_(tasks), seen_(seen), metrics_(metrics), clock_(clock) {}

  /// Returns whether anything was removed. What fails is logged once for each reason, noted, and
  /// to be tried again later; it throws nothing.
  bool run_once(const policy::RetentionRules& rules, const std::stop_token& stop);

 private:
  void note_failure(const std::string& why);

  catalog::Catalog& catalog_;
  Tasks& tasks_;
  Observations& seen_;
  metrics::AgentMetrics& metrics_;
  const Clock& clock_;
  std::string last_failure_;
};

}  // namespace keyrewind::daemon
