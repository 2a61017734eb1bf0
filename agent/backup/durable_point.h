#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <utility>

namespace keyrewind::backup {

/// How far the repository has the log: told by the thread that stores it, asked by the one that
/// tells the server. All members may be called from any thread.
class DurablePoint {
 public:
  struct Value {
    std::string lineage;
    std::int64_t offset = 0;
  };

  void move(Value value) {
    const std::lock_guard lock(mutex_);
    value_ = std::move(value);
    if (moved_) {
      moved_();
    }
  }

  Value get() const {
    const std::lock_guard lock(mutex_);
    return value_;
  }

  /// Calls `moved` from whichever thread moves the point, until this is called with nothing.
  void on_move(std::function<void()> moved) {
    const std::lock_guard lock(mutex_);
    moved_ = std::move(moved);
  }

 private:
  mutable std::mutex mutex_;
  Value value_;
  std::function<void()> moved_;
};

}  // namespace keyrewind::backup
