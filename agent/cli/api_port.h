#pragma once

#include "api/agent_control.h"
#include "config/config.h"
#include "metrics/agent_metrics.h"

#include <functional>
#include <stop_token>
#include <string>

namespace keyrewind::cli {

/// Answers over HTTP, on the port and the Unix socket of `config`, what `control` and `metrics`
/// say, until `stop` is requested. A port that is taken, or a folder that is not there, is logged
/// and tried again: the agent's work goes on. The arguments must outlive the call.
void serve_api(const config::Config& config, api::AgentControl& control,
               const std::function<std::string()>& metrics, metrics::AgentMetrics& agent_metrics,
               const std::stop_token& stop);

}  // namespace keyrewind::cli
