#pragma once

#include "base/error.h"

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <stop_token>
#include <utility>
#include <vector>

namespace keyrewind::flow {

/// A fixed number of buffers that threads borrow and give back.
///
/// The pool is what bounds memory: a stage that is ahead of the others waits in `borrow`. Reuse
/// also saves the page faults that a fresh allocation of some MiB costs each time. All members
/// may be called from any thread; the pool must outlive what it lent.
template <typename T>
class Pool {
 public:
  /// One borrowed buffer; goes back to its pool at the end of its life.
  class Lease {
   public:
    Lease() = default;
    Lease(Pool& pool, T item) : pool_(&pool), item_(std::move(item)) {}
    Lease(Lease&& other) noexcept
        : pool_(std::exchange(other.pool_, nullptr)), item_(std::move(other.item_)) {}
    Lease& operator=(Lease&& other) noexcept {
      give_back();
      pool_ = std::exchange(other.pool_, nullptr);
      item_ = std::move(other.item_);
      return *this;
    }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease() { give_back(); }

    T& operator*() { return item_; }
    T* operator->() { return &item_; }
    const T& operator*() const { return item_; }
    const T* operator->() const { return &item_; }

   private:
    void give_back() noexcept {
      if (pool_ != nullptr) {
        pool_->take_back(std::move(item_));
        pool_ = nullptr;
      }
    }

    Pool* pool_ = nullptr;
    T item_;
  };

  /// `make()` is called `count` times, at once.
  template <typename Make>
  Pool(std::size_t count, Make make) {
    free_.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      free_.push_back(make());
    }
  }

  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  /// Waits for a free buffer, whose content is whatever its last user left.
  /// Throws Error(cancelled) once `stop` is requested.
  [[nodiscard]] Lease borrow(std::stop_token stop) {
    std::unique_lock lock(mutex_);
    has_free_.wait(lock, stop, [&] { return !free_.empty(); });
    if (stop.stop_requested()) {
      throw Error(ErrorKind::cancelled, "stopped");
    }
    T item = std::move(free_.back());
    free_.pop_back();
    return Lease(*this, std::move(item));
  }

 private:
  void take_back(T item) noexcept {
    {
      const std::lock_guard lock(mutex_);
      free_.push_back(std::move(item));  // Never grows: the capacity was reserved.
    }
    has_free_.notify_one();
  }

  std::mutex mutex_;
  std::condition_variable_any has_free_;
  std::vector<T> free_;
};

}  // namespace keyrewind::flow
