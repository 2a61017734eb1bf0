#pragma once

#include <chrono>
#include <cstdint>

namespace keyrewind::http {

/// Tells a transfer that hangs from one that is slow: over `limit` it has moved fewer than 1 KiB a
/// second.
class StallWatch {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  StallWatch(std::chrono::milliseconds limit, TimePoint now) : limit_(limit), since_(now) {}

  /// Time that the transfer was made to wait by ourselves: it does not count.
  void forgive(std::chrono::steady_clock::duration held) { since_ += held; }

  /// Whether it hangs, having moved `moved` bytes in all by `now`.
  bool hangs(TimePoint now, std::int64_t moved) {
    if (moved - moved_before_ >= enough()) {
      since_ = now;
      moved_before_ = moved;
    }
    moved_since_ = moved - moved_before_;
    return now - since_ >= limit_;
  }

  std::chrono::milliseconds limit() const noexcept { return limit_; }

  /// Whether anything has moved at all in the time that `hangs` judged last.
  bool moved_at_all() const noexcept { return moved_since_ > 0; }

 private:
  /// What must move within the limit.
  std::int64_t enough() const {
    constexpr std::int64_t kBytesPerSecond = 1024;
    const std::int64_t bytes = kBytesPerSecond * limit_.count() / 1000;
    return bytes > 0 ? bytes : 1;
  }

  const std::chrono::milliseconds limit_;
  TimePoint since_;
  std::int64_t moved_before_ = 0;
  std::int64_t moved_since_ = 0;
};

}  // namespace keyrewind::http
