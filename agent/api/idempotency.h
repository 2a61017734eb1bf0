#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>

namespace keyrewind::api {

/// What was started under which Idempotency-Key, so that a request that is sent again starts
/// nothing again. The last kMost keys are known. Any thread.
class Idempotency {
 public:
  static constexpr std::size_t kMost = 1000;

  /// Claims `key` for a request that says `content`. Nothing if it is new: `finish` or `abandon`
  /// must follow. Otherwise the id of the task that it started. Throws Error(config) if the key was
  /// used for another content, Error(busy) if the first request is still on its way.
  std::optional<std::string> begin(const std::string& key, const std::string& content);
  void finish(const std::string& key, const std::string& task);
  void abandon(const std::string& key);

 private:
  struct Use {
    std::string content;
    std::string task;  ///< Empty: on its way.
  };

  std::mutex mutex_;
  std::map<std::string, Use> uses_;  ///< Guarded by `mutex_`, as is the next one.
  std::deque<std::string> order_;    ///< Of those that are finished.
};

}  // namespace keyrewind::api
