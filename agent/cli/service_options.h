#pragma once

#include "config/config.h"
#include "daemon/service.h"

namespace keyrewind::cli {

/// What an agent does, as the configuration says. Throws Error(config) where a schedule makes no
/// sense.
daemon::ServiceOptions to_service_options(const config::Config& config);

/// Whether quotas.full_sync_min_interval binds people, too: its default only binds what the agent
/// does by itself, since whoever types 'backup' twice means it.
bool floor_binds_people(const config::Config& config);

/// When a node may fork.
daemon::ForkRules to_fork_rules(const config::Config& config);

}  // namespace keyrewind::cli
