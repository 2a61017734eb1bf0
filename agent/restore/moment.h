#pragma once

#include "base/clock.h"
#include "catalog/hold.h"
#include "catalog/timeline.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace keyrewind::restore {

/// What a person asks for with `--at`.
struct Moment {
  enum class Kind { latest, time, offset, before_event };

  Kind kind = Kind::latest;
  Timestamp time{};
  std::int64_t offset = 0;
  std::string event;  ///< Its id, or an unambiguous beginning of at least 4 characters.
};

/// "latest", "2026-11-20T13:02:21.123Z" (RFC 3339, an offset from UTC such as +01:00 too),
/// "offset:12345" or "before:EVENT-ID". Throws Error(config), saying which forms there are.
Moment parse_moment(const std::string& text);

/// A moment that can be restored, and from what.
struct RestorePoint {
  catalog::SnapshotPoint base;  ///< The snapshot with the highest offset that is not beyond it.
  catalog::Window window;       ///< That it lies in.
  std::int64_t offset = 0;      ///< Where the log is to be cut; the base's own: no log is needed.
  Timestamp at{};               ///< When the last byte before it had arrived.
  std::vector<std::string> notes;  ///< "nobody was attached from … to …; this is the state at …"

  bool needs_log() const noexcept { return offset > base.snapshot.offset; }
};

/// What retention must not remove while `by` ("restore") reads that moment.
catalog::HoldRequest hold_request(const std::string& by, const RestorePoint& point);

/// A backup's own moment: its snapshot of one shard, without any log.
RestorePoint own_moment(const catalog::Commit& commit, const catalog::Snapshot& snapshot);

/// Decides. A time stands for the last state of which all bytes had arrived by then; where the
/// clock was set back and it occurs twice, for the later one, with a note. What is found may lie
/// within a command or transaction, which only the log tells: `cut_safely`. An offset that several
/// lineages have means the newest one's, with a note. `backup`, if given, is the base to use: its
/// window is the only one looked at.
///
/// Throws Error(no_backup) if the moment lies outside all windows or in a gap, saying why and which
/// moments next to it can be restored; or if there is no such event. Throws Error(corrupt) instead
/// where the repository once had that moment: a segment is damaged or missing.
RestorePoint find_restore_point(const catalog::Timeline& timeline, const Moment& moment,
                                const std::optional<std::string>& backup);

/// When all of the stream up to `offset`, which lies in the window, had arrived.
Timestamp arrival_in(const catalog::Window& window, std::int64_t offset);

}  // namespace keyrewind::restore
