#include "policy/slot_keeper.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace keyrewind::policy {
namespace {

using std::chrono::days;
using std::chrono::minutes;

/// A run that begins so late was not waited for.
constexpr minutes kOnTime(1);

/// How far clocks are taken to be set back, and how many slots that may be.
constexpr days kMemory(3);
constexpr std::size_t kMaxRemembered = 8192;

constexpr std::size_t kMaxCounted = 10'000;

}  // namespace

std::string_view to_string(Due due) noexcept {
  switch (due) {
    case Due::nothing:
      return "nothing";
    case Due::run:
      return "run";
    case Due::catch_up:
      return "catch_up";
    case Due::missed:
      return "missed";
    case Due::overlapped:
      return "overlapped";
    case Due::paused:
      return "paused";
  }
  return "nothing";
}

SlotKeeper::SlotKeeper(Schedule schedule, std::span<const Timestamp> started, Timestamp now)
    : schedule_(std::move(schedule)), done_(now) {
  bool has_past = false;
  for (const Timestamp time : started) {
    const Timestamp slot = schedule_.last_run(time).slot;
    remember(slot, now);
    if (time <= now) {
      done_ = has_past ? std::max(done_, slot) : slot;
      has_past = true;
    }
  }
}

Look SlotKeeper::look(Timestamp now, Hindrance hindrance) {
  done_ = std::min(done_, now);
  const ScheduledRun run = schedule_.last_run(now);
  if (run.slot <= done_) {
    return {};
  }
  Look look{.due = Due::nothing, .slot = run.slot, .passed = count_passed(run.slot)};
  done_ = run.slot;
  if (has_run(run.slot)) {
    return {};
  }
  if (hindrance != Hindrance::none) {
    look.due = hindrance == Hindrance::running ? Due::overlapped : Due::paused;
    return look;
  }
  const bool is_late = now - run.at > kOnTime;
  if (is_late && schedule_.options().catch_up == CatchUp::skip) {
    look.due = Due::missed;
    return look;
  }
  look.due = is_late ? Due::catch_up : Due::run;
  remember(run.slot, now);
  return look;
}

ScheduledRun SlotKeeper::next(Timestamp now) const {
  ScheduledRun run = schedule_.last_run(now);
  if (run.slot <= std::min(done_, now) || has_run(run.slot)) {
    run = schedule_.next_run(now);
  }
  while (has_run(run.slot)) {
    run = schedule_.next_run(run.at);
  }
  return run;
}

void SlotKeeper::change(Schedule schedule, Timestamp now) {
  const auto& old = schedule_.options();
  const auto& fresh = schedule.options();
  const bool is_same = old.cron.text() == fresh.cron.text() &&
                       old.zone.name() == fresh.zone.name() && old.jitter == fresh.jitter;
  done_ = is_same ? done_ : now;
  schedule_ = std::move(schedule);
}

bool SlotKeeper::has_run(Timestamp slot) const {
  return std::binary_search(ran_.begin(), ran_.end(), slot);
}

void SlotKeeper::remember(Timestamp slot, Timestamp now) {
  const auto place = std::lower_bound(ran_.begin(), ran_.end(), slot);
  if (place == ran_.end() || *place != slot) {
    ran_.insert(place, slot);
  }
  const auto recent = std::lower_bound(ran_.begin(), ran_.end(), now - kMemory);
  const auto excess = ran_.size() > kMaxRemembered ? ran_.size() - kMaxRemembered : 0;
  ran_.erase(ran_.begin(), std::max(recent, ran_.begin() + static_cast<std::ptrdiff_t>(excess)));
}

std::size_t SlotKeeper::count_passed(Timestamp until) const {
  std::size_t count = 0;
  const auto& options = schedule_.options();
  for (Timestamp slot = options.cron.next_after(done_, options.zone);
       slot < until && count < kMaxCounted; slot = options.cron.next_after(slot, options.zone)) {
    count += has_run(slot) ? 0U : 1U;
  }
  return count;
}

}  // namespace keyrewind::policy
