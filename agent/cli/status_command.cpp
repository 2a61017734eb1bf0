#include "cli/status_command.h"

#include "api/status_json.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/log.h"
#include "base/size.h"
#include "base/version.h"
#include "catalog/drill_report.h"
#include "catalog/repository.h"
#include "catalog/timeline.h"
#include "cli/commands.h"
#include "cli/drill_json.h"
#include "cli/service_options.h"
#include "daemon/health.h"
#include "daemon/repository_watch.h"
#include "http/client.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace keyrewind::cli {
namespace {

using nlohmann::ordered_json;

/// An agent on this machine answers at once, or does not.
constexpr std::chrono::milliseconds kPatience{3000};

/// What the repository alone tells. Its failure is a part of that.
struct Seen {
  api::RepositoryStatus repository;
  std::vector<catalog::Commit> backups{};
  bool has_log = false;  ///< Behind the newest snapshot: an agent has been at work.
  std::optional<catalog::DrillReport> drill{};  ///< The last one.
};

Seen look(Repository& repository, const std::stop_token& stop) {
  const catalog::Catalog& catalog = repository.catalog();
  Seen seen{.repository = {.name = repository.name(), .url = catalog.store().url()}};
  if (catalog::inspect(catalog.store(), stop) == catalog::Place::repository) {
    seen.backups = catalog.list(stop);
    const catalog::Timeline timeline = catalog::read_outline(catalog, stop);
    if (!timeline.windows.empty()) {
      seen.repository.restorable_from = timeline.windows.front().from;
      seen.repository.restorable_until = timeline.windows.back().until;
      seen.has_log = !timeline.windows.back().log.empty();
    }
    for (catalog::DrillReport& report : catalog::read_drills(catalog, "", 1, stop)) {
      seen.drill = std::move(report);
    }
  }
  seen.repository.reachable = true;
  seen.repository.backups = seen.backups.size();
  for (const catalog::Commit& commit : seen.backups) {
    seen.repository.stored_bytes += commit.stored_bytes;
  }
  return seen;
}

/// The schedules, and how old their newest backups are.
std::vector<api::ScheduleStatus> schedules_of(const daemon::ServiceOptions& options,
                                              const std::vector<catalog::Commit>& backups,
                                              Timestamp now) {
  const auto started = daemon::started_by_schedule(backups);
  std::vector<api::ScheduleStatus> schedules;
  for (const daemon::PlannedBackups& plan : options.schedules) {
    api::ScheduleStatus status{.name = plan.name(),
                               .cron = plan.schedule.options().cron.text(),
                               .time_zone = plan.schedule.options().zone.name(),
                               .next = plan.schedule.next_run(now).at};
    if (const auto found = started.find(plan.name()); found != started.end()) {
      status.last_success = *std::ranges::max_element(found->second);
    }
    schedules.push_back(std::move(status));
  }
  return schedules;
}

/// The state as far as a repository tells it, where no agent can be asked.
ordered_json status_of_repository(Invocation& invocation) {
  Repository repository(invocation.global);
  const config::Config& config = repository.config();
  const SystemClock clock;
  const Seen seen = look(repository, invocation.stop);
  const daemon::ServiceOptions options = to_service_options(config);
  api::Status status;
  status.source.name = config.source.name;
  status.source.address = config.source.address;
  status.log.enabled = config.log.enabled;
  status.schedules = schedules_of(options, seen.backups, clock.now());
  status.repositories = {seen.repository};
  if (!seen.backups.empty()) {
    status.last_backup = seen.backups.back();
  }
  daemon::HealthFacts facts{.now = clock.now(), .max_stored = options.max_stored};
  for (std::size_t i = 0; i < status.schedules.size(); ++i) {
    facts.schedules.push_back({.name = status.schedules[i].name,
                               .interval = std::chrono::ceil<std::chrono::seconds>(
                                   options.schedules[i].schedule.longest_gap(clock.now())),
                               .last_success = status.schedules[i].last_success});
  }
  facts.repositories.push_back({.name = seen.repository.name,
                                .backups = seen.repository.backups,
                                .restorable_until = seen.has_log && config.log.enabled
                                                        ? seen.repository.restorable_until
                                                        : std::nullopt});
  facts.stored_bytes = seen.repository.stored_bytes;
  if (seen.drill) {
    facts.verify_failure = seen.drill->ok ? "" : seen.drill->error;
    facts.proven = seen.drill->ok ? std::optional(seen.drill->finished) : std::nullopt;
  }
  status.health = daemon::judge(facts);
  ordered_json json = api::to_json(status);
  // There is nobody who could say these.
  json["agent"] = nullptr;
  json["source"]["up"] = nullptr;
  json["log"] = nullptr;
  json["last_drill"] = seen.drill ? to_json(*seen.drill) : ordered_json();
  return json;
}

/// What the agent that listens on the configured socket says; nothing if none does, or if it has
/// another source.
std::optional<ordered_json> status_of_agent(const config::Config& config,
                                            const std::stop_token& stop) {
  std::error_code ignored;
  if (config.http.socket.empty() || !std::filesystem::exists(config.http.socket, ignored)) {
    return std::nullopt;
  }
  try {
    http::Client client({.ca_file = {},
                         .connect_timeout = kPatience,
                         .stall_timeout = kPatience,
                         .total_timeout = kPatience,
                         .unix_socket = config.http.socket,
                         .use_proxy = false});
    http::Request request;
    request.url = "http://agent/api/v1/status";
    const http::Response response = client.send(request, stop);
    auto status = ordered_json::parse(as_text(response.body), nullptr, false);
    if (response.status != 200 || status.is_discarded() ||
        status["source"]["name"] != config.source.name) {
      return std::nullopt;
    }
    return status;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::cancelled) {
      throw;
    }
    log::debug("agent not asked", {{"error", error.what()}});
    return std::nullopt;
  }
}

