#pragma once

#include "api/status.h"
#include "base/clock.h"

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

namespace keyrewind::daemon {

/// What an agent has seen last of itself, its source and its repositories, written by whoever sees
/// it and read by who is asked. Nobody waits for anything here. Any thread.
class Observations {
 public:
  struct Seen {
    api::Status status{};  ///< But for its schedules and its health, which are judged when asked.

    std::optional<Timestamp> detached_since{};
    std::string detached_why{};
    /// When the newest byte that the repository has had arrived.
    std::optional<Timestamp> durable_arrived{};
    /// What is written can't be restored: the log has no snapshot to begin with.
    struct Unprotected {
      Timestamp since{};
      std::string why{};
      bool snapshot_running = false;  ///< Then that will end it.
    };
    std::optional<Unprotected> unprotected{};
    std::map<std::string, Timestamp> unreachable_since{};  ///< By repository.
    /// By copy, when the oldest of what it lacks was stored; not there: it lacks nothing, or nobody
    /// knows.
    std::map<std::string, Timestamp> copy_lacks_since{};
    std::string full_sync_refused{};
    std::string verify_failure{};  ///< Of this agent's last verification.
    std::string drill_failure{};   ///< Of the last drill that the repository knows of.
    /// When a verification or a drill last found a good backup.
    std::optional<Timestamp> proven{};
    std::optional<Timestamp> retention_failing_since{};
    std::string retention_error{};
  };

  Seen get() const {
    const std::lock_guard lock(mutex_);
    return seen_;
  }

  /// `change(seen)` must not wait for anything.
  template <typename Change>
  void change(Change change) {
    const std::lock_guard lock(mutex_);
    change(seen_);
  }

 private:
  mutable std::mutex mutex_;
  Seen seen_;
};

}  // namespace keyrewind::daemon
