#include "daemon/verify_runs.h"

#include "base/error.h"
#include "base/log.h"
#include "restore/verify_log.h"

#include <fmt/format.h>

#include <utility>

namespace keyrewind::daemon {
namespace {

metrics::VerifyLevel to_metric(restore::VerifyLevel level) {
  return static_cast<metrics::VerifyLevel>(level);
}

nlohmann::ordered_json to_json(const catalog::Commit& commit, restore::VerifyLevel level,
                               const restore::VerifyResult& result) {
  return {{"id", commit.id},
          {"level", restore::to_string(level)},
          {"ok", true},
          {"keys", result.keys},
          {"expired", result.expired},
          {"raw_bytes", result.raw_bytes},
          {"stored_bytes", result.stored_bytes},
          {"server", result.server}};
}

/// Throws Error(corrupt) for the first damage of the log behind the backup.
void refuse_damages(const restore::LogVerification& verification) {
  for (const restore::VerifiedLog& log : verification.logs) {
    if (!log.damages.empty()) {
      throw Error(ErrorKind::corrupt, log.damages.front());
    }
  }
}

}  // namespace

VerifyRuns::VerifyRuns(const catalog::Catalog& catalog, restore::VerifyOptions options,
                       Tasks& tasks, Observations& seen, Notifier& notifier,
                       metrics::AgentMetrics& metrics, const Clock& clock)
    : catalog_(catalog),
      options_(std::move(options)),
      tasks_(tasks),
      seen_(seen),
      notifier_(notifier),
      metrics_(metrics),
      clock_(clock) {}

std::string VerifyRuns::ask(const std::string& backup, api::VerifyLevel level) {
  const std::lock_guard lock(mutex_);
  if (wish_ || running_) {
    throw Error(ErrorKind::busy, "another verification is under way; only one runs at a time");
  }
  wish_ = Wish{backup, static_cast<restore::VerifyLevel>(level),
               tasks_.add(api::Task::Kind::verify, "")};
  news_.notify_all();
  return wish_->job->id();
}

void VerifyRuns::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    Wish wish;
    {
      std::unique_lock lock(mutex_);
      if (!news_.wait(lock, stop, [this] { return wish_.has_value(); })) {
        return;
      }
      wish = *std::exchange(wish_, std::nullopt);
      running_ = true;
    }
    verify(wish, stop);
    const std::lock_guard lock(mutex_);
    running_ = false;
  }
}

void VerifyRuns::verify(const Wish& wish, const std::stop_token& stop) {
  std::stop_source end;
  const std::stop_callback on_stop(stop, [&] { end.request_stop(); });
  const std::stop_callback on_cancel(wish.job->stop_token(), [&] { end.request_stop(); });
  wish.job->begin();
  const Timestamp began = clock_.now();
  const auto note = [&](metrics::VerifyResult result) {
    metrics_.verifications().finished(to_metric(wish.level), result, clock_.now(),
                                      clock_.now() - began);
  };
  try {
    restore::VerifyOptions options = options_;
    options.level = wish.level;
    const catalog::Commit commit = catalog_.find(wish.backup, end.get_token());
    const auto result =
        restore::verify_backup(catalog_, commit, options, wish.job->progress(), end.get_token());
    Progress progress;
    refuse_damages(restore::verify_log(catalog_, commit.id, options, progress, end.get_token()));
    note(metrics::VerifyResult::success);
    const Timestamp now = clock_.now();
    seen_.change([&](Observations::Seen& seen) {
      seen.verify_failure.clear();
      seen.proven = now;
    });
    wish.job->succeed(to_json(commit, wish.level, result));
  } catch (const Error& error) {
    const bool is_bad =
        error.kind() == ErrorKind::corrupt || error.kind() == ErrorKind::incompatible;
    note(error.kind() == ErrorKind::cancelled ? metrics::VerifyResult::cancelled
         : is_bad                             ? metrics::VerifyResult::failure
                                              : metrics::VerifyResult::error);
    if (is_bad) {
      const std::string what =
          fmt::format("backup {} failed verification: {}", wish.backup, error.what());
      log::error("backup failed verification", {{"backup", wish.backup}, {"error", error.what()}});
      seen_.change([&](Observations::Seen& seen) { seen.verify_failure = what; });
      notifier_.tell(Occasion::verify_failed, what);
    }
    wish.job->fail(error);
  }
}

}  // namespace keyrewind::daemon
