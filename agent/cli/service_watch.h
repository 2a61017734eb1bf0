#pragma once

#include "flow/pulse.h"
#include "io/service_manager.h"

#include <functional>
#include <stop_token>
#include <string>

namespace keyrewind::cli {

/// Tells the service manager twice per watchdog interval that the agent is alive, as long as
/// `pulse` is felt, and what it does whenever that changes; until `stop`. When the pulse is lost it
/// says so once, in the log, and falls silent: then the manager ends the service and starts it
/// again.
void watch_service(const io::ServiceManager& manager, const flow::Pulse& pulse,
                   const std::function<std::string()>& status, std::stop_token stop);

}  // namespace keyrewind::cli
