#pragma once

#include "base/clock.h"
#include "catalog/timeline.h"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace keyrewind::cli {

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
catalog::Timeline cut(const catalog::Timeline& timeline, const TimeSpan& span);

/// {"source","windows","gaps","snapshots","events","problems"}. Fields are only ever added.
nlohmann::ordered_json to_json(const std::string& source, const catalog::Timeline& timeline);

/// The timeline as bars of `width` columns over the times that it spans: "[S====!==|  S==>]". There
/// is one bar, and a further one where windows overlap each other. Empty without windows.
std::vector<std::string> timeline_bars(const catalog::Timeline& timeline, const TimeSpan& span,
                                       std::size_t width);

/// All of it for people: the bars with their scale and legend, then lists, oldest first.
std::string to_text(const std::string& source, const catalog::Timeline& timeline,
                    const TimeSpan& span, std::size_t width);

}  // namespace keyrewind::cli
