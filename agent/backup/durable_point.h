#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <utility>

namespace keyrewind::backup {

/// How far the repository has the log: told by the threads that store it, asked by the one that
/// tells the server. What it has counts once it can be restored, that is once the lineage has a
/// snapshot to begin with. All members may be called from any thread.
class DurablePoint {
 public:
  /// All up to `offset` of `lineage` is stored.
  void move(const std::string& lineage, std::int64_t offset) {
    const std::lock_guard lock(mutex_);
    lineage_ = lineage;
    offset_ = offset;
    tell();
  }

  /// `lineage` has a snapshot.
  void has_base(const std::string& lineage) {
    const std::lock_guard lock(mutex_);
    based_ = lineage;
    tell();
  }

  /// The offset of `lineage` up to which it can be restored; 0 if not at all.
  std::int64_t offset_of(const std::string& lineage) const {
    const std::lock_guard lock(mutex_);
    return lineage == lineage_ && lineage == based_ ? offset_ : 0;
  }

  /// Calls `moved` from whichever thread changes the point, until this is called with nothing.
  void on_move(std::function<void()> moved) {
    const std::lock_guard lock(mutex_);
    moved_ = std::move(moved);
  }

 private:
  void tell() const {
    if (moved_) {
      moved_();
    }
  }

  mutable std::mutex mutex_;
  std::string lineage_;
  std::int64_t offset_ = 0;
  std::string based_;
  std::function<void()> moved_;
};

}  // namespace keyrewind::backup
