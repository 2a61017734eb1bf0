#include "policy/retention.h"

#include "base/duration.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <string_view>
#include <utility>

namespace keyrewind::policy {
namespace {

using std::chrono::days;
using std::chrono::milliseconds;

/// Log without a snapshot is kept for so long at least: the first snapshot of a lineage takes its
/// time, and a damaged one may be brought back from a copy.
constexpr milliseconds kPatience = days(1);

// The names of periods are told of the time that the wall shows, as if that were UTC.

std::chrono::year_month_day date_of(Timestamp time) {
  return std::chrono::year_month_day(std::chrono::floor<days>(time));
}

int year_of(std::chrono::year_month_day date) {
  return static_cast<int>(date.year());
}

unsigned month_of(std::chrono::year_month_day date) {
  return static_cast<unsigned>(date.month());
}

std::string hour_of(Timestamp time) {
  return to_rfc3339(time).substr(0, 13) + ":00";
}

std::string day_of(Timestamp time) {
  return to_rfc3339(time).substr(0, 10);
}

/// "2026-W49", in which weeks begin on Mondays and belong to the year of their Thursday.
std::string week_of(Timestamp time) {
  const auto day = std::chrono::floor<days>(time);
  const std::chrono::sys_days thursday =
      day - (std::chrono::weekday(day) - std::chrono::Monday) + days(3);
  const int year = year_of(date_of(thursday));
  const auto first = std::chrono::sys_days(std::chrono::year(year) / 1 / 1);
  return fmt::format("{}-W{:02}", year, (thursday - first).count() / 7 + 1);
}

std::string month_name_of(Timestamp time) {
  return fmt::format("{}-{:02}", year_of(date_of(time)), month_of(date_of(time)));
}

std::string year_name_of(Timestamp time) {
  return fmt::format("{}", year_of(date_of(time)));
}

/// `time` - `span`, or the earliest time there is.
Timestamp before(Timestamp time, milliseconds span) {
  return time < Timestamp{} + span ? Timestamp{} : time - span;
}

bool has_label(const BackupFacts& backup, std::string_view wanted) {
  const std::size_t equals = wanted.find('=');
  const auto label = backup.labels.find(std::string(wanted.substr(0, equals)));
  return label != backup.labels.end() &&
         (equals == std::string_view::npos || label->second == wanted.substr(equals + 1));
}

class Decision {
 public:
  Decision(const std::vector<BackupFacts>& backups, const std::vector<WindowFacts>& windows,
           const RetentionRules& rules, Timestamp now)
      : backups_(backups), windows_(windows), rules_(rules), now_(now) {
    result_.reference = find_reference();
    result_.oldest_wanted = before(result_.reference, rules.recovery_window);
    for (const BackupFacts& backup : backups) {
      result_.backups.push_back({backup.id, false, {}});
    }
    missed_.resize(backups.size());
  }

  Retention decide() {
    keep_newest();
    keep_last();
    keep_each("hourly", "hour", rules_.keep_hourly, hour_of);
    keep_each("daily", "day", rules_.keep_daily, day_of);
    keep_each("weekly", "week", rules_.keep_weekly, week_of);
    keep_each("monthly", "month", rules_.keep_monthly, month_name_of);
    keep_each("yearly", "year", rules_.keep_yearly, year_name_of);
    keep_by_themselves();
    for (const WindowFacts& window : windows_) {
      if (!window.log.empty()) {
        logs_.try_emplace(window.lineage, LogVerdict{window.lineage, std::nullopt, {}});
      }
    }
    const WindowFacts* const running = find_running();
    for (const WindowFacts& window : windows_) {
      keep_window(window, &window == running);
    }
    explain_others();
    for (auto& [lineage, verdict] : logs_) {
      result_.logs.push_back(std::move(verdict));
    }
    return std::move(result_);
  }

 private:
  Timestamp find_reference() const {
    Timestamp newest{};
    for (const BackupFacts& backup : backups_) {
      newest = std::max(newest, backup.created);
    }
    for (const WindowFacts& window : windows_) {
      newest = std::max(newest, window.until);
    }
    return std::min(now_, newest);
  }

