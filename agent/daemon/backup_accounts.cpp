#include "daemon/backup_accounts.h"

#include "api/backup_json.h"
#include "base/log.h"

#include <map>
#include <utility>

namespace keyrewind::daemon {
namespace {

using metrics::RunResult;

metrics::BackupRun run_of(const catalog::Commit& commit) {
  return {.source = commit.source,
          .schedule = schedule_label(commit.origin),
          .result = RunResult::success,
          .opaque = commit.opaque,
          .attempted = commit.created,
          .last_success = commit.finished,
          .duration = commit.finished - commit.created,
          .keys = commit.keys,
          .raw_bytes = commit.raw_bytes,
          .stored_bytes = commit.stored_bytes};
}

nlohmann::ordered_json to_json(const SnapshotTaker::Outcome& outcome) {
  nlohmann::ordered_json json = api::to_json(outcome.result->commit);
  json["warnings"] = outcome.result->warnings;
  if (outcome.final_offset) {
    json["final_offset"] = *outcome.final_offset;
  }
  return json;
}

}  // namespace

std::string schedule_label(const catalog::Origin& origin) {
  if (!origin.schedule.empty()) {
    return origin.schedule;
  }
  if (origin.trigger == catalog::Trigger::base) {
    return metrics::kAutomaticRuns;
  }
  return origin.trigger == catalog::Trigger::final ? metrics::kFinalRuns : metrics::kManualRuns;
}

void BackupAccounts::ended(const SnapshotTaker::Outcome& outcome) {
  const bool is_cancelled = outcome.error && outcome.error->kind() == ErrorKind::cancelled;
  if (outcome.result) {
    metrics_.backups().finished(run_of(outcome.result->commit));
    watch_.add(outcome.result->commit);
    seen_.change([](Observations::Seen& seen) { seen.full_sync_refused.clear(); });
  } else {
    metrics_.backups().finished({.source = {},
                                 .schedule = schedule_label(outcome.origin),
                                 .result = is_cancelled ? RunResult::cancelled : RunResult::failure,
                                 .attempted = outcome.attempted,
                                 .duration = clock_.now() - outcome.attempted});
  }
  if (outcome.job) {
    outcome.result ? outcome.job->succeed(to_json(outcome)) : outcome.job->fail(*outcome.error);
  }
  const std::string why = outcome.error ? outcome.error->what() : "";
  if (!outcome.origin.schedule.empty()) {
    scheduler_.note(outcome.origin.schedule,
                    outcome.result ? Scheduler::Result::success
                    : is_cancelled ? Scheduler::Result::cancelled
                                   : Scheduler::Result::failure,
                    why, outcome.attempted);
  }
  if (outcome.error && !is_cancelled) {
    notifier_.tell(Occasion::backup_failed, "a backup failed: " + why);
  }
}

void BackupAccounts::skipped(const std::string& schedule, const std::string& why) {
  metrics_.schedules().missed(schedule);
  metrics_.backups().finished({.source = {},
                               .schedule = schedule,
                               .result = RunResult::skipped,
                               .attempted = clock_.now()});
  log::warn("run of a schedule skipped", {{"schedule", schedule}, {"reason", why}});
}

void BackupAccounts::seed(const std::vector<catalog::Commit>& backups) {
  std::map<std::string, const catalog::Commit*> newest;
  for (const catalog::Commit& commit : backups) {
    if (commit.origin.trigger && commit.origin.trigger != catalog::Trigger::import) {
      newest[schedule_label(commit.origin)] = &commit;
    }
  }
  for (const auto& [schedule, commit] : newest) {
    metrics_.backups().seed(run_of(*commit));
  }
}

}  // namespace keyrewind::daemon
