#pragma once

#include <chrono>
#include <optional>

namespace keyrewind::s3 {

/// When to try a request again: exponentially longer pauses, each drawn at random so that those who
/// failed together do not come back together, until the time for all of them is over. The second
/// try is always allowed: the first one may have used up all the time by hanging.
class Backoff {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  Backoff(std::chrono::milliseconds time, TimePoint now) : deadline_(now + time) {}

  /// How long to wait before the next try, after one that failed at `now`; nothing if there is no
  /// time for it. `random` is in [0, 1). `slow_down`: the store is overloaded. `asked`: it wants so
  /// long a pause.
  std::optional<std::chrono::milliseconds> next(
      TimePoint now, double random, bool slow_down,
      std::optional<std::chrono::milliseconds> asked = std::nullopt);

  int tries() const noexcept { return tries_; }  ///< That failed so far.

 private:
  const TimePoint deadline_;
  int tries_ = 0;
};

}  // namespace keyrewind::s3