  void keep(std::size_t backup, std::string reason) {
    BackupVerdict& verdict = result_.backups[backup];
    verdict.keep = true;
    if (std::ranges::find(verdict.reasons, reason) == verdict.reasons.end()) {
      verdict.reasons.push_back(std::move(reason));
    }
  }

  /// The backup that is `rank`-th newest, from 0 on.
  std::size_t newest(std::size_t rank) const { return backups_.size() - 1 - rank; }

  void keep_newest() {
    const std::size_t least = std::min(
        backups_.size(), static_cast<std::size_t>(std::max<std::uint64_t>(rules_.min_backups, 1)));
    for (std::size_t rank = 0; rank < least; ++rank) {
      keep(newest(rank), rank == 0 ? "last good backup" : fmt::format("one of at least {}", least));
    }
  }

  void keep_last() {
    for (std::size_t rank = 0; rank < backups_.size(); ++rank) {
      if (rank < rules_.keep_last) {
        keep(newest(rank), fmt::format("last {} of {}", rank + 1, rules_.keep_last));
      } else if (rules_.keep_last != 0) {
        missed_[newest(rank)].push_back(fmt::format("not among the last {}", rules_.keep_last));
      }
    }
  }

  /// Of the newest `count` periods with a backup, the newest one each.
  void keep_each(std::string_view rule, std::string_view period, std::uint64_t count,
                 const std::function<std::string(Timestamp)>& period_of) {
    std::map<std::string, std::size_t> kept;  // By the period's name. Clocks may have gone back.
    for (std::size_t rank = 0; rank < backups_.size() && count != 0; ++rank) {
      const std::size_t backup = newest(rank);
      const LocalTime local = rules_.zone.to_local(backups_[backup].created);
      const std::string name = period_of(Timestamp(local.time_since_epoch()));
      const auto known = kept.find(name);
      if (known != kept.end()) {
        missed_[backup].push_back(
            fmt::format("{} stands for its {}", backups_[known->second].id, period));
      } else if (kept.size() < count) {
        kept.emplace(name, backup);
        keep(backup, fmt::format("{} {}", rule, name));
      } else {
        missed_[backup].push_back(fmt::format("not among {} {}", count, rule));
      }
    }
  }

  void keep_by_themselves() {
    const Timestamp oldest = before(result_.reference, rules_.keep_within);
    for (std::size_t i = 0; i < backups_.size(); ++i) {
      const BackupFacts& backup = backups_[i];
      if (rules_.keep_within.count() != 0 && backup.created >= oldest) {
        keep(i, fmt::format("within {}", to_duration(rules_.keep_within)));
      } else if (rules_.keep_within.count() != 0) {
        missed_[i].push_back(fmt::format("older than {}", to_duration(rules_.keep_within)));
      }
      for (const std::string& label : rules_.keep_labels) {
        if (has_label(backup, label)) {
          keep(i, "label " + label);
        }
      }
      if (backup.lock && is_in_force(*backup.lock, now_)) {
        keep(i, backup.lock->until ? fmt::format("locked until {}", to_rfc3339(*backup.lock->until))
                                   : std::string("locked"));
      } else if (backup.lock) {
        missed_[i].push_back("its lock has ended");
      }
      if (!backup.held_by.empty()) {
        keep(i, "read by " + backup.held_by);
      }
    }
  }

  /// The window that the agent goes on with: of the newest data.
  const WindowFacts* find_running() const {
    const WindowFacts* running = nullptr;
    for (const WindowFacts& window : windows_) {
      if (!window.snapshots.empty() && (running == nullptr || running->until <= window.until)) {
        running = &window;
      }
    }
    return running;
  }

  void keep_log(const WindowFacts& window, std::int64_t from, const std::string& reason) {
    LogVerdict& verdict = logs_.at(window.lineage);
    verdict.keep_from = std::min(verdict.keep_from.value_or(from), from);
    if (std::ranges::find(verdict.reasons, reason) == verdict.reasons.end()) {
      verdict.reasons.push_back(reason);
    }
  }

