#include "base/log.h"
#include "base/size.h"
#include "cli/commands.h"
#include "config/retention_rules.h"
#include "prune/prune.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <iostream>
#include <memory>
#include <string>
#include <vector>

namespace keyrewind::cli {
namespace {

/// Digits of a lineage that are shown.
constexpr std::size_t kShownLineage = 8;

struct PruneArguments {
  std::string repository;  ///< Empty: the primary and all copies.
  bool dry_run = false;
  bool yes = false;
};

std::vector<std::string> repositories_of(const PruneArguments& arguments,
                                         const config::Config& config) {
  if (!arguments.repository.empty()) {
    return {config::find_repository(config, arguments.repository).name};
  }
  // First what is copied from, so that what goes there is not copied again.
  std::vector<std::string> names{config::Config::kPrimary};
  for (const config::Config::Repository& copy : config.copies) {
    names.push_back(copy.name);
  }
  return names;
}

std::string plural(std::uint64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

void print_backups(const prune::PruneReport& report, bool keep) {
  for (const prune::BackupOutcome& backup : report.backups) {
    if (backup.keep == keep) {
      std::cout << fmt::format("  {:<24} {:<20} {:>11}  {}\n", backup.commit.id,
                               to_rfc3339(backup.commit.created).substr(0, 19),
                               to_human_size(backup.commit.stored_bytes),
                               fmt::join(backup.reasons, ", "));
    }
  }
}

void print_logs(const prune::PruneReport& report) {
  for (const prune::LogOutcome& log : report.logs) {
    const std::string lineage = log.lineage.substr(0, kShownLineage);
    if (log.kept_segments != 0) {
      std::cout << fmt::format("keep log of lineage {}: {}, {} ({})\n", lineage,
                               plural(log.kept_segments, "segment"), to_human_size(log.kept_bytes),
                               log.reasons.empty()
                                   ? "nothing is known of it"
                                   : fmt::format("{}", fmt::join(log.reasons, ", ")));
    }
    if (log.removed_segments != 0) {
      std::cout << fmt::format("remove log of lineage {}: {}, {} ({})\n", lineage,
                               plural(log.removed_segments, "segment"),
                               to_human_size(log.removed_bytes),
                               log.keep_from ? fmt::format("all before offset {}", *log.keep_from)
                                             : std::string("no kept moment needs it"));
    }
  }
}

void print(const std::string& name, const prune::PruneReport& report, bool dry_run,
           std::uint64_t calls) {
  std::cout << fmt::format("{}: keep {}:\n", name, plural(report.kept_backups, "backup"));
  print_backups(report, true);
  std::cout << fmt::format("{}: remove {}:\n", name, plural(report.removed_backups, "backup"));
  print_backups(report, false);
  print_logs(report);
  std::cout << fmt::format("{}: {} {} of backups and log; {}\n", name,
                           dry_run ? "would remove" : "removed",
                           to_human_size(report.removed_bytes), plural(calls, "store call"));
}

nlohmann::ordered_json to_json(const std::string& name, const prune::PruneReport& report,
                               bool dry_run, std::uint64_t calls) {
  auto backups = nlohmann::ordered_json::array();
  for (const prune::BackupOutcome& backup : report.backups) {
    backups.push_back({{"id", backup.commit.id},
                       {"created", to_rfc3339(backup.commit.created)},
                       {"stored_bytes", backup.commit.stored_bytes},
                       {"action", backup.keep ? "keep" : "remove"},
                       {"reasons", backup.reasons}});
  }
  auto logs = nlohmann::ordered_json::array();
  for (const prune::LogOutcome& log : report.logs) {
    nlohmann::ordered_json row{{"lineage", log.lineage}, {"keep_from", nullptr}};
    if (log.keep_from) {
      row["keep_from"] = *log.keep_from;
    }
    row["reasons"] = log.reasons;
    row["kept_segments"] = log.kept_segments;
    row["kept_bytes"] = log.kept_bytes;
    row["removed_segments"] = log.removed_segments;
    row["removed_bytes"] = log.removed_bytes;
    logs.push_back(std::move(row));
  }
  auto refused = nlohmann::ordered_json::array();
  for (const prune::Refusal& refusal : report.refused) {
    refused.push_back({{"object", refusal.object}, {"reason", refusal.reason}});
  }
  return {{"repository", name},
          {"dry_run", dry_run},
          {"backups", std::move(backups)},
          {"logs", std::move(logs)},
          {"kept_backups", report.kept_backups},
          {"removed_backups", report.removed_backups},
          {"removed_bytes", report.removed_bytes},
          {"removed_objects", report.removed_objects},
          {"problems", report.problems},
          {"refused", std::move(refused)},
          {"store_calls", calls}};
}

/// Says what did not go as it should.
void warn(const std::string& name, const prune::PruneReport& report, Invocation& invocation) {
  for (const std::string& problem : report.problems) {
    log::warn(
        "nothing is removed as long as a backup is damaged; bring it back from a copy, or "
        "'keyrewind delete' it",
        {{"repository", name}, {"problem", problem}});
  }
  for (const prune::Refusal& refusal : report.refused) {
    log::warn("object not removed; the next run tries again",
              {{"repository", name}, {"object", refusal.object}, {"error", refusal.reason}});
  }
  if (!report.problems.empty() || !report.refused.empty()) {
    invocation.status = ExitStatus::warnings;
  }
}

nlohmann::ordered_json prune_one(const config::Config& config, const std::string& name,
                                 bool dry_run, Invocation& invocation) {
  Repository repository(config, name, {});
  const prune::PruneReport report = prune::prune(
      repository.catalog(), {.rules = config::to_retention_rules(config), .dry_run = dry_run},
      SystemClock(), invocation.stop);
  warn(name, report, invocation);
  if (!invocation.global.json) {
    print(name, report, dry_run, repository.store_calls());
  }
  return to_json(name, report, dry_run, repository.store_calls());
}

/// One repository that fails does not keep the others from their turn.
void run(const PruneArguments& arguments, Invocation& invocation) {
  const config::Config config = load_config(invocation.global);
  const bool dry_run = arguments.dry_run || !arguments.yes;
  if (!config.retention.enabled && !dry_run) {
    throw Error(ErrorKind::config,
                "retention.enabled is false: nothing is ever removed; set it to true first");
  }
  const std::vector<std::string> names = repositories_of(arguments, config);
  auto rows = nlohmann::ordered_json::array();
  for (const std::string& name : names) {
    try {
      rows.push_back(prune_one(config, name, dry_run, invocation));
    } catch (Error& error) {
      error.add_context("prune " + name);
      if (names.size() == 1 || error.kind() == ErrorKind::cancelled) {
        throw;
      }
      log::error("repository not pruned", {{"repository", name}, {"error", error.what()}});
      rows.push_back({{"repository", name}, {"error", error.what()}});
      invocation.status = exit_status(error);
    }
  }
  if (invocation.global.json) {
    std::cout << nlohmann::ordered_json{{"repositories", rows}}.dump(2) << '\n';
  } else if (dry_run && !config.retention.enabled) {
    std::cout << "nothing was removed: retention.enabled is false\n";
  } else if (dry_run) {
    std::cout << "nothing was removed; 'keyrewind prune --yes' does it\n";
  }
}

}  // namespace

void add_prune_command(CLI::App& app, Invocation& invocation) {
  auto arguments = std::make_shared<PruneArguments>();
  auto* command = app.add_subcommand(
      "prune", "Show what retention keeps and why, and with --yes remove the rest");
  auto* dry_run =
      command->add_flag("--dry-run", arguments->dry_run, "Only show it, as without --yes");
  command->add_flag("-y,--yes", arguments->yes, "Remove what retention does not keep")
      ->excludes(dry_run);
  command->add_option("--repository", arguments->repository,
                      "Only this one: primary, or the name of one of copies; default: all");
  command->callback([arguments, &invocation] { run(*arguments, invocation); });
}

}  // namespace keyrewind::cli
