#pragma once

#include "catalog/origin.h"
#include "daemon/tasks.h"

#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

namespace keyrewind::daemon {

/// A backup that somebody asks for.
struct BackupWish {
  catalog::Origin origin{};
  std::map<std::string, std::string> labels{};
  bool force = false;  ///< Below the floor between full syncs.
  std::shared_ptr<Job> job{};
};

/// Where backups are asked for, one at a time: the next one is taken once the present one is over.
/// Whoever watches the shard serves it. Any thread.
class BackupDesk {
 public:
  /// Throws Error(busy) if another one waits or is being taken: it says which.
  void ask(BackupWish wish);

  /// Whether one waits or is being taken.
  bool busy() const;

  /// One that waits, if there is any; it goes on waiting.
  std::optional<BackupWish> waiting() const;

  /// The one that waited is being taken; `end` says that it is over.
  std::optional<BackupWish> take();
  void end();

  /// The one that waits is not going to be taken, if it has waited for `longest` or was cancelled.
  /// What it is told, its job does not know yet.
  std::optional<BackupWish> give_up(std::chrono::milliseconds longest);

  /// A backup that nobody asked for keeps the desk busy, too: one for the log to begin with. The
  /// one that waits goes on waiting.
  void begin_base();

  /// Ends the present `wait`, or the next one.
  void wake();

  /// Waits until one is asked for that had not been before, at the longest for `longest`.
  void wait(std::chrono::milliseconds longest, const std::stop_token& stop);

 private:
  std::string what_is_under_way() const;

  mutable std::mutex mutex_;  ///< Guards what follows.
  std::condition_variable_any news_;
  std::optional<BackupWish> waiting_;
  std::chrono::steady_clock::time_point waiting_since_{};
  std::string taking_;  ///< What is being taken; empty: nothing.
  bool is_news_ = false;
};

}  // namespace keyrewind::daemon
