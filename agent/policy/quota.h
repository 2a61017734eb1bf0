#pragma once

#include "base/clock.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace keyrewind::policy {

/// Whether a person may have another backup made now, if in any 24 hours there may be `limit` of
/// them: nothing if so, else the first moment at which it may be. `manual` are the moments, in any
/// order, at which those before began; a clock that was ahead may have made some of them later than
/// `now`. `limit` 0 is no limit.
std::optional<Timestamp> wait_for_manual_quota(std::span<const Timestamp> manual,
                                               std::uint64_t limit, Timestamp now);

/// How near a source is to quotas.max_stored.
enum class Fill {
  ok,
  warn,  ///< From 90 % on.
  full,  ///< Reached: backups that people ask for are refused, but neither schedules nor the log.
};
std::string_view to_string(Fill fill) noexcept;

/// `stored` and `max` are bytes; `max` 0 is no limit.
Fill fill_of(std::uint64_t stored, std::uint64_t max) noexcept;

/// Who wants something stored.
enum class Asker { person, schedule, log };

/// Whether that is let through.
bool may_store(Fill fill, Asker asker) noexcept;

}  // namespace keyrewind::policy
