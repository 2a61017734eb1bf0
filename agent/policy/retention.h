#pragma once

#include "base/clock.h"
#include "catalog/log_span.h"
#include "policy/zone.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

/// Which backups to keep, and which part of the log: decided from what is known of them, and from
/// nothing else.
namespace keyrewind::policy {

/// What to keep. A backup that any of them wants is kept.
struct RetentionRules {
  std::uint64_t keep_last = 7;
  /// Of so many hours, days and so on of `zone` that have a backup, the newest one.
  std::uint64_t keep_hourly = 0;
  std::uint64_t keep_daily = 7;
  std::uint64_t keep_weekly = 4;  ///< Weeks of ISO 8601.
  std::uint64_t keep_monthly = 12;
  std::uint64_t keep_yearly = 0;
  /// All that are not older.
  std::chrono::milliseconds keep_within = std::chrono::days(2);
  /// Any moment that is not older stays one that can be restored.
  std::chrono::milliseconds recovery_window = std::chrono::days(7);
  std::uint64_t min_backups = 1;         ///< Whatever else is said; never fewer than one.
  std::vector<std::string> keep_labels;  ///< "NAME" or "NAME=VALUE".
  Zone zone{};
};

/// Somebody wants a backup kept.
struct LockFacts {
  std::optional<Timestamp> until;  ///< Nothing: until it is unlocked.
  std::string note;
};

struct BackupFacts {
  std::string id;
  std::uint64_t sequence = 0;
  Timestamp created{};
  std::map<std::string, std::string> labels;
  std::optional<LockFacts> lock;
  /// By whom it is being read just now: "restore on orders-0"; empty: by nobody.
  std::string held_by;
};

/// A snapshot on a log, or alone.
struct SnapshotFacts {
  std::size_t backup = 0;  ///< Which of the backups.
  std::int64_t offset = 0;
  Timestamp taken{};
};

/// What can be restored of one lineage, catalog::Window without its content; or log without any
/// snapshot to put it on.
struct WindowFacts {
  std::string lineage;
  std::int64_t begin = 0;
  Timestamp until{};
  std::vector<SnapshotFacts> snapshots;   ///< In the order of offsets.
  std::span<const catalog::LogSpan> log;  ///< In order, without a break.
  std::optional<std::int64_t> held;       ///< Somebody reads the log from this offset on.
  std::string held_by;
};

struct BackupVerdict {
  std::string id;
  bool keep = false;
  /// Why, at least one: of a kept backup "last 3 of 7", "daily 2026-11-29", "within 2d", "locked
  /// until …", "recovery window", …; of another what no rule sees in it.
  std::vector<std::string> reasons;
};

/// What of a lineage's log is kept: from where on, to its end. What ends before may go.
struct LogVerdict {
  std::string lineage;
  std::optional<std::int64_t> keep_from;  ///< Nothing: all of it may go.
  std::vector<std::string> reasons;       ///< Why it is kept; at least one if it is.
};

struct Retention {
  /// The time that ages are counted from: now, or that of the newest data if it is older. So a
  /// clock that has jumped ahead, or an agent that stood still, costs nothing.
  Timestamp reference{};
  Timestamp oldest_wanted{};           ///< Where the recovery window begins.
  std::vector<BackupVerdict> backups;  ///< In the order of the facts.
  std::vector<LogVerdict> logs;        ///< One a lineage that has any log, by name.
};

/// Decides. `backups` are in their order, the oldest first.
///
/// Kept, whatever the rules say: the newest backup, locked ones and those that are being read, and
/// the newest one of the window that goes on, with the log behind it. Where the recovery window
/// begins within a lineage, the last snapshot before and all the log behind it are kept; log that
/// no kept moment needs goes. Log that no snapshot is on is kept as long as it might get one.
Retention decide_retention(const std::vector<BackupFacts>& backups,
                           const std::vector<WindowFacts>& windows, const RetentionRules& rules,
                           Timestamp now);

/// Whether `lock` holds at `now`.
bool is_in_force(const LockFacts& lock, Timestamp now) noexcept;

}  // namespace keyrewind::policy
