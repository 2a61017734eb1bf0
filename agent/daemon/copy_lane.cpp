#include "daemon/copy_lane.h"

#include <algorithm>
#include <utility>

namespace keyrewind::daemon {
namespace {

std::optional<Timestamp> earlier(std::optional<Timestamp> a, std::optional<Timestamp> b) {
  return a && b ? std::min(a, b) : a ? a : b;
}

}  // namespace

CopyLane::CopyLane(Copy copy, std::function<void(std::uint64_t bytes)> copied,
                   std::function<void()> changed, const Clock& clock)
    : copy_(std::move(copy)),
      copied_(std::move(copied)),
      changed_(std::move(changed)),
      clock_(clock) {}

void CopyLane::begin() {
  {
    const std::lock_guard lock(mutex_);
    names_.clear();
    everything_ = true;
    unknown_since_ = clock_.now();
    news_since_ = work_since_ = found_since_ = damaged_since_ = std::nullopt;
  }
  changed_();
}

void CopyLane::notify(const std::string& object, Timestamp since) {
  {
    const std::lock_guard lock(mutex_);
    if (object.empty() || names_.size() == kMostNames) {
      everything_ = true;
    }
    if (everything_) {
      names_.clear();
    } else {
      names_.push_back(object);
    }
    news_since_ = earlier(news_since_, since);
  }
  news_.notify_all();
  changed_();
}

void CopyLane::wait(std::chrono::milliseconds longest, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  if (!news_.wait_for(lock, stop, longest, [&] { return everything_ || !names_.empty(); })) {
    everything_ = true;
  }
}

copies::CopyReport CopyLane::work(const std::stop_token& stop) {
  const auto [names, everything] = take_work();
  if (names.empty() && !everything) {
    return {};
  }
  const copies::CopyObserver observer{
      .copied = copied_,
      .lacks_since = [this](std::optional<Timestamp> since) { note_found(since); }};
  try {
    copies::CopyReport report = copy_(names, observer, stop);
    note_done(everything, report);
    return report;
  } catch (...) {
    const std::lock_guard lock(mutex_);
    everything_ = true;
    names_.clear();
    throw;
  }
}

std::optional<Timestamp> CopyLane::lacks_since() const {
  const std::lock_guard lock(mutex_);
  std::optional<Timestamp> since = damaged_since_;
  for (const auto& other : {unknown_since_, news_since_, work_since_, found_since_}) {
    since = earlier(since, other);
  }
  return since;
}

CopyLane::Work CopyLane::take_work() {
  const std::lock_guard lock(mutex_);
  work_since_ = earlier(work_since_, std::exchange(news_since_, std::nullopt));
  found_since_.reset();
  return {std::exchange(names_, {}), std::exchange(everything_, false)};
}

void CopyLane::note_found(std::optional<Timestamp> since) {
  {
    const std::lock_guard lock(mutex_);
    found_since_ = since;
  }
  changed_();
}

void CopyLane::note_done(bool everything, const copies::CopyReport& report) {
  {
    const std::lock_guard lock(mutex_);
    found_since_.reset();
    if (everything) {
      unknown_since_.reset();
      damaged_since_.reset();
    }
    damaged_since_ = earlier(damaged_since_, report.lacks_since);
    if (report.gone == 0) {
      work_since_.reset();
    } else {
      everything_ = true;  // What holds its bytes now nobody has told us.
    }
  }
  changed_();
}

}  // namespace keyrewind::daemon
