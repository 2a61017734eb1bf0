#include "policy/schedule.h"

#include <algorithm>
#include <cstdint>
#include <string_view>

namespace keyrewind::policy {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kTick(1);
constexpr int kSlotsOfAGap = 400;

/// FNV-1a, and the end of MurmurHash3 (`fmix64`), so that slots that differ in few bits are spread.
/// It is the same on every machine and in every version: an agent that takes over must find the
/// same run.
std::uint64_t hash(std::string_view text) {
  std::uint64_t value = 0xcbf29ce484222325U;
  for (const char c : text) {
    value = (value ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  }
  value = (value ^ value >> 33U) * 0xff51afd7ed558ccdU;
  value = (value ^ value >> 33U) * 0xc4ceb9fe1a85ec53U;
  return value ^ value >> 33U;
}

}  // namespace

ScheduledRun Schedule::run_of(Timestamp slot) const {
  if (options_.jitter < seconds(1)) {
    return {slot, slot};
  }
  const auto room = (options_.cron.next_after(slot, options_.zone) - slot) / 2;
  const auto most = duration_cast<seconds>(std::min<milliseconds>(options_.jitter, room)).count();
  const std::uint64_t number =
      hash(options_.source + '\n' + options_.name + '\n' + to_compact(slot));
  return {slot, slot + seconds(number % (static_cast<std::uint64_t>(most) + 1))};
}

ScheduledRun Schedule::next_run(Timestamp time) const {
  const ScheduledRun pending = run_of(options_.cron.last_until(time, options_.zone));
  return pending.at > time ? pending : run_of(options_.cron.next_after(time, options_.zone));
}

ScheduledRun Schedule::last_run(Timestamp time) const {
  const ScheduledRun run = run_of(options_.cron.last_until(time, options_.zone));
  return run.at <= time ? run : run_of(options_.cron.last_until(run.slot - kTick, options_.zone));
}

std::vector<ScheduledRun> Schedule::next_runs(Timestamp time, std::size_t count) const {
  std::vector<ScheduledRun> runs;
  while (runs.size() < count) {
    runs.push_back(runs.empty()
                       ? next_run(time)
                       : run_of(options_.cron.next_after(runs.back().slot, options_.zone)));
  }
  return runs;
}

milliseconds Schedule::longest_gap(Timestamp time) const {
  Timestamp slot = options_.cron.last_until(time, options_.zone);
  milliseconds longest{};
  for (int i = 0; i < kSlotsOfAGap; ++i) {
    const Timestamp next = options_.cron.next_after(slot, options_.zone);
    longest = std::max<milliseconds>(longest, next - slot);
    slot = next;
  }
  return longest;
}

}  // namespace keyrewind::policy
