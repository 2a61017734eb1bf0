#include "daemon/health.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace keyrewind::daemon {
namespace {

using api::Health;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using Level = Health::Reason::Level;

/// What goes wrong for less than this may be a failover or a restart.
constexpr milliseconds kPatience = minutes(1);

/// A lag is no reason before this, however short segments are.
constexpr milliseconds kLeastLag = minutes(1);

/// Beside the schedule's own interval, as the alert KeyrewindBackupTooOld has it.
constexpr milliseconds kBackupSlack = minutes(15);

/// Without an agent, whoever looks into the catalog sees a log that ends some time ago.
constexpr milliseconds kOldRecoveryPoint = minutes(10);

constexpr milliseconds kRetentionPatience = std::chrono::days(3);

/// What the alerts KeyrewindCopyLagging and KeyrewindVerifyTooOld say.
constexpr milliseconds kLongestCopyLag = std::chrono::hours(1);
constexpr milliseconds kOldProof = std::chrono::days(8);

/// Says what is wrong with each part.
class Judge {
 public:
  explicit Judge(const HealthFacts& facts) : facts_(facts) {}

  Health verdict() {
    judge_repositories();
    judge_source();
    judge_log();
    judge_schedules();
    judge_rest();
    std::ranges::stable_sort(health_.reasons, [](const auto& one, const auto& other) {
      return one.level == Level::error && other.level != Level::error;
    });
    return std::move(health_);
  }

 private:
  void add(Level level, std::string code, std::string message) {
    health_.reasons.push_back({level, std::move(code), std::move(message)});
  }

  /// How long ago that was; a clock that went back makes it no time.
  milliseconds age(Timestamp time) const { return std::max(facts_.now - time, milliseconds(0)); }

  void judge_repositories() {
    for (const auto& repository : facts_.repositories) {
      if (repository.unreachable_since && age(*repository.unreachable_since) >= kPatience) {
        add(Level::error, "repository_unreachable",
            fmt::format("repository {} has not answered for {}: {}", repository.name,
                        to_human(age(*repository.unreachable_since)), repository.error));
      }
      if (repository.backups == 0U && !is_young(kBackupSlack)) {
        add(Level::error, "no_backup", fmt::format("repository {} has no backup", repository.name));
      }
      if (repository.lacks_since && age(*repository.lacks_since) > kLongestCopyLag) {
        add(Level::warning, "copy_lagging",
            fmt::format("the copy {} lacks what was stored {} ago", repository.name,
                        to_human(age(*repository.lacks_since))));
      }
      if (repository.restorable_until && age(*repository.restorable_until) > kOldRecoveryPoint) {
        add(Level::error, "recovery_point_old",
            fmt::format("the newest moment that can be restored is {} old",
                        to_human(age(*repository.restorable_until))));
      }
    }
    if (facts_.max_stored != 0 && facts_.stored_bytes >= facts_.max_stored) {
      add(Level::warning, "over_quota",
          fmt::format("{} bytes are stored, and quotas.max_stored is {}", facts_.stored_bytes,
                      facts_.max_stored));
    }
  }

  /// Whether whoever judges has not been there for so long.
  bool is_young(milliseconds age_wanted) const {
    return facts_.since && age(*facts_.since) < age_wanted;
  }

  void judge_source() {
    if (!facts_.source_error.empty() && !facts_.is_standby && !is_young(kPatience)) {
      add(Level::error, "source_down", "the source does not answer: " + facts_.source_error);
    }
    if (!facts_.full_sync_refused.empty()) {
      add(Level::warning, "full_sync_refused", facts_.full_sync_refused);
    }
  }

  void judge_log() {
    if (!facts_.log || facts_.is_standby) {
      return;
    }
    const HealthFacts::Log& log = *facts_.log;
    if (log.detached_since && age(*log.detached_since) >= kPatience) {
      add(Level::error, "log_detached",
          fmt::format("the log has been detached for {}{}", to_human(age(*log.detached_since)),
                      log.why.empty() ? "" : ": " + log.why));
    }
    if (log.unprotected_since && age(*log.unprotected_since) >= kPatience) {
      add(log.snapshot_running ? Level::warning : Level::error, "unprotected",
          fmt::format("what was written since {} cannot be restored without a new snapshot: {}",
                      to_rfc3339(*log.unprotected_since), log.why_unprotected));
    }
    const milliseconds most = std::max(kLeastLag, 10 * log.segment_max_age);
    if (log.lag && *log.lag > most) {
      add(Level::error, "log_lagging",
          fmt::format("writes of {} ago are not in the repository yet", to_human(*log.lag)));
    }
    if (log.spool_limit_bytes == 0) {
      return;
    }
    if (log.spool_bytes >= log.spool_limit_bytes) {
      add(Level::error, "spool_full", "the spool is full, since the repository takes no log");
    } else if (log.spool_bytes > log.spool_limit_bytes / 5 * 4) {
      add(Level::warning, "spool_filling",
          fmt::format("the spool is filled to {} %",
                      log.spool_bytes * 100 / log.spool_limit_bytes));
    }
  }

  void judge_schedules() {
    for (const auto& schedule : facts_.schedules) {
      if (schedule.paused) {
        add(Level::warning, "schedule_paused", fmt::format("schedule {} is paused", schedule.name));
        continue;
      }
      if (schedule.last_failed) {
        add(Level::warning, "backup_failed",
            fmt::format("the last run of schedule {} failed: {}", schedule.name,
                        schedule.last_message));
      }
      const milliseconds most = 2 * schedule.interval + kBackupSlack;
      if (schedule.last_success ? age(*schedule.last_success) > most : !is_young(most)) {
        add(Level::error, "backup_old",
            schedule.last_success
                ? fmt::format("the newest backup of schedule {} is {} old", schedule.name,
                              to_human(age(*schedule.last_success)))
                : fmt::format("schedule {} has no backup yet", schedule.name));
      }
    }
  }

  void judge_rest() {
    if (!facts_.verify_failure.empty()) {
      add(Level::error, "verify_failed", facts_.verify_failure);
    }
    if (facts_.proven && age(*facts_.proven) > kOldProof) {
      add(Level::warning, "verify_old",
          fmt::format("no backup was found good by a verification or a drill for {}",
                      to_human(age(*facts_.proven))));
    }
    if (!facts_.config_error.empty()) {
      add(Level::warning, "config_not_reloaded",
          "the configuration is wrong and was not taken over: " + facts_.config_error);
    }
    if (facts_.retention_failing_since &&
        age(*facts_.retention_failing_since) >= kRetentionPatience) {
      add(Level::warning, "retention_failing",
          fmt::format("nothing could be removed for {}: {}",
                      to_human(age(*facts_.retention_failing_since)), facts_.retention_error));
    }
  }

  const HealthFacts& facts_;
  Health health_;
};

}  // namespace

Health judge(const HealthFacts& facts) {
  return Judge(facts).verdict();
}

}  // namespace keyrewind::daemon
