#pragma once

#include <chrono>
#include <stop_token>

namespace keyrewind::flow {

/// Waits for `duration`, or until `stop` is requested.
void pause(std::chrono::milliseconds duration, const std::stop_token& stop);

}  // namespace keyrewind::flow
