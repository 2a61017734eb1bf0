#pragma once

#include <atomic>
#include <chrono>

namespace keyrewind::flow {

/// Shows that a thread goes on: it says again and again by when it will be heard of next. Whoever
/// watches it asks whether that has passed.
class Pulse {
 public:
  /// The next beat comes within `allowance`, unless the thread hangs.
  void beat(std::chrono::milliseconds allowance) noexcept {
    due_ = (now() + allowance).time_since_epoch();
  }

  /// The thread has ended, or rests for as long as it likes: nothing is expected any more.
  void rest() noexcept { due_ = std::chrono::nanoseconds::max(); }

  /// Whether the last beat's time has not passed yet; true before the first one. Any thread.
  bool is_felt() const noexcept { return now().time_since_epoch() <= due_.load(); }

 private:
  static std::chrono::steady_clock::time_point now() noexcept {
    return std::chrono::steady_clock::now();
  }

  std::atomic<std::chrono::nanoseconds> due_{std::chrono::nanoseconds::max()};
};

/// A beat of one that may be missing: nullptr where nobody watches.
inline void beat(Pulse* pulse, std::chrono::milliseconds allowance) noexcept {
  if (pulse != nullptr) {
    pulse->beat(allowance);
  }
}

}  // namespace keyrewind::flow
