#include "api/idempotency.h"

#include "base/error.h"

namespace keyrewind::api {

std::optional<std::string> Idempotency::begin(const std::string& key, const std::string& content) {
  const std::lock_guard lock(mutex_);
  const auto [use, is_new] = uses_.try_emplace(key, Use{content, ""});
  if (is_new) {
    return std::nullopt;
  }
  if (use->second.content != content) {
    throw Error(ErrorKind::config, "this Idempotency-Key was used for another request");
  }
  if (use->second.task.empty()) {
    throw Error(ErrorKind::busy, "the first request with this Idempotency-Key is still on its way");
  }
  return use->second.task;
}

void Idempotency::finish(const std::string& key, const std::string& task) {
  const std::lock_guard lock(mutex_);
  uses_[key].task = task;
  order_.push_back(key);
  if (order_.size() > kMost) {
    uses_.erase(order_.front());
    order_.pop_front();
  }
}

void Idempotency::abandon(const std::string& key) {
  const std::lock_guard lock(mutex_);
  uses_.erase(key);
}

}  // namespace keyrewind::api
