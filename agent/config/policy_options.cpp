#include "config/policy_options.h"

#include "base/error.h"
#include "catalog/names.h"
#include "config/suggest.h"
#include "policy/cron.h"
#include "policy/zone.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

namespace keyrewind::config {
namespace {

constexpr std::uint64_t kHour = 3'600'000;  ///< In milliseconds.
constexpr std::uint64_t kDay = 24 * kHour;
constexpr std::uint64_t kMaxKept = 100'000;
constexpr std::uint64_t kLongestKept = 36500 * kDay;

// In the order of policy::CatchUp and policy::Method.
constexpr std::array<std::string_view, 2> kCatchUps{"once", "skip"};
constexpr std::array<std::string_view, 2> kMethods{"auto", "full_sync"};
constexpr std::array<std::string_view, 2> kLaterMethods{"compaction", "scan"};

void check_cron(const std::string& text) {
  policy::Cron cron(text);
}

void check_zone(const std::string& text) {
  if (text.empty()) {
    return;
  }
  try {
    policy::Zone zone(text);
  } catch (Error& error) {
    const auto names = policy::zone_names();
    const std::vector<std::string_view> words(names.begin(), names.end());
    throw Error(error.kind(), error.what() + did_you_mean(text, words));
  }
}

void check_label(const std::string& text) {
  const auto equals = text.find('=');
  if (equals == 0 || equals == std::string::npos) {
    throw Error(ErrorKind::config, fmt::format("'{}' is no label; write KEY=VALUE", text));
  }
}

void check_kept_label(const std::string& text) {
  if (text.starts_with('=')) {
    throw Error(ErrorKind::config,
                fmt::format("'{}' is no label; write NAME, or NAME=VALUE", text));
  }
}

void refuse_drills(const std::string& text) {
  if (!text.empty()) {
    throw Error(ErrorKind::config,
                "drills by schedule are not available in this version; leave it empty, and run "
                "'keyrewind drill' from cron");
  }
}

void refuse_compaction(const std::string& text) {
  if (!text.empty()) {
    throw Error(ErrorKind::config, "compaction is not available in this version; leave it empty");
  }
}

/// A text of the schedule at `index`, which is made if it is not there.
template <typename Value>
std::function<Value&(Config&)> field_of_schedule(std::size_t index,
                                                 Value Config::Schedule::*member) {
  return [index, member](Config& config) -> Value& {
    auto& schedules = config.snapshots.schedules;
    if (schedules.size() <= index) {
      schedules.resize(index + 1);
    }
    return schedules[index].*member;
  };
}

Option keep_option(std::string_view what, std::uint64_t Config::Retention::*member,
                   std::string_view description) {
  return {.path = fmt::format("retention.keep_{}", what),
          .kind = Kind::integer,
          .field = [member](Config& c) -> std::uint64_t& { return c.retention.*member; },
          .description = description,
          .example = "14",
          .max = kMaxKept};
}

void refuse_schedules_with_one_name(const Config& config, std::vector<Contradiction>& found) {
  std::set<std::string> names;
  const auto& schedules = config.snapshots.schedules;
  for (std::size_t index = 0; index < schedules.size(); ++index) {
    const std::string option = fmt::format("snapshots.schedules.{}.name", index);
    if (!schedules[index].name.empty() && !names.insert(schedules[index].name).second) {
      found.push_back(
          {{option},
           fmt::format("{} '{}' is another schedule's already", option, schedules[index].name)});
    }
  }
}

void refuse_to_keep_nothing(const Config& config, std::vector<Contradiction>& found) {
  const auto& keep = config.retention;
  const bool keeps = keep.keep_last + keep.keep_hourly + keep.keep_daily + keep.keep_weekly +
                             keep.keep_monthly + keep.keep_yearly >
                         0 ||
                     keep.keep_within.count() > 0 || keep.recovery_window.count() > 0 ||
                     !keep.keep_labels.empty();
  if (keep.enabled && !keeps) {
    found.push_back({{"retention.keep_last", "retention.keep_hourly", "retention.keep_daily",
                      "retention.keep_weekly", "retention.keep_monthly", "retention.keep_yearly",
                      "retention.keep_within", "retention.recovery_window", "retention.keep_labels",
                      "retention.enabled"},
                     "retention keeps nothing: all of its keep_… and its recovery_window are 0 or "
                     "empty; set one of them, or enabled: false to remove nothing"});
  }
}

}  // namespace

std::vector<Option> snapshot_options() {
  return {
      {.path = "snapshots.schedules",
       .kind = Kind::entries,
       .field =
           EntriesField{[](const Config& c) { return c.snapshots.schedules.size(); },
                        [](Config& c, std::size_t count) { c.snapshots.schedules.resize(count); }},
       .description =
           "When the agent takes snapshots beside those that the log needs to begin with; "
           "without, the log behind one snapshot grows for ever. Each has a name, a cron and "
           "perhaps a time_zone and labels. The variables of the first begin with "
           "KEYREWIND_SNAPSHOTS__SCHEDULES__0__.",
       .example = R"([{"name": "nightly", "cron": "0 3 * * *"}])"},
      {.path = "snapshots.time_zone",
       .kind = Kind::text,
       .field = +[](Config& c) -> std::string& { return c.snapshots.time_zone; },
       .description =
           "The zone of the times that schedules say, by its IANA name. When clocks change, a "
           "time that comes twice counts the first time, and one that is skipped as the moment "
           "after the gap.",
       .example = "Europe/Berlin",
       .check = check_zone},
      {.path = "snapshots.jitter",
       .kind = Kind::duration,
       .field = +[](Config& c) -> std::chrono::milliseconds& { return c.snapshots.jitter; },
       .description =
           "How much later than its time a run begins at most, so that not all sources begin at "
           "once: as much as follows from the names of source and schedule and from the time, and "
           "never more than half of what remains to the next one.",
       .example = "30m",
       .max = 24 * kHour},
      {.path = "snapshots.catch_up",
       .kind = Kind::word,
       .field = WordField{[](Config& c) { return static_cast<std::size_t>(c.snapshots.catch_up); },
                          [](Config& c, std::size_t word) {
                            c.snapshots.catch_up = static_cast<policy::CatchUp>(word);
                          }},
       .description =
           "What becomes of runs that were missed while no agent ran: once makes up for all of "
           "them by one, skip waits for the next.",
       .example = "skip",
       .words = kCatchUps},
      {.path = "snapshots.method",
       .kind = Kind::word,
       .field = WordField{[](Config& c) { return static_cast<std::size_t>(c.snapshots.method); },
                          [](Config& c, std::size_t word) {
                            c.snapshots.method = static_cast<policy::Method>(word);
                          }},
       .description =
           "How snapshots are made. full_sync: the server forks and sends one as to a replica. "
           "auto: whatever costs it least, which in this version is the same.",
       .example = "full_sync",
       .words = kMethods,
       .later_words = kLaterMethods},
      {.path = "snapshots.min_free_memory",
       .kind = Kind::percent,
       .field = +[](Config& c) -> std::uint64_t& { return c.snapshots.min_free_memory; },
       .description =
           "How much of a node's memory must be left when it forks for a full sync, with what the "
           "fork is expected to copy; otherwise another node is asked, or nobody. 0%: never mind.",
       .example = "30%",
       .max = 100},
  };
}

std::vector<Option> schedule_options(std::size_t index) {
  const auto path = [&](std::string_view leaf) {
    return fmt::format("snapshots.schedules.{}.{}", index, leaf);
  };
  return {
      {.path = path("name"),
       .kind = Kind::text,
       .field = field_of_schedule(index, &Config::Schedule::name),
       .description =
           "What this schedule is called, in metrics and in the records of its backups. Keep it: "
           "by it the last run is found after a restart.",
       .example = "nightly",
       .required = true,
       .pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$",
       .pattern_in_words =
           "1 to 63 letters, digits, '.', '_' or '-', beginning with a letter or digit",
       .is_valid = catalog::names::is_valid_source},
      {.path = path("cron"),
       .kind = Kind::text,
       .field = field_of_schedule(index, &Config::Schedule::cron),
       .description =
           "The five fields of cron: minute, hour, day of month, month, day of week. Or @hourly, "
           "@daily, @weekly, @monthly, @yearly, or @every and a duration.",
       .example = "0 3 * * *",
       .required = true,
       .check = check_cron},
      {.path = path("time_zone"),
       .kind = Kind::text,
       .field = field_of_schedule(index, &Config::Schedule::time_zone),
       .description = "The zone of its times. Empty: that of snapshots.time_zone.",
       .example = "America/New_York",
       .check = check_zone},
      {.path = path("labels"),
       .kind = Kind::texts,
       .field = field_of_schedule(index, &Config::Schedule::labels),
       .description =
           "Labels of its backups, each KEY=VALUE. In a variable they are separated by commas.",
       .example = "tier=daily",
       .check = check_label},
  };
}

std::vector<Option> retention_options() {
  using Retention = Config::Retention;
  return {
      keep_option("last", &Retention::keep_last, "How many of the newest backups are kept."),
      keep_option("hourly", &Retention::keep_hourly,
                  "For how many hours that have backups the last one of the hour is kept."),
      keep_option("daily", &Retention::keep_daily,
                  "For how many days that have backups the last one of the day is kept. Days are "
                  "those of snapshots.time_zone, weeks begin on Monday."),
      keep_option("weekly", &Retention::keep_weekly, "The same for weeks."),
      keep_option("monthly", &Retention::keep_monthly, "The same for months."),
      keep_option("yearly", &Retention::keep_yearly, "The same for years."),
      {.path = "retention.keep_within",
       .kind = Kind::duration,
       .field = +[](Config& c) -> std::chrono::milliseconds& { return c.retention.keep_within; },
       .description = "How long every backup is kept.",
       .example = "14d",
       .max = kLongestKept},
      {.path = "retention.recovery_window",
       .kind = Kind::duration,
       .field =
           +[](Config& c) -> std::chrono::milliseconds& { return c.retention.recovery_window; },
       .description =
           "How far back every moment can be restored: the log and the snapshots that it needs "
           "are kept so long.",
       .example = "14d",
       .max = kLongestKept},
      {.path = "retention.keep_labels",
       .kind = Kind::texts,
       .field = +[](Config& c) -> std::vector<std::string>& { return c.retention.keep_labels; },
       .description =
           "Backups with one of these labels are kept for ever: NAME, whatever its value, or "
           "NAME=VALUE. In a variable they are separated by commas.",
       .example = "release",
       .check = check_kept_label},
      {.path = "retention.min_backups",
       .kind = Kind::integer,
       .field = +[](Config& c) -> std::uint64_t& { return c.retention.min_backups; },
       .description = "How many backups are never gone below, whatever else is said here.",
       .example = "3",
       .min = 1,
       .max = kMaxKept},
      {.path = "retention.enabled",
       .kind = Kind::boolean,
       .field = +[](Config& c) -> bool& { return c.retention.enabled; },
       .description =
           "Whether the agent removes what nothing here keeps. false: nothing is removed, and no "
           "permission to do so is needed.",
       .example = "false"},
  };
}

std::vector<Option> upkeep_options() {
  return {
      {.path = "drills.schedule",
       .kind = Kind::text,
       .field = +[](Config& c) -> std::string& { return c.drills.schedule; },
       .description = "When the agent itself restores the newest backup for practice, as a cron. "
                      "Not available "
                      "in this version, so empty only: run 'keyrewind drill' from cron.",
       .example = "\"\"",
       .check = refuse_drills},
      {.path = "drills.server",
       .kind = Kind::text,
       .field = +[](Config& c) -> std::string& { return c.drills.server; },
       .description = "The program of the throw-away server.",
       .example = "/usr/bin/valkey-server"},

      {.path = "compaction.schedule",
       .kind = Kind::text,
       .field = +[](Config& c) -> std::string& { return c.compaction.schedule; },
       .description =
           "When a new snapshot is made from an old one and the log, as a cron. Not available in "
           "this version: empty only.",
       .example = "\"\"",
       .check = refuse_compaction},
      {.path = "compaction.server",
       .kind = Kind::text,
       .field = +[](Config& c) -> std::string& { return c.compaction.server; },
       .description = "The program of the throw-away server.",
       .example = "/usr/bin/valkey-server"},
  };
}

std::vector<Contradiction> contradictions_of_policies(const Config& config) {
  std::vector<Contradiction> found;
  refuse_schedules_with_one_name(config, found);
  refuse_to_keep_nothing(config, found);
  return found;
}

}  // namespace keyrewind::config
