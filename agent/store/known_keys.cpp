#include "store/known_keys.h"

#include <utility>

namespace keyrewind::store {

void KnownKeys::remember(const std::string& name, ObjectKey key) {
  const std::lock_guard lock(mutex_);
  if (const auto known = by_name_.find(name); known != by_name_.end()) {
    known->second->key = std::move(key);
    entries_.splice(entries_.begin(), entries_, known->second);
    return;
  }
  entries_.push_front({name, std::move(key)});
  by_name_.emplace(name, entries_.begin());
  if (entries_.size() > limit_) {
    by_name_.erase(entries_.back().name);
    entries_.pop_back();
  }
}

std::optional<ObjectKey> KnownKeys::find(const std::string& name) {
  const std::lock_guard lock(mutex_);
  const auto known = by_name_.find(name);
  if (known == by_name_.end()) {
    return std::nullopt;
  }
  entries_.splice(entries_.begin(), entries_, known->second);
  return known->second->key;
}

bool KnownKeys::contains(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  return by_name_.contains(name);
}

void KnownKeys::forget(const std::string& name) {
  const std::lock_guard lock(mutex_);
  if (const auto known = by_name_.find(name); known != by_name_.end()) {
    entries_.erase(known->second);
    by_name_.erase(known);
  }
}

}  // namespace keyrewind::store
