#include "config/schedules.h"

namespace keyrewind::config {

std::vector<policy::Schedule> to_schedules(const Config& config) {
  const auto& snapshots = config.snapshots;
  std::vector<policy::Schedule> schedules;
  for (const Config::Schedule& one : snapshots.schedules) {
    schedules.emplace_back(policy::ScheduleOptions{
        .source = config.source.name,
        .name = one.name,
        .cron = policy::Cron(one.cron),
        .zone = policy::Zone(one.time_zone.empty() ? snapshots.time_zone : one.time_zone),
        .jitter = snapshots.jitter,
        .catch_up = snapshots.catch_up});
  }
  return schedules;
}

}  // namespace keyrewind::config
