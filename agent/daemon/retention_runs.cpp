#include "daemon/retention_runs.h"

#include "base/error.h"
#include "base/log.h"
#include "prune/prune.h"

#include <fmt/format.h>

#include <utility>

namespace keyrewind::daemon {
namespace {

nlohmann::ordered_json to_json(const prune::PruneReport& report) {
  return {{"kept_backups", report.kept_backups},       {"removed_backups", report.removed_backups},
          {"removed_objects", report.removed_objects}, {"removed_bytes", report.removed_bytes},
          {"refused", report.refused.size()},          {"problems", report.problems}};
}

}  // namespace

bool RetentionRuns::run_once(const policy::RetentionRules& rules, const std::stop_token& stop) {
  const auto job = tasks_.add(api::Task::Kind::prune, "");
  std::stop_source end;
  const std::stop_callback on_stop(stop, [&] { end.request_stop(); });
  const std::stop_callback on_cancel(job->stop_token(), [&] { end.request_stop(); });
  job->begin();
  try {
    const prune::PruneReport report =
        prune::prune(catalog_, {.rules = rules}, clock_, end.get_token());
    job->succeed(to_json(report));
    if (!report.problems.empty()) {
      note_failure("damaged backups: " + report.problems.front());
    } else if (!report.refused.empty()) {
      note_failure(fmt::format("the store refused to remove {} objects, the first {}: {}",
                               report.refused.size(), report.refused.front().object,
                               report.refused.front().reason));
    } else {
      last_failure_.clear();
      seen_.change([](Observations::Seen& seen) { seen.retention_failing_since.reset(); });
      metrics_.repositories().retention_succeeded("primary", clock_.now(), report.removed_backups);
    }
    if (report.removed_objects != 0) {
      log::info("retention removed what no rule keeps", {{"backups", report.removed_backups},
                                                         {"objects", report.removed_objects},
                                                         {"bytes", report.removed_bytes}});
    }
    return report.removed_objects != 0;
  } catch (const Error& error) {
    job->fail(error);
    // Another run that is at it does the same.
    if (error.kind() != ErrorKind::cancelled && error.kind() != ErrorKind::busy) {
      note_failure(error.what());
    }
  }
  return false;
}

void RetentionRuns::note_failure(const std::string& why) {
  const Timestamp now = clock_.now();
  seen_.change([&](Observations::Seen& seen) {
    if (!seen.retention_failing_since) {
      seen.retention_failing_since = now;
    }
    seen.retention_error = why;
  });
  if (std::exchange(last_failure_, why) != why) {
    log::warn("retention could not remove what no rule keeps", {{"error", why}});
  }
}

}  // namespace keyrewind::daemon
