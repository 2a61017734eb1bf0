#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "copies/copy_pass.h"

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

namespace keyrewind::daemon {

/// One of the things that bring a copy up to date: knows what is to be done, and since when the
/// copy has been lacking it. One thread works; any may tell of news and ask.
class CopyLane {
 public:
  /// Does the work: with names, copies just those; without, compares everything.
  using Copy =
      std::function<copies::CopyReport(std::span<const std::string> names,
                                       const copies::CopyObserver& observer, std::stop_token stop)>;

  /// `copied` hears of each object, `changed` that lacks_since may have changed; both are called
  /// from any thread. `clock` must outlive the lane.
  CopyLane(Copy copy, std::function<void(std::uint64_t bytes)> copied,
           std::function<void()> changed, const Clock& clock);

  /// Nothing is known any more: everything is compared first.
  void begin();

  /// There is news since `since`: an object, or, without a name, something.
  void notify(const std::string& object, Timestamp since);

  /// Waits until there is something to do, at the latest for `longest`: then everything is.
  void wait(std::chrono::milliseconds longest, const std::stop_token& stop);

  /// Does it. What throws is to be done again, together with everything else.
  copies::CopyReport work(const std::stop_token& stop);

  /// Since when the copy has been lacking anything of this lane, as far as is known; nothing: it is
  /// complete.
  std::optional<Timestamp> lacks_since() const;

 private:
  /// So many objects are remembered one by one.
  static constexpr std::size_t kMostNames = 1000;

  struct Work {
    std::vector<std::string> names;
    bool everything = false;
  };

  Work take_work();
  void note_found(std::optional<Timestamp> since);
  void note_done(bool everything, const copies::CopyReport& report);

  const Copy copy_;
  const std::function<void(std::uint64_t)> copied_;
  const std::function<void()> changed_;
  const Clock& clock_;

  mutable std::mutex mutex_;  ///< Guards what follows.
  std::condition_variable_any news_;
  std::vector<std::string> names_;
  bool everything_ = true;
  std::optional<Timestamp> unknown_since_;  ///< Nothing was compared yet.
  std::optional<Timestamp> news_since_;     ///< What was told since work began.
  std::optional<Timestamp> work_since_;     ///< What the present or failed work is about …
  std::optional<Timestamp> found_since_;    ///< … and what it has found to be lacking.
  std::optional<Timestamp> damaged_since_;  ///< What cannot be copied.
};

}  // namespace keyrewind::daemon
