#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <mutex>
#include <string>

namespace keyrewind::api {

/// How often who has failed to show credentials lately: a wrong answer is held back the longer, and
/// few may be held back at once. Any thread.
class Attempts {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// Whether this peer must not even try now.
  bool are_too_many(const std::string& peer);

  /// Notes a failure, and gives when it may be told: 250 ms later at first, 4 s at most. `told` is
  /// to be called then.
  Time fail(const std::string& peer, Time now);
  void told(const std::string& peer);

 private:
  struct Record {
    unsigned int failures = 0;
    unsigned int held = 0;  ///< Answers held back.
    Time last{};
  };

  void forget_old(Time now);

  std::mutex mutex_;
  std::map<std::string, Record> records_;  ///< Guarded by `mutex_`, as is the next one.
  std::size_t held_ = 0;
};

}  // namespace keyrewind::api
