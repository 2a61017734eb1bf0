#pragma once

#include "base/clock.h"

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace date {
class time_zone;
}

namespace keyrewind::policy {

/// A time of day on the wall of some zone: a moment only together with a `Zone`.
using LocalTime = std::chrono::local_time<std::chrono::seconds>;

/// A time zone of the system's IANA database, such as "Europe/Berlin". A small value that is copied
/// freely; thread-safe.
class Zone {
 public:
  /// UTC, for which the database is not asked.
  Zone() = default;

  /// Throws Error(config) if there is no such zone, or no database.
  explicit Zone(std::string_view name);

  const std::string& name() const noexcept { return name_; }

  LocalTime to_local(Timestamp time) const;

  /// The moment at which the wall shows `local`: the first one if it does so twice, and the moment
  /// after the gap if the clocks skip it.
  Timestamp to_moment(LocalTime local) const;

  /// "2026-11-30T03:00:00+01:00": RFC 3339 with the zone's own offset.
  std::string to_text(Timestamp time) const;

 private:
  std::string name_ = "UTC";
  const date::time_zone* zone_ = nullptr;  ///< The database's own, for ever; nullptr is UTC.
};

/// All names of the database, for suggestions. Throws Error(config) if there is none.
std::vector<std::string> zone_names();

}  // namespace keyrewind::policy
