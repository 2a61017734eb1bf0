#pragma once

#include "io/fd.h"

#include <chrono>
#include <stop_token>

namespace keyrewind::io {

using Deadline = std::chrono::steady_clock::time_point;

/// Waits for a descriptor in a way that a stop request interrupts.
///
/// One thread uses it at a time; the stop request and `wake` may come from any other.
class Waiter {
 public:
  Waiter();

  /// Waits until poll(2) reports one of `events`, or a failure, for `descriptor`. Returns false if
  /// the deadline passes first. Throws Error(cancelled) once `stop` is requested. A negative
  /// `descriptor` waits for the deadline only.
  bool wait(int descriptor, short events, Deadline deadline, const std::stop_token& stop);

  /// Like `wait`, but `wake` ends it as well: then it returns false before the deadline.
  bool wait_unless_woken(int descriptor, short events, Deadline deadline,
                         const std::stop_token& stop);

  /// Ends the present `wait_unless_woken`, or the next one.
  void wake() noexcept;

 private:
  Fd stopped_;
  Fd woken_;
};

/// Throws Error(cancelled) if `stop` is requested.
void throw_if_stopped(const std::stop_token& stop);

}  // namespace keyrewind::io
