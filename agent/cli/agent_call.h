#pragma once

#include "config/config.h"

#include <nlohmann/json.hpp>

#include <stop_token>
#include <string>

namespace keyrewind::cli {

/// Asks the agent that listens on the Unix socket of `config`: "POST", "/api/v1/…". Returns the
/// JSON of its answer.
///
/// Throws Error(config) if no socket is configured, Error(unavailable) if no agent answers there or
/// it is one of another source, and what the agent refuses: busy, denied, config for what it does
/// not know, else failed.
nlohmann::ordered_json call_agent(const config::Config& config, const std::string& method,
                                  const std::string& path, const std::stop_token& stop);

}  // namespace keyrewind::cli
