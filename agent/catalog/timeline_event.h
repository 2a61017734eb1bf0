#pragma once

#include "base/clock.h"

#include <cstdint>
#include <optional>
#include <string>

namespace keyrewind::catalog {

/// Something to look at, or to restore to the moment before.
struct TimelineEvent {
  /// "<first 8 digits of the lineage>-<end offset>" of a noted command, "…-<offset>-<word>" of what
  /// the log itself shows, else the id of an Event. The same for ever.
  std::string id;
  /// "command", "left_out" (there are more than a segment notes), "failover", "resumed",
  /// "clock_step", or the kind of an Event: "gap", …
  std::string kind;
  std::string command;  ///< "FLUSHALL"; empty but for kind "command".
  std::optional<std::uint64_t> database;
  Timestamp at{};
  std::string lineage;
  std::int64_t offset = 0;  ///< Behind the command, or where it happened.
  std::int64_t before = 0;  ///< The last safe offset in front of it.
  std::string detail;

  bool operator==(const TimelineEvent&) const = default;
};

}  // namespace keyrewind::catalog
