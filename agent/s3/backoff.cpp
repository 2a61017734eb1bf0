#include "s3/backoff.h"

#include <algorithm>

namespace keyrewind::s3 {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirstPause{100};
constexpr milliseconds kFirstPauseIfSlow{1000};
constexpr milliseconds kLongestPause{10000};
constexpr int kMostDoublings = 10;

}  // namespace

std::optional<milliseconds> Backoff::next(TimePoint now, double random, bool slow_down,
                                          std::optional<milliseconds> asked) {
  const int doublings = std::min(tries_++, kMostDoublings);
  const auto left = std::chrono::floor<milliseconds>(deadline_ - now);
  if (asked && *asked > left) {
    return std::nullopt;
  }
  const milliseconds longest =
      std::min(kLongestPause, (slow_down ? kFirstPauseIfSlow : kFirstPause) * (1 << doublings));
  const milliseconds drawn(
      static_cast<milliseconds::rep>(random * static_cast<double>(longest.count())));
  const milliseconds pause = std::max(drawn, asked.value_or(milliseconds(0)));
  if (left <= milliseconds(0)) {
    return tries_ == 1 ? std::optional(milliseconds(0)) : std::nullopt;
  }
  return std::min(pause, left);
}

}  // namespace keyrewind::s3
