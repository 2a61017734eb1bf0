#pragma once

#include "config/config.h"
#include "policy/retention.h"

namespace keyrewind::config {

/// What to keep: retention.*, and whose days are meant by snapshots.time_zone.
policy::RetentionRules to_retention_rules(const Config& config);

}  // namespace keyrewind::config
