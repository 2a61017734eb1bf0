#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <queue>
#include <stop_token>
#include <vector>

namespace keyrewind::http {

/// Work that is due at some time, for the threads that call `work`. Any thread may put some in.
class DueQueue {
 public:
  using Work = std::function<void()>;

  void push(std::chrono::steady_clock::time_point due, Work work);

  /// Does what is due, in the order in which it is, until `stop` is requested. What is left then is
  /// dropped. Nothing that it does may throw.
  void work(const std::stop_token& stop);

 private:
  struct Item {
    std::chrono::steady_clock::time_point due;
    std::uint64_t number = 0;  ///< Keeps the order among what is due at once.
    Work work;

    bool operator<(const Item& other) const noexcept {
      return due != other.due ? due > other.due : number > other.number;
    }
  };

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::priority_queue<Item> items_;  ///< Guarded by `mutex_`, as is the next one.
  std::uint64_t pushed_ = 0;
};

}  // namespace keyrewind::http
