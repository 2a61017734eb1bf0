#include "api/attempts.h"

#include <algorithm>

namespace keyrewind::api {
namespace {

constexpr std::chrono::milliseconds kFirstDelay{250};
constexpr unsigned int kMostDoublings = 4;
constexpr unsigned int kMostHeldForOne = 8;
constexpr std::size_t kMostHeld = 64;
constexpr std::size_t kMostRecords = 1024;
constexpr std::chrono::minutes kForgotten{1};

}  // namespace

bool Attempts::are_too_many(const std::string& peer) {
  const std::lock_guard lock(mutex_);
  const auto found = records_.find(peer);
  return held_ >= kMostHeld || (found != records_.end() && found->second.held >= kMostHeldForOne);
}

Attempts::Time Attempts::fail(const std::string& peer, Time now) {
  const std::lock_guard lock(mutex_);
  forget_old(now);
  Record& record = records_[peer];
  const unsigned int doublings = std::min(record.failures, kMostDoublings);
  ++record.failures;
  ++record.held;
  ++held_;
  record.last = now;
  return now + kFirstDelay * (1U << doublings);
}

void Attempts::told(const std::string& peer) {
  const std::lock_guard lock(mutex_);
  if (const auto found = records_.find(peer); found != records_.end() && found->second.held > 0) {
    --found->second.held;
    --held_;
  }
}

void Attempts::forget_old(Time now) {
  std::erase_if(records_, [&](const auto& entry) {
    return entry.second.held == 0 && now - entry.second.last > kForgotten;
  });
  if (records_.size() >= kMostRecords) {
    std::erase_if(records_, [](const auto& entry) { return entry.second.held == 0; });
  }
}

}  // namespace keyrewind::api
