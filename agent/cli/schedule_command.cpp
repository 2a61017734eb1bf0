#include "base/clock.h"
#include "base/duration.h"
#include "base/error.h"
#include "cli/agent_client.h"
#include "cli/commands.h"
#include "config/schedules.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace keyrewind::cli {
namespace {

using Json = nlohmann::ordered_json;
using policy::Schedule;
using policy::ScheduledRun;

constexpr std::size_t kDefaultCount = 5;
constexpr std::size_t kMaxCount = 1000;

void say_that_there_is_none(const GlobalOptions& global) {
  if (!global.json) {
    std::cout << "no schedule; write some into snapshots.schedules\n";
  }
}

void list(const GlobalOptions& global) {
  const auto schedules = config::to_schedules(load_config(global));
  const Timestamp now = SystemClock().now();
  auto rows = Json::array();
  for (const Schedule& schedule : schedules) {
    const ScheduledRun next = schedule.next_run(now);
    rows.push_back({{"name", schedule.name()},
                    {"cron", schedule.options().cron.text()},
                    {"time_zone", schedule.options().zone.name()},
                    {"next", to_rfc3339(next.at)},
                    {"next_local", schedule.options().zone.to_text(next.at)}});
  }
  if (global.json) {
    std::cout << Json{{"schedules", rows}}.dump(2) << '\n';
    return;
  }
  if (rows.empty()) {
    say_that_there_is_none(global);
    return;
  }
  std::cout << fmt::format("{:<20} {:<20} {:<20} {}\n", "NAME", "CRON", "ZONE", "NEXT (LOCAL)");
  for (const Json& row : rows) {
    std::cout << fmt::format("{:<20} {:<20} {:<20} {}\n", row["name"].get<std::string>(),
                             row["cron"].get<std::string>(), row["time_zone"].get<std::string>(),
                             row["next_local"].get<std::string>());
  }
}

/// The next `count` runs of all schedules together.
std::vector<std::pair<ScheduledRun, const Schedule*>> next_of_all(
    const std::vector<Schedule>& schedules, Timestamp now, std::size_t count) {
  std::vector<std::pair<ScheduledRun, const Schedule*>> all;
  for (const Schedule& schedule : schedules) {
    for (const ScheduledRun& run : schedule.next_runs(now, count)) {
      all.emplace_back(run, &schedule);
    }
  }
  std::stable_sort(all.begin(), all.end(), [](const auto& left, const auto& right) {
    return left.first.at < right.first.at;
  });
  all.resize(std::min(all.size(), count));
  return all;
}

void next(const GlobalOptions& global, std::size_t count) {
  const auto schedules = config::to_schedules(load_config(global));
  const auto runs = next_of_all(schedules, SystemClock().now(), count);
  if (global.json) {
    auto rows = Json::array();
    for (const auto& [run, schedule] : runs) {
      rows.push_back({{"schedule", schedule->name()},
                      {"at", to_rfc3339(run.at)},
                      {"at_local", schedule->options().zone.to_text(run.at)},
                      {"slot", to_rfc3339(run.slot)}});
    }
    std::cout << Json{{"runs", rows}}.dump(2) << '\n';
    return;
  }
  if (runs.empty()) {
    say_that_there_is_none(global);
    return;
  }
  std::cout << fmt::format("{:<20} {:<26} {:<20} {}\n", "SCHEDULE", "LOCAL", "UTC", "JITTER");
  for (const auto& [run, schedule] : runs) {
    std::cout << fmt::format("{:<20} {:<26} {:<20} {}\n", schedule->name(),
                             schedule->options().zone.to_text(run.at),
                             to_rfc3339(run.at).substr(0, 19), to_duration(run.at - run.slot));
  }
}

/// What the running agent is asked to do with a schedule.
struct Wish {
  const char* verb;  ///< As the API has it, too.
  const char* description;
  const char* done;  ///< What is printed before the schedule's name.
};

constexpr std::array<Wish, 3> kWishes{
    {{"pause", "Let the running agent leave the runs of a schedule out", "paused"},
     {"resume", "Let the running agent go on with a schedule", "resumed"},
     {"run", "Let the running agent take the backup of a schedule now", "begun"}}};

void check_name(const config::Config& config, const std::string& name) {
  std::vector<std::string> names;
  for (const auto& schedule : config.snapshots.schedules) {
    names.push_back(schedule.name);
  }
  if (std::find(names.begin(), names.end(), name) == names.end()) {
    throw Error(ErrorKind::config,
                fmt::format("there is no schedule '{}'; there are: {}", name,
                            names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "))));
  }
}

void ask(const Invocation& invocation, const Wish& wish, const std::string& name) {
  const config::Config config = load_config(invocation.global);
  check_name(config, name);
  auto agent = AgentClient::connect(config.http.socket, config.source.name, invocation.stop);
  if (!agent) {
    throw Error(
        ErrorKind::unavailable,
        fmt::format("no agent of source '{}' answers at the socket '{}' (http.socket); start "
                    "one with 'keyrewind agent', as a user who may open that socket",
                    config.source.name, config.http.socket));
  }
  const Json answer = agent->ask("POST", fmt::format("/api/v1/schedules/{}:{}", name, wish.verb),
                                 nullptr, invocation.stop);
  if (invocation.global.json) {
    std::cout << answer.dump(2) << '\n';
    return;
  }
  const std::string task = answer.value("id", "");
  std::cout << fmt::format("{}: {}{}\n", wish.done, name,
                           task.empty() ? "" : fmt::format(" (task {})", task));
}

}  // namespace

void add_schedule_command(CLI::App& app, Invocation& invocation) {
  auto* command = app.add_subcommand("schedule", "Show when snapshots are taken, and steer that");
  command->require_subcommand(1);
  command->fallthrough();  // -c and -o may stand behind the verb.

  auto* list_verb = command->add_subcommand("list", "Print the schedules and their next runs");
  list_verb->fallthrough();
  list_verb->callback([&global = invocation.global] { list(global); });

  auto* next_verb = command->add_subcommand("next", "Print the next runs of all schedules");
  next_verb->fallthrough();
  auto count = std::make_shared<std::size_t>(kDefaultCount);
  next_verb->add_option("--count", *count, "How many")
      ->check(CLI::Range(std::size_t{1}, kMaxCount))
      ->capture_default_str();
  next_verb->callback([&global = invocation.global, count] { next(global, *count); });

  for (const Wish& wish : kWishes) {
    auto* verb = command->add_subcommand(wish.verb, wish.description);
    verb->fallthrough();
    auto name = std::make_shared<std::string>();
    verb->add_option("NAME", *name, "The schedule")->required();
    verb->callback([&invocation, &wish, name] { ask(invocation, wish, *name); });
  }
}

}  // namespace keyrewind::cli
