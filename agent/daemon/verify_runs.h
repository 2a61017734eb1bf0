#pragma once

#include "api/agent_control.h"
#include "base/clock.h"
#include "catalog/catalog.h"
#include "daemon/notifier.h"
#include "daemon/observations.h"
#include "daemon/tasks.h"
#include "flow/group.h"
#include "metrics/agent_metrics.h"
#include "restore/verify.h"

#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

namespace keyrewind::daemon {

/// Verifies backups that somebody asks for, one at a time, in the thread that calls `run`.
class VerifyRuns {
 public:
  /// The arguments but `options`, whose level counts for nothing, must outlive the runs.
  VerifyRuns(const catalog::Catalog& catalog, restore::VerifyOptions options, Tasks& tasks,
             Observations& seen, Notifier& notifier, metrics::AgentMetrics& metrics,
             const Clock& clock);

  /// The id of the task. Throws Error(busy) if one waits or runs. Any thread.
  std::string ask(const std::string& backup, api::VerifyLevel level);

  /// Does what is asked for until `stop` is requested.
  void run(const std::stop_token& stop);

 private:
  struct Wish {
    std::string backup;
    restore::VerifyLevel level = restore::VerifyLevel::parse;
    std::shared_ptr<Job> job;
  };

  void verify(const Wish& wish, const std::stop_token& stop);

  const catalog::Catalog& catalog_;
  const restore::VerifyOptions options_;
  Tasks& tasks_;
  Observations& seen_;
  Notifier& notifier_;
  metrics::AgentMetrics& metrics_;
  const Clock& clock_;

  std::mutex mutex_;  ///< Guards what follows.
  std::condition_variable_any news_;
  std::optional<Wish> wish_;
  bool running_ = false;
};

}  // namespace keyrewind::daemon
