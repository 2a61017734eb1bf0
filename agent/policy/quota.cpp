#include "policy/quota.h"

#include <algorithm>
#include <chrono>
#include <vector>

namespace keyrewind::policy {
namespace {

constexpr std::chrono::hours kDay(24);
constexpr std::uint64_t kWarnPercent = 90;

/// Whether some 24 hours that `time` is in have `limit` of the sorted `manual` already.
bool is_crowded(const std::vector<Timestamp>& manual, std::uint64_t limit, Timestamp time) {
  for (auto first = manual.begin(); first != manual.end(); ++first) {
    const Timestamp begin = std::min(*first, time);
    const auto end = std::lower_bound(first, manual.end(), begin + kDay);
    const bool is_in = time < begin + kDay;
    if (is_in && static_cast<std::uint64_t>(end - first) >= limit) {
      return true;
    }
  }
  return false;
}

}  // namespace

std::optional<Timestamp> wait_for_manual_quota(std::span<const Timestamp> manual,
                                               std::uint64_t limit, Timestamp now) {
  std::vector<Timestamp> sorted(manual.begin(), manual.end());
  std::sort(sorted.begin(), sorted.end());
  if (limit == 0 || !is_crowded(sorted, limit, now)) {
    return std::nullopt;
  }
  // Only when one of them leaves the last 24 hours is there more room than before.
  for (const Timestamp time : sorted) {
    if (time + kDay > now && !is_crowded(sorted, limit, time + kDay)) {
      return time + kDay;
    }
  }
  return sorted.back() + kDay;
}

std::string_view to_string(Fill fill) noexcept {
  switch (fill) {
    case Fill::ok:
      return "ok";
    case Fill::warn:
      return "warn";
    case Fill::full:
      return "full";
  }
  return "ok";
}

Fill fill_of(std::uint64_t stored, std::uint64_t max) noexcept {
  if (max == 0) {
    return Fill::ok;
  }
  if (stored >= max) {
    return Fill::full;
  }
  // Divided first: sizes near 2^64 must not overflow.
  return stored >= max / 100 * kWarnPercent + max % 100 * kWarnPercent / 100 ? Fill::warn
                                                                             : Fill::ok;
}

bool may_store(Fill fill, Asker asker) noexcept {
  return fill != Fill::full || asker != Asker::person;
}

}  // namespace keyrewind::policy
