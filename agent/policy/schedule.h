#pragma once

#include "base/clock.h"
#include "policy/cron.h"
#include "policy/zone.h"

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

namespace keyrewind::policy {

/// What becomes of slots that passed while nobody looked.
enum class CatchUp {
  once,  ///< One run makes up for all of them.
  skip,  ///< They are left out; the next slot is the next run.
};

struct ScheduleOptions {
  std::string source;  ///< With `name` and the slot it decides about the jitter.
  std::string name;
  Cron cron;
  Zone zone;
  std::chrono::milliseconds jitter{};  ///< 0: none.
  CatchUp catch_up = CatchUp::once;
};

/// One time at which a schedule wants a run.
struct ScheduledRun {
  Timestamp slot;  ///< What the cron says.
  Timestamp at;    ///< When it begins: the slot and its jitter.
};

/// A schedule as a function of time alone: what a restart or another agent computes is the same.
/// Which of its runs have happened, `SlotKeeper` knows. A value; thread-safe.
class Schedule {
 public:
  explicit Schedule(ScheduleOptions options) : options_(std::move(options)) {}

  const std::string& name() const noexcept { return options_.name; }
  const ScheduleOptions& options() const noexcept { return options_; }

  /// The run of a slot: later by up to `jitter`, and by no more than half of the time to the next
  /// slot. Whole seconds that follow from source, name and slot.
  ScheduledRun run_of(Timestamp slot) const;

  /// The first run that begins later than `time`, and the last one that does not.
  ScheduledRun next_run(Timestamp time) const;
  ScheduledRun last_run(Timestamp time) const;

  /// The first `count` runs that begin later than `time`.
  std::vector<ScheduledRun> next_runs(Timestamp time, std::size_t count) const;

  /// The longest time that passes between two runs in the near future, for alerts: a weekend of a
  /// schedule of working days, a repeated hour when clocks are set back. Looks at the next 400
  /// slots.
  std::chrono::milliseconds longest_gap(Timestamp time) const;

 private:
  ScheduleOptions options_;
};

}  // namespace keyrewind::policy
