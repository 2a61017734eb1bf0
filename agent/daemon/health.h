#pragma once

#include "api/status.h"
#include "base/clock.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace keyrewind::daemon {

/// What health is judged by: what an agent knows of itself, or what a catalog alone tells. What
/// nobody knows is nothing, and no reason for anything.
struct HealthFacts {
  Timestamp now{};
  /// Since when whoever judges could know of anything: an agent's start. Nothing: for ever.
  std::optional<Timestamp> since{};
  bool is_standby = false;  ///< Another agent works: the log and the spool are its own.

  struct Log {
    std::optional<Timestamp> detached_since{};  ///< Nothing: it is attached.
    std::string why{};                          ///< It is detached.
    /// Since when what is written can't be restored, for want of a snapshot. Nothing: it can.
    std::optional<Timestamp> unprotected_since{};
    std::string why_unprotected{};
    bool snapshot_running = false;  ///< The one that it wants.
    /// Age of the oldest write that the repository lacks; nothing: it lacks none.
    std::optional<std::chrono::milliseconds> lag{};
    std::chrono::milliseconds segment_max_age{10000};
    std::uint64_t spool_bytes = 0;
    std::uint64_t spool_limit_bytes = 0;
  };
  std::optional<Log> log{};

  struct Schedule {
    std::string name;
    bool paused = false;
    std::chrono::seconds interval{};  ///< Between two runs, at the longest.
    std::optional<Timestamp> last_success{};
    bool last_failed = false;
    std::string last_message{};
  };
  std::vector<Schedule> schedules{};

  struct Repository {
    std::string name;
    std::optional<Timestamp> unreachable_since{};
    std::string error{};
    std::optional<std::uint64_t> backups{};
    std::optional<Timestamp> restorable_until{};  ///< Asked only where no log is known.
    std::optional<Timestamp> lacks_since{};       ///< Of a copy: age of what it lacks.
  };
  std::vector<Repository> repositories{};

  std::uint64_t stored_bytes = 0;
  std::uint64_t max_stored = 0;  ///< 0: no limit.

  std::string source_error{};    ///< Why the source is not up; empty: it is, or nobody knows.
  std::string verify_failure{};  ///< Of the last verification or drill; empty: it was good.
  /// When one last was good; nothing: there was none, and perhaps none is wanted.
  std::optional<Timestamp> proven{};
  std::string full_sync_refused{};  ///< Why the last one that was wanted was not done.
  std::string config_error{};       ///< Of the last reload.
  std::optional<Timestamp> retention_failing_since{};
  std::string retention_error{};
};

/// The verdict: every reason that somebody should know, the worst first. What has only just begun
/// to go wrong is no reason yet.
api::Health judge(const HealthFacts& facts);

}  // namespace keyrewind::daemon
