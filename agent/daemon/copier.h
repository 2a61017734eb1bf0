#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "base/progress.h"
#include "catalog/catalog.h"
#include "copies/copy_pass.h"
#include "daemon/copy_lane.h"
#include "flow/group.h"
#include "metrics/copy_metrics.h"
#include "store/object_store.h"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>

namespace keyrewind::daemon {

struct CopierOptions {
  std::string name;  ///< Of the copy, as the configuration calls it.
  std::size_t connections = 4;
  std::chrono::milliseconds look_interval{600000};  ///< Between two comparisons of everything.
  std::chrono::milliseconds first_pause{1000};      ///< After a failure …
  std::chrono::milliseconds longest_pause{60000};   ///< … growing to this.
  /// Hears, in any thread, since when it lacks something; nothing: it lacks nothing, or nobody
  /// knows.
  std::function<void(std::optional<Timestamp> since)> lacks{};
};

/// Keeps one copy of a repository up to date, in two threads of its own: the log must not wait
/// until a large snapshot has gone. Compares all at the start, from time to time and after a
/// failure; in between it copies what it is told of.
///
/// Trouble with either repository is waited out, said once when it begins and once when it ends;
/// the primary's work never waits for any of this. An object that is damaged is said once and does
/// not keep others from being copied. A copy that was there and is gone is never made anew, since
/// that may be a volume that is not mounted.
class Copier {
 public:
  /// The arguments but `options` must outlive the copier. Nothing is contacted yet.
  Copier(const catalog::Catalog& primary, store::ObjectStore& copy, CopierOptions options,
         metrics::CopyMetrics& metrics, const Clock& clock);
  ~Copier();
  Copier(const Copier&) = delete;
  Copier& operator=(const Copier&) = delete;

  /// Begins to work, if it does not already: whoever calls it holds the lease, if there is one.
  void start();

  /// Ends the work and waits for that; what is on its way is given up. `start` may follow, in the
  /// same thread.
  void stop();

  /// The primary has got the segment or event `object`, which is visible. Returns at once.
  void notify_log(const std::string& object);

  /// The primary has got a backup.
  void notify_backup();

  /// What either thread does at its next turn, done by the caller while none runs. Returns whether
  /// both succeeded.
  bool run_once(const std::stop_token& stop);

 private:
  copies::Sides sides() const { return {primary_, copy_}; }
  CopyLane make_lane(CopyLane::Copy copy);
  bool make_ready(const std::stop_token& stop);
  void run(CopyLane& lane, const std::stop_token& stop);
  bool try_work(CopyLane& lane, const std::stop_token& stop);
  void note_failure(const CopyLane& lane, const Error& error);
  void note_success(const CopyLane& lane, const copies::CopyReport& report);
  void note_problem(const std::string& problem);
  std::optional<Timestamp> lacks_since() const;
  void tell_lag();

  const std::string source_;
  store::ObjectStore& primary_;  ///< As it is stored.
  store::ObjectStore& copy_;     ///< Likewise.
  const CopierOptions options_;
  const copies::CopyOptions copy_options_;
  metrics::CopyMetrics& metrics_;
  const Clock& clock_;
  Progress progress_;                   ///< Nobody looks.
  std::atomic<bool> was_there_{false};  ///< The copy has been seen.
  std::mutex telling_;                  ///< Whoever tells the lag last knows the latest.
  CopyLane log_;
  CopyLane backups_;

  std::mutex mutex_;  ///< Guards what follows.
  std::set<const CopyLane*> failing_;
  std::set<std::string> said_problems_;

  std::optional<flow::Group> threads_;  ///< Last: they use all of the above.
};

}  // namespace keyrewind::daemon
