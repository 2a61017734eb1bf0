#pragma once

#include "base/clock.h"
#include "catalog/timeline.h"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace keyrewind::api {

/// The times that somebody wants to see; nothing: from the beginning, to the end.
struct TimeSpan {
  std::optional<Timestamp> from;
  std::optional<Timestamp> until;

  bool holds(Timestamp time) const { return overlaps(time, time); }
  bool overlaps(Timestamp begin, Timestamp end) const {
    return (!from || end >= *from) && (!until || begin <= *until);
  }
};

/// What of the timeline is within `span`: windows and gaps that reach into it whole, and all
/// problems.
catalog::Timeline cut(catalog::Timeline timeline, const TimeSpan& span);

/// {"source","windows","gaps","snapshots","events","problems"}. Fields are only ever added.
nlohmann::ordered_json to_json(const std::string& source, const catalog::Timeline& timeline);

/// Of the log that covers it, as it is stored.
std::uint64_t stored_bytes(const catalog::Window& window);

}  // namespace keyrewind::api
