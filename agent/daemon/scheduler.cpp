#include "daemon/scheduler.h"

#include "base/error.h"
#include "base/log.h"

#include <algorithm>
#include <array>
#include <utility>

namespace keyrewind::daemon {
namespace {

/// The moments at which backups of the schedule began; none if there are no backups.
std::vector<Timestamp> started_of(const std::map<std::string, std::vector<Timestamp>>& started,
                                  const std::string& name) {
  const auto found = started.find(name);
  return found == started.end() ? std::vector<Timestamp>() : found->second;
}

}  // namespace

std::string_view to_string(Scheduler::Result result) noexcept {
  // In the order of Result.
  constexpr std::array<std::string_view, 4> kWords{"success", "failure", "cancelled", "skipped"};
  return kWords[static_cast<std::size_t>(result)];
}

Scheduler::Scheduler(const std::filesystem::path& folder, Links links, const Clock& clock)
    : links_(std::move(links)), clock_(clock), pauses_(folder) {}

void Scheduler::configure(std::vector<PlannedBackups> schedules) {
  const Timestamp now = clock_.now();
  const std::lock_guard lock(mutex_);
  std::vector<State> states;
  for (PlannedBackups& plan : schedules) {
    State state{.plan = std::move(plan)};
    const policy::Schedule& schedule = state.plan.schedule;
    if (State* before = state_of(schedule.name())) {
      state.slots = std::move(before->slots);
      state.status = before->status;
    }
    if (state.slots) {
      state.slots->change(schedule, now);
    } else if (started_) {
      state.slots.emplace(schedule, started_of(*started_, schedule.name()), now);
    }
    state.interval = std::chrono::ceil<std::chrono::seconds>(schedule.longest_gap(now));
    state.status.name = schedule.name();
    state.status.cron = schedule.options().cron.text();
    state.status.time_zone = schedule.options().zone.name();
    state.status.paused = pauses_.contains(schedule.name());
    states.push_back(std::move(state));
  }
  states_ = std::move(states);
}

void Scheduler::begin(const std::map<std::string, std::vector<Timestamp>>& started) {
  const Timestamp now = clock_.now();
  const std::lock_guard lock(mutex_);
  started_ = started;
  for (State& state : states_) {
    const auto times = started_of(started, state.plan.name());
    state.slots.emplace(state.plan.schedule, times, now);
    if (!times.empty()) {
      const Timestamp last = *std::ranges::max_element(times);
      state.status.last_success = std::max(state.status.last_success.value_or(last), last);
    }
  }
}

void Scheduler::end() {
  const std::lock_guard lock(mutex_);
  started_.reset();
  for (State& state : states_) {
    state.slots.reset();
  }
}

bool Scheduler::has_begun() const {
  const std::lock_guard lock(mutex_);
  return started_.has_value();
}

void Scheduler::step() {
  using policy::Due;
  const Timestamp now = clock_.now();
  std::vector<std::pair<PlannedBackups, policy::Look>> due;
  {
    const bool is_busy = links_.busy();
    const std::lock_guard lock(mutex_);
    for (State& state : states_) {
      if (!state.slots) {
        continue;
      }
      const policy::Look look =
          state.slots->look(now, state.status.paused ? policy::Hindrance::paused
                                 : is_busy           ? policy::Hindrance::running
                                                     : policy::Hindrance::none);
      if (look.due != Due::nothing) {
        due.emplace_back(state.plan, look);
      }
    }
  }
  for (const auto& [plan, look] : due) {
    switch (look.due) {
      case Due::nothing:
      case Due::paused:
        break;
      case Due::overlapped:
        skip(plan.name(), "another backup was under way", now);
        break;
      case Due::missed:
        skip(plan.name(), "its time had passed while no agent worked", now);
        break;
      case Due::catch_up:
        log::info("missed run of a schedule is made up for",
                  {{"schedule", plan.name()}, {"slot", to_rfc3339(look.slot)}});
        [[fallthrough]];
      case Due::run:
        try {
          links_.ask(plan);
        } catch (const Error& error) {
          skip(plan.name(), error.what(), now);
        }
        break;
    }
  }
}

void Scheduler::skip(const std::string& name, const std::string& why, Timestamp now) {
  note(name, Result::skipped, why, now);
  links_.skipped(name, why);
}

bool Scheduler::pause(const std::string& name) {
  return set_paused(name, true);
}

bool Scheduler::resume(const std::string& name) {
  return set_paused(name, false);
}

bool Scheduler::set_paused(const std::string& name, bool paused) {
  const std::lock_guard lock(mutex_);
  State* state = state_of(name);
  if (state == nullptr) {
    return false;
  }
  pauses_.set(name, paused);
  if (std::exchange(state->status.paused, paused) != paused) {
    log::info(paused ? "schedule paused" : "schedule resumed", {{"schedule", name}});
  }
  return true;
}

std::optional<PlannedBackups> Scheduler::find(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const State* state = state_of(name);
  return state == nullptr ? std::nullopt : std::optional(state->plan);
}

void Scheduler::note(const std::string& name, Result result, const std::string& message,
                     Timestamp attempted) {
  const std::lock_guard lock(mutex_);
  State* state = state_of(name);
  if (state == nullptr) {
    return;
  }
  api::ScheduleStatus& status = state->status;
  status.last_result = to_string(result);
  status.last_message = message;
  status.last_attempt = attempted;
  if (result == Result::success) {
    status.last_success = attempted;
  } else if (result == Result::skipped) {
    ++status.missed;
  }
}

std::vector<api::ScheduleStatus> Scheduler::list() const {
  const Timestamp now = clock_.now();
  const std::lock_guard lock(mutex_);
  std::vector<api::ScheduleStatus> list;
  for (const State& state : states_) {
    list.push_back(state.status);
    if (!state.status.paused) {
      list.back().next =
          state.slots ? state.slots->next(now).at : state.plan.schedule.next_run(now).at;
    }
  }
  return list;
}

std::chrono::seconds Scheduler::interval(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const State* state = state_of(name);
  return state == nullptr ? std::chrono::seconds(0) : state->interval;
}

const Scheduler::State* Scheduler::state_of(const std::string& name) const {
  const auto found =
      std::ranges::find_if(states_, [&](const State& state) { return state.status.name == name; });
  return found == states_.end() ? nullptr : &*found;
}

Scheduler::State* Scheduler::state_of(const std::string& name) {
  const auto found =
      std::ranges::find_if(states_, [&](const State& state) { return state.status.name == name; });
  return found == states_.end() ? nullptr : &*found;
}

}  // namespace keyrewind::daemon