  void keep_window(const WindowFacts& window, bool is_running) {
    if (!window.log.empty() && window.held) {
      keep_log(window, *window.held, "read by " + window.held_by);
    }
    if (window.snapshots.empty()) {
      keep_unused(window);
      return;
    }
    if (const SnapshotFacts* const base = base_of_recovery(window)) {
      keep_chain(window, *base, "recovery window");
    }
    if (is_running && is_on_log(window.lineage, window.snapshots.back().offset)) {
      keep_chain(window, window.snapshots.back(), "the running log");
    }
  }

  /// A snapshot and all the log behind it: a chain stays or goes as a whole.
  void keep_chain(const WindowFacts& window, const SnapshotFacts& base, const std::string& reason) {
    keep(base.backup, reason);
    if (is_on_log(window.lineage, base.offset)) {
      keep_log(window, base.offset, reason);
    }
  }

  /// Whether there is log at that offset: perhaps it only ends there so far.
  bool is_on_log(const std::string& lineage, std::int64_t offset) const {
    return std::ranges::any_of(windows_, [&](const WindowFacts& window) {
      return window.lineage == lineage && !window.log.empty() &&
             window.log.front().begin <= offset && offset <= window.log.back().end;
    });
  }

  void keep_unused(const WindowFacts& window) {
    const Timestamp oldest = std::min(result_.oldest_wanted, before(result_.reference, kPatience));
    if (!window.log.empty() && window.until >= oldest) {
      keep_log(window, window.begin, "no snapshot is on it yet");
    }
  }

  /// The snapshot from which every moment of the window that is young enough can be restored;
  /// nothing if none is. What one clock says of a snapshot and another one of the log need not fit,
  /// and both may jump: a moment counts by either.
  const SnapshotFacts* base_of_recovery(const WindowFacts& window) const {
    std::optional<std::int64_t> first;
    // The last moment of a piece may be younger by a second than what its name says.
    const auto young = std::ranges::find_if(window.log, [&](const catalog::LogSpan& span) {
      return span.last + std::chrono::seconds(1) >= result_.oldest_wanted;
    });
    if (young != window.log.end()) {
      first = young->begin;
    }
    for (const SnapshotFacts& snapshot : window.snapshots) {
      if (snapshot.taken >= result_.oldest_wanted) {
        first = std::min(first.value_or(snapshot.offset), snapshot.offset);
      }
    }
    if (!first) {
      return nullptr;
    }
    const SnapshotFacts* base = &window.snapshots.front();
    for (const SnapshotFacts& snapshot : window.snapshots) {
      if (snapshot.offset <= *first) {
        base = &snapshot;
      }
    }
    return base;
  }

  /// A removed backup has a reason, too.
  void explain_others() {
    for (std::size_t i = 0; i < backups_.size(); ++i) {
      if (!result_.backups[i].keep) {
        result_.backups[i].reasons = std::move(missed_[i]);
        if (result_.backups[i].reasons.empty()) {
          result_.backups[i].reasons.emplace_back("no rule keeps it");
        }
      }
    }
  }

  const std::vector<BackupFacts>& backups_;
  const std::vector<WindowFacts>& windows_;
  const RetentionRules& rules_;
  const Timestamp now_;
  Retention result_;
  std::vector<std::vector<std::string>> missed_;  ///< Of each backup, which rules it misses.
  std::map<std::string, LogVerdict> logs_;
};

}  // namespace

Retention decide_retention(const std::vector<BackupFacts>& backups,
                           const std::vector<WindowFacts>& windows, const RetentionRules& rules,
                           Timestamp now) {
  return Decision(backups, windows, rules, now).decide();
}

bool is_in_force(const LockFacts& lock, Timestamp now) noexcept {
  return !lock.until || *lock.until > now;
}

}  // namespace keyrewind::policy
