#pragma once

#include "base/clock.h"
#include "catalog/manifest.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace keyrewind::api {

/// Whether somebody must look, and why. Healthy means that no reason is an error.
struct Health {
  struct Reason {
    enum class Level { warning, error };

    Level level = Level::error;
    std::string code;     ///< A word of a closed set, such as "log_detached".
    std::string message;  ///< One line for people.
  };

  std::vector<Reason> reasons;

  bool is_healthy() const noexcept {
    for (const Reason& reason : reasons) {
      if (reason.level == Reason::Level::error) {
        return false;
      }
    }
    return true;
  }
};

/// A schedule, and how its runs went.
struct ScheduleStatus {
  std::string name;
  std::string cron;       ///< As it is configured.
  std::string time_zone;  ///< IANA name.
  bool paused = false;
  std::optional<Timestamp> next{};  ///< Nothing while it is paused or never due.
  std::optional<Timestamp> last_attempt{};
  std::optional<Timestamp> last_success{};
  std::string last_result{};  ///< "success", "failure", "cancelled", "skipped", or empty: none yet.
  std::string last_message{};  ///< Why it failed or was skipped.
  std::uint64_t missed = 0;    ///< Runs that were not taken since the agent started.
};

/// A repository or a copy, from what the agent last saw of it.
struct RepositoryStatus {
  std::string name;  ///< "primary", or a copy's.
  std::string url;   ///< Without any secret.
  bool reachable = false;
  std::string error{};  ///< Of the last failed contact, if it isn't reachable.
  std::optional<Timestamp> last_contact{};
  std::uint64_t backups = 0;
  std::uint64_t stored_bytes = 0;
  std::optional<Timestamp> restorable_from{};
  std::optional<Timestamp> restorable_until{};
  /// Of a copy: how long ago the oldest was stored of what it lacks.
  std::optional<std::chrono::milliseconds> lag{};
};

/// What the agent knows of itself at one moment.
struct Status {
  struct Agent {
    enum class Role { starting, active, standby };

    std::string version;
    Timestamp started{};
    Role role = Role::starting;
    std::string holder{};  ///< Who works if this one stands by.
    std::string config_file{};
    Timestamp config_loaded{};
    std::string config_error{};  ///< Of the last reload, if it failed.
  } agent;

  struct Source {
    std::string name;
    std::string address;  ///< As it is configured, without any secret.
    bool up = false;
    std::string node{};    ///< That is read, "host:port".
    std::string role{};    ///< Of that node: "primary" or "replica".
    std::string server{};  ///< "Valkey 8.1.1".
    std::string error{};   ///< Why it is not up.
  } source;

  struct Log {
    bool enabled = true;
    bool attached = false;
    std::string lineage{};
    std::int64_t received_offset = 0;
    std::int64_t durable_offset = 0;  ///< In the repository.
    std::uint64_t lag_bytes = 0;      ///< Of the server's offset before the durable one.
    std::optional<std::chrono::milliseconds> lag{};  ///< Age of the oldest byte not yet durable.
    std::uint64_t spool_bytes = 0;
    std::uint64_t spool_limit_bytes = 0;
  } log{};

  /// How the last question "may a full sync be done" was answered, if it was asked.
  struct Guard {
    Timestamp at{};
    std::string decision;  ///< "fork", "other_node", "wait" or "refuse".
    std::string reason;
    std::optional<Timestamp> until{};  ///< Of "wait": when it is asked again; nothing: soon.
  };
  std::optional<Guard> guard{};

  std::vector<ScheduleStatus> schedules{};
  std::vector<RepositoryStatus> repositories{};
  std::optional<catalog::Commit> last_backup{};
  Health health{};
};

}  // namespace keyrewind::api
