#pragma once

#include "store/object_store.h"

#include <cstddef>
#include <stop_token>
#include <string>
#include <vector>

namespace keyrewind::prune {

/// An object that the store would not remove, and why: it is locked there, or the credentials may
/// not.
struct Refusal {
  std::string object;
  std::string reason;
};

/// Removes objects with as few requests as the store allows, and goes on when some are refused.
class Removal {
 public:
  /// `store` and `lock` must outlive it; nothing is removed once `lock` is somebody else's.
  Removal(store::ObjectStore& store, const store::StoreLock& lock) : store_(store), lock_(lock) {}

  /// Returns the names of those that were refused. Throws Error(busy) if the lock was lost, and
  /// what the store throws but for Error(denied).
  std::vector<std::string> remove(const std::vector<std::string>& names,
                                  const std::stop_token& stop);

  /// Throws Error(denied) if everything was refused.
  void check() const;

  std::size_t removed() const noexcept { return removed_; }
  const std::vector<Refusal>& refused() const noexcept { return refused_; }

 private:
  void remove_some(const std::vector<std::string>& names, std::vector<std::string>& refused,
                   const std::stop_token& stop);

  store::ObjectStore& store_;
  const store::StoreLock& lock_;
  std::size_t removed_ = 0;
  std::vector<Refusal> refused_;
};

}  // namespace keyrewind::prune
