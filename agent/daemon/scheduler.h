#pragma once

#include "api/status.h"
#include "base/clock.h"
#include "daemon/pauses.h"
#include "policy/schedule.h"
#include "policy/slot_keeper.h"

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace keyrewind::daemon {

/// A schedule, and what its backups are called.
struct PlannedBackups {
  policy::Schedule schedule;
  std::map<std::string, std::string> labels{};

  const std::string& name() const noexcept { return schedule.name(); }
};

/// Asks for the backups that schedules want, and knows how their runs went. Any thread.
class Scheduler {
 public:
  /// What became of a run.
  enum class Result { success, failure, cancelled, skipped };

  struct Links {
    /// Whether a backup is under way: then what is due is skipped.
    std::function<bool()> busy{};
    /// Asks for a run. What it throws is why there is none: it is skipped.
    std::function<void(const PlannedBackups& schedule)> ask{};
    /// Hears of a run that was skipped, and why.
    std::function<void(const std::string& schedule, const std::string& why)> skipped{};
  };

  /// Pauses are kept in `folder`, which is there. `clock` must outlive the scheduler.
  Scheduler(const std::filesystem::path& folder, Links links, const Clock& clock);

  /// From now on. A schedule whose name stays keeps what is known of it.
  void configure(std::vector<PlannedBackups> schedules);

  /// This agent works from now on. `started` are the moments at which known backups began, by
  /// schedule: what was due since then is made up for, if the schedule says so.
  void begin(const std::map<std::string, std::vector<Timestamp>>& started);

  /// Another agent works now.
  void end();

  /// Whether this agent works.
  bool has_begun() const;

  /// To be called about every second: asks for what is due.
  void step();

  /// Each: false if there is no such schedule. Throws what Pauses::set throws.
  bool pause(const std::string& name);
  bool resume(const std::string& name);

  std::optional<PlannedBackups> find(const std::string& name) const;

  /// A run of `name` has ended, or was skipped.
  void note(const std::string& name, Result result, const std::string& message,
            Timestamp attempted);

  /// In the order of the configuration.
  std::vector<api::ScheduleStatus> list() const;

  /// The longest span between two runs, by which a backup is judged to be late.
  std::chrono::seconds interval(const std::string& name) const;

 private:
  struct State {
    PlannedBackups plan;
    std::optional<policy::SlotKeeper> slots{};  ///< While this agent works.
    std::chrono::seconds interval{};
    api::ScheduleStatus status{};
  };

  void skip(const std::string& name, const std::string& why, Timestamp now);
  const State* state_of(const std::string& name) const;
  State* state_of(const std::string& name);
  bool set_paused(const std::string& name, bool paused);

  const Links links_;
  const Clock& clock_;

  mutable std::mutex mutex_;  ///< Guards what follows.
  Pauses pauses_;
  std::optional<std::map<std::string, std::vector<Timestamp>>> started_;  ///< Since `begin`.
  std::vector<State> states_;
};

std::string_view to_string(Scheduler::Result result) noexcept;

}  // namespace keyrewind::daemon
