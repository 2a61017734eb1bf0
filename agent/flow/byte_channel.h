#pragma once

#include "base/error.h"

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <stop_token>
#include <utility>

namespace keyrewind::flow {

/// A queue from one thread to another that is bounded by the bytes in it, not by their pieces:
/// many small ones cost no more memory than few large ones.
///
/// Every wait ends when `stop` is requested, by throwing Error(cancelled). All members may be
/// called from any thread.
template <typename T>
class ByteChannel {
 public:
  explicit ByteChannel(std::size_t capacity) : capacity_(capacity) {}

  ByteChannel(const ByteChannel&) = delete;
  ByteChannel& operator=(const ByteChannel&) = delete;

  /// Puts `item`, which counts as `bytes`, in as soon as there is room for it. An item that is
  /// larger than the whole channel goes into an empty one. Returns false, and the item is gone, if
  /// there was no room within `patience`.
  [[nodiscard]] bool push(T item, std::size_t bytes, std::chrono::milliseconds patience,
                          std::stop_token stop) {
    std::unique_lock lock(mutex_);
    const bool has_room = has_room_.wait_for(
        lock, stop, patience, [&] { return bytes_ == 0 || bytes_ + bytes <= capacity_; });
    throw_if_stopped(stop);
    if (!has_room) {
      return false;
    }
    items_.emplace_back(std::move(item), bytes);
    bytes_ += bytes;
    lock.unlock();
    has_items_.notify_one();
    return true;
  }

  /// Waits for an item. Returns nothing only after `finish`, once all items have been taken.
  [[nodiscard]] std::optional<T> pop(std::stop_token stop) {
    std::unique_lock lock(mutex_);
    has_items_.wait(lock, stop, [&] { return finished_ || !items_.empty(); });
    throw_if_stopped(stop);
    if (items_.empty()) {
      return std::nullopt;
    }
    auto [item, bytes] = std::move(items_.front());
    items_.pop_front();
    bytes_ -= bytes;
    lock.unlock();
    // What waits needs unequal room: the one that fits must not be passed over.
    has_room_.notify_all();
    return std::move(item);
  }

  /// Says that nothing more comes.
  void finish() {
    {
      const std::lock_guard lock(mutex_);
      finished_ = true;
    }
    has_items_.notify_all();
  }

 private:
  static void throw_if_stopped(const std::stop_token& stop) {
    if (stop.stop_requested()) {
      throw Error(ErrorKind::cancelled, "stopped");
    }
  }

  const std::size_t capacity_;
  std::mutex mutex_;
  std::condition_variable_any has_room_;
  std::condition_variable_any has_items_;
  std::deque<std::pair<T, std::size_t>> items_;
  std::size_t bytes_ = 0;
  bool finished_ = false;
};

}  // namespace keyrewind::flow
