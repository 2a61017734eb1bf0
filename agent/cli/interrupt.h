#pragma once

#include <functional>
#include <mutex>
#include <stop_token>
#include <thread>

namespace keyrewind::cli {

/// Turns SIGINT and SIGTERM into a stop request: the first one stops the work in order, a second
/// one ends the program at once. Made before any other thread, so that all of them leave the
/// signals to it. SIGHUP does what `on_hangup` says; without it, it is like SIGTERM.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  std::stop_token token() const { return stop_.get_token(); }

  /// Has `reload` called, in a thread of its own, for each SIGHUP; until this is called with
  /// nothing, which waits for a call that is under way.
  void on_hangup(std::function<void()> reload);

 private:
  void watch(const std::stop_token& ended);

  bool hang_up();

  std::stop_source stop_;
  std::mutex mutex_;
  std::function<void()> reload_;
  std::jthread watcher_;
};

}  // namespace keyrewind::cli
