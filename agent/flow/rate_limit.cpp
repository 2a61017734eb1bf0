#include "flow/rate_limit.h"

#include "base/error.h"
#include "flow/pause.h"

#include <algorithm>
#include <limits>

namespace keyrewind::flow {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::steady_clock;

/// How far ahead of the rate somebody may be without waiting: what a timer is late is made up for.
constexpr milliseconds kBurst{300};

constexpr std::uint64_t kLeastPiece = 4U << 10U;
constexpr std::uint64_t kLargestPiece = 64U << 10U;

/// Nobody sleeps longer than this without looking whether the rate was changed.
constexpr milliseconds kLongestPause{200};

}  // namespace

RateLimit::RateLimit(std::uint64_t bytes_per_second) : bytes_per_second_(bytes_per_second) {}

void RateLimit::set(std::uint64_t bytes_per_second) {
  const std::lock_guard lock(mutex_);
  bytes_per_second_ = bytes_per_second;
  free_at_ = {};
}

std::uint64_t RateLimit::bytes_per_second() const {
  const std::lock_guard lock(mutex_);
  return bytes_per_second_;
}

std::size_t RateLimit::piece() const {
  const std::uint64_t rate = bytes_per_second();
  return rate == 0 ? std::numeric_limits<std::size_t>::max()
                   : std::clamp(rate / 10, kLeastPiece, kLargestPiece);
}

void RateLimit::take(std::uint64_t bytes, const std::stop_token& stop) {
  while (true) {
    nanoseconds wait{};
    {
      const std::lock_guard lock(mutex_);
      if (bytes_per_second_ == 0) {
        return;
      }
      const auto now = steady_clock::now();
      free_at_ = std::max(free_at_, now - kBurst);
      if (free_at_ <= now) {
        free_at_ += nanoseconds(static_cast<std::int64_t>(static_cast<double>(bytes) * 1e9 /
                                                          static_cast<double>(bytes_per_second_)));
        return;
      }
      wait = free_at_ - now;
    }
    if (stop.stop_requested()) {
      throw Error(ErrorKind::cancelled, "stopped");
    }
    pause(std::min(std::chrono::ceil<milliseconds>(wait), kLongestPause), stop);
  }
}

}  // namespace keyrewind::flow