std::string text_of(const ordered_json& value) {
  if (value.is_null()) {
    return "-";
  }
  return value.is_string() ? value.get<std::string>() : value.dump();
}

void print_line(std::string_view name, const std::string& value) {
  std::cout << fmt::format("{:<12} {}\n", name, value);
}

void print_agent(const ordered_json& status) {
  const ordered_json& agent = status["agent"];
  const ordered_json& log = status["log"];
  if (agent.is_null()) {
    print_line("agent", "none answers here; this is what the repository tells");
    return;
  }
  print_line(
      "agent",
      fmt::format("{} since {}{}", text_of(agent["role"]), text_of(agent["started"]),
                  agent["holder"].is_null() ? "" : ", working: " + text_of(agent["holder"])));
  const ordered_json& source = status["source"];
  print_line("source",
             fmt::format("{}, {} {}", text_of(source["address"]),
                         source["up"] == true ? "up" : "down", text_of(source["server"])));
  if (log["enabled"] != true) {
    print_line("log", "off");
    return;
  }
  print_line("log", log["attached"] == true
                        ? fmt::format("attached to {}, {} bytes behind", text_of(source["node"]),
                                      text_of(log["lag_bytes"]))
                        : "detached");
  print_line("spool",
             fmt::format("{} of {}", to_human_size(log["spool_bytes"].get<std::uint64_t>()),
                         to_human_size(log["spool_limit_bytes"].get<std::uint64_t>())));
}

void print(const ordered_json& status) {
  const ordered_json& health = status["health"];
  print_line("health", health["healthy"] == true ? "good" : "BAD");
  for (const ordered_json& reason : health["reasons"]) {
    print_line("  " + text_of(reason["level"]), text_of(reason["message"]));
  }
  print_agent(status);
  for (const ordered_json& repository : status["repositories"]) {
    print_line("repository",
               fmt::format("{} {}: {} backups, {}, from {} until {}", text_of(repository["name"]),
                           repository["reachable"] == true ? text_of(repository["url"])
                                                           : text_of(repository["error"]),
                           text_of(repository["backups"]),
                           to_human_size(repository["stored_bytes"].get<std::uint64_t>()),
                           text_of(repository["restorable_from"]),
                           text_of(repository["restorable_until"])));
  }
  if (status.contains("last_drill") && !status["last_drill"].is_null()) {
    const ordered_json& drill = status["last_drill"];
    print_line("drill", fmt::format("{} {}, as of {}", text_of(drill["finished"]),
                                    drill["ok"] == true ? "restorable" : "NOT RESTORABLE",
                                    text_of(drill["at"])));
  }
  for (const ordered_json& schedule : status["schedules"]) {
    print_line("schedule",
               fmt::format("{} ({}, {}): next {}, last {}", text_of(schedule["name"]),
                           text_of(schedule["cron"]), text_of(schedule["time_zone"]),
                           schedule["paused"] == true ? "never, paused" : text_of(schedule["next"]),
                           text_of(schedule["last_success"])));
  }
}

void run(Invocation& invocation) {
  const config::Config config = load_config(invocation.global);
  // A copy is something that only the repository itself can be asked about.
  auto of_agent = invocation.global.repository == config::Config::kPrimary
                      ? status_of_agent(config, invocation.stop)
                      : std::nullopt;
  const ordered_json status = of_agent ? std::move(*of_agent) : status_of_repository(invocation);
  if (invocation.global.json) {
    std::cout << status.dump(2) << '\n';
  } else {
    print(status);
  }
  if (status["health"]["healthy"] != true) {
    invocation.status = ExitStatus::unhealthy;
  }
}

}  // namespace

void add_status_command(CLI::App& app, Invocation& invocation) {
  auto* command =
      app.add_subcommand("status", "Say whether all is well, and what is not (exit status 10)");
  add_repository_option(*command, invocation.global);
  command->callback([&invocation] { run(invocation); });
}

}  // namespace keyrewind::cli
