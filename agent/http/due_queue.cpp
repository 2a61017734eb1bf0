#include "http/due_queue.h"

#include <utility>

namespace keyrewind::http {

void DueQueue::push(std::chrono::steady_clock::time_point due, Work work) {
  {
    const std::lock_guard lock(mutex_);
    items_.push({due, ++pushed_, std::move(work)});
  }
  changed_.notify_all();
}

void DueQueue::work(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    if (items_.empty()) {
      changed_.wait(lock, stop, [this] { return !items_.empty(); });
      continue;
    }
    const auto due = items_.top().due;
    if (due > std::chrono::steady_clock::now()) {
      changed_.wait_until(lock, stop, due,
                          [&] { return items_.empty() || items_.top().due < due; });
      continue;
    }
    const Work next = items_.top().work;
    items_.pop();
    lock.unlock();
    next();
    lock.lock();
  }
}

}  // namespace keyrewind::http
