#pragma once

#include "config/config.h"
#include "policy/schedule.h"

#include <vector>

namespace keyrewind::config {

/// The schedules of a configuration that is sound, in its order.
std::vector<policy::Schedule> to_schedules(const Config& config);

}  // namespace keyrewind::config
