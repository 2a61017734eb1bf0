#pragma once

#include <stop_token>
#include <thread>

namespace keyrewind::cli {

/// Turns SIGINT and SIGTERM into a stop request: the first one stops the work in order, a second
/// one ends the program at once. Made before any other thread, so that all of them leave the
/// signals to it.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  std::stop_token token() const { return stop_.get_token(); }

 private:
  void watch(const std::stop_token& ended);

  std::stop_source stop_;
  std::jthread watcher_;
};

}  // namespace keyrewind::cli
