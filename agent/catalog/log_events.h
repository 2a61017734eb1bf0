#pragma once

#include "catalog/log_page.h"
#include "catalog/segment.h"
#include "catalog/timeline_event.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace keyrewind::catalog {

/// Finds what an unbroken stretch of a lineage's log shows by itself: noted commands, failovers,
/// pauses, steps of the clock. It is fed in order; a page counts as the segments that it tells of.
class EventFinder {
 public:
  explicit EventFinder(std::string lineage) : lineage_(std::move(lineage)) {}

  /// Appends what is found to `events`.
  void add(const Segment& segment, std::vector<TimelineEvent>& events);
  void add(const LogPage& page, std::vector<TimelineEvent>& events);

 private:
  std::string id_of(std::int64_t offset, const std::string& kind) const;
  TimelineEvent& add_event(const std::string& kind, std::int64_t offset, Timestamp at,
                           std::vector<TimelineEvent>& events);
  void find_commands(const Segment& segment, std::vector<TimelineEvent>& events);
  void find_failovers(const Segment& segment, std::vector<TimelineEvent>& events);
  void find_resumptions(const Segment& segment, std::vector<TimelineEvent>& events);
  void find_clock_steps(const Segment& segment, std::vector<TimelineEvent>& events);

  const std::string lineage_;
  std::map<std::string, int> ids_;  ///< How many events would go by one id.
  std::string replid_;
  std::optional<TimeMark> last_;
};

}  // namespace keyrewind::catalog
