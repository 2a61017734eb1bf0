#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <stop_token>

namespace keyrewind::flow {

/// Holds a flow of bytes to a rate: over any 10 s it is at most 5 % above, if it is taken in
/// pieces. What was not used in three tenths of a second is not saved for later: so long a busy
/// machine may keep whoever takes. Any number of threads share one.
class RateLimit {
 public:
  /// 0: no limit.
  explicit RateLimit(std::uint64_t bytes_per_second);

  /// May change while it is in use.
  void set(std::uint64_t bytes_per_second);
  std::uint64_t bytes_per_second() const;

  /// How many bytes to take at once at most, so that it is smooth: a tenth of a second's, but at
  /// least 4 KiB and at most 64 KiB. Without a limit any number.
  std::size_t piece() const;

  /// Waits until `bytes` more may pass. Throws Error(cancelled) once `stop` is requested.
  void take(std::uint64_t bytes, const std::stop_token& stop);

 private:
  mutable std::mutex mutex_;
  std::uint64_t bytes_per_second_;
  std::chrono::steady_clock::time_point free_at_{};  ///< When what was taken so far has passed.
};

}  // namespace keyrewind::flow
