#pragma once

#include "config/contradiction.h"
#include "config/options.h"

#include <vector>

namespace keyrewind::config {

/// The options of when snapshots are taken and what is kept of them: the sections snapshots,
/// retention, drills and compaction.
std::vector<Option> snapshot_options();
std::vector<Option> retention_options();
std::vector<Option> upkeep_options();

/// The options of the schedule at `index` of snapshots.schedules.
std::vector<Option> schedule_options(std::size_t index);

/// What introduces an entry of snapshots.schedules.
inline constexpr std::string_view kScheduleDescription = "One of the schedules.";

/// What contradicts itself in them.
std::vector<Contradiction> contradictions_of_policies(const Config& config);

}  // namespace keyrewind::config
