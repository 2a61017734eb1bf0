#pragma once

#include "flow/pause.h"

#include <chrono>
#include <stop_token>
#include <thread>

namespace keyrewind::flow {

/// Stops what is given its token after some time.
class TimeLimit {
 public:
  explicit TimeLimit(std::chrono::milliseconds limit)
      : timer_([this, limit](const std::stop_token& stop) {
          pause(limit, stop);
          source_.request_stop();
        }) {}

  std::stop_token token() const { return source_.get_token(); }

 private:
  std::stop_source source_;
  std::jthread timer_;
};

}  // namespace keyrewind::flow
