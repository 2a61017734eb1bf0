#pragma once

#include "base/clock.h"
#include "policy/schedule.h"

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace keyrewind::policy {

/// What is to be done about a schedule now.
enum class Due {
  nothing,     ///< No slot has come.
  run,         ///< Begin a run, now.
  catch_up,    ///< Begin a run, now, for slots that passed while nobody looked.
  missed,      ///< Slots passed while nobody looked, and are left out.
  overlapped,  ///< A slot came while a run was still going on, and is left out.
  paused,      ///< A slot came in a pause, and is left out.
};
std::string_view to_string(Due due) noexcept;

/// What stands in the way of a run.
enum class Hindrance { none, running, paused };

/// What a look at a schedule gave.
struct Look {
  Due due = Due::nothing;
  Timestamp slot{};        ///< Which one, unless `nothing`.
  std::size_t passed = 0;  ///< How many slots before it passed without a run since the last look.
};

/// Knows which slots of one schedule have had their run, and says of each of the others once what
/// becomes of it.
///
/// The clock may jump: no slot has two runs, however often it comes, and a clock that is set back
/// stops nothing: slots that come again and had no run have it then.
///
///   SlotKeeper slots(schedule, moments at which its backups began, now);
///   once a second:  look(now, …) → log it; at `run` and `catch_up` begin a backup
///
/// Not thread-safe.
class SlotKeeper {
 public:
  /// `started` are the moments, in any order, at which known runs of the schedule began: those of
  /// its backups in the catalog. Without any nothing was missed, and the next slot is the first.
  SlotKeeper(Schedule schedule, std::span<const Timestamp> started, Timestamp now);

  const Schedule& schedule() const noexcept { return schedule_; }

  /// What is due. It is said once: the slot is done with, whatever the caller makes of it.
  Look look(Timestamp now, Hindrance hindrance);

  /// The next run that `look` will ask for, if nothing stands in its way.
  ScheduledRun next(Timestamp now) const;

  /// The configuration was loaded again: goes on by the plan that it has now. If its times are
  /// other ones, nothing up to `now` was missed.
  void change(Schedule schedule, Timestamp now);

 private:
  bool has_run(Timestamp slot) const;
  void remember(Timestamp slot, Timestamp now);
  std::size_t count_passed(Timestamp until) const;

  Schedule schedule_;
  Timestamp done_;              ///< Up to here, every slot is done with.
  std::vector<Timestamp> ran_;  ///< Slots that had their run, sorted; none that can't come again.
};

}  // namespace keyrewind::policy
