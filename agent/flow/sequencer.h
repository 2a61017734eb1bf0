#pragma once

#include "base/error.h"

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <utility>

namespace keyrewind::flow {

/// Puts what several workers finish in any order back in its order.
///
/// Workers `put` items under their numbers 0, 1, 2, …; one reader takes them in that order. A
/// worker that is `capacity` items ahead of the reader waits, so memory stays bounded. Every wait
/// ends when `stop` is requested, by throwing Error(cancelled).
template <typename T>
class Sequencer {
 public:
  /// `capacity` is in items and at least 1.
  explicit Sequencer(std::size_t capacity) : capacity_(capacity) {}

  Sequencer(const Sequencer&) = delete;
  Sequencer& operator=(const Sequencer&) = delete;

  /// Waits until `number` is near enough to what the reader wants, and hands `item` over.
  void put(std::uint64_t number, T item, std::stop_token stop) {
    {
      std::unique_lock lock(mutex_);
      has_room_.wait(lock, stop, [&] { return number < next_ + capacity_; });
      throw_if_stopped(stop);
      items_.emplace(number, std::move(item));
    }
    has_next_.notify_one();
  }

  /// Waits for the next item in order. Returns nothing only after `finish`, once as many items as
  /// it named have been taken: a reader that sees the end has seen everything.
  [[nodiscard]] std::optional<T> take(std::stop_token stop) {
    std::unique_lock lock(mutex_);
    has_next_.wait(lock, stop, [&] { return ended() || items_.contains(next_); });
    throw_if_stopped(stop);
    if (ended()) {
      return std::nullopt;
    }
    const auto next = items_.find(next_);
    T item = std::move(next->second);
    items_.erase(next);
    ++next_;
    lock.unlock();
    has_room_.notify_all();
    return item;
  }

  /// Says that the stream is whole and has `count` items.
  void finish(std::uint64_t count) {
    {
      const std::lock_guard lock(mutex_);
      count_ = count;
    }
    has_next_.notify_one();
  }

 private:
  bool ended() const { return count_ && next_ == *count_; }

  static void throw_if_stopped(const std::stop_token& stop) {
    if (stop.stop_requested()) {
      throw Error(ErrorKind::cancelled, "stopped");
    }
  }

  const std::size_t capacity_;
  std::mutex mutex_;
  std::condition_variable_any has_room_;
  std::condition_variable_any has_next_;
  std::map<std::uint64_t, T> items_;
  std::uint64_t next_ = 0;
  std::optional<std::uint64_t> count_;
};

}  // namespace keyrewind::flow
