#include "base/log.h"
#include "base/size.h"
#include "catalog/hold.h"
#include "cli/commands.h"
#include "cli/progress_display.h"
#include "config/storage_options.h"
#include "restore/verify.h"
#include "restore/verify_log.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace keyrewind::cli {
namespace {

using restore::VerifyLevel;

/// Digits of a lineage that are shown.
constexpr std::size_t kShownLineage = 8;

struct VerifyArguments {
  std::string id = "latest";
  bool all = false;
  std::string level = "parse";
  std::string server;
  std::string temporary;
};

VerifyLevel level_from(const std::string& name) {
  if (name == "checksum") {
    return VerifyLevel::checksum;
  }
  return name == "load" ? VerifyLevel::load : VerifyLevel::parse;
}

nlohmann::ordered_json to_json(const catalog::Commit& commit, VerifyLevel level,
                               const restore::VerifyResult& result) {
  return {{"id", commit.id},
          {"level", to_string(level)},
          {"ok", true},
          {"keys", result.keys},
          {"expired", result.expired},
          {"raw_bytes", result.raw_bytes},
          {"stored_bytes", result.stored_bytes},
          {"server", result.server}};
}

std::string to_line(const catalog::Commit& commit, VerifyLevel level,
                    const restore::VerifyResult& result) {
  switch (level) {
    case VerifyLevel::checksum:
      return fmt::format("{}: ok, {} of stored bytes have their checksums", commit.id,
                         to_human_size(result.stored_bytes));
    case VerifyLevel::parse:
      return fmt::format("{}: ok, {} of RDB followed, {}", commit.id,
                         to_human_size(result.raw_bytes),
                         commit.opaque ? "keys not counted" : fmt::format("{} keys", result.keys));
    case VerifyLevel::load:
      return fmt::format(
          "{}: ok, {} loaded {} keys{}", commit.id, result.server, result.keys,
          result.expired == 0 ? "" : fmt::format(", {} of them expired since", result.expired));
  }
  return commit.id;
}

nlohmann::ordered_json to_json(const restore::VerifiedLog& log) {
  return {{"lineage", log.lineage},
          {"begin", log.begin},
          {"end", log.end},
          {"from", to_rfc3339(log.from)},
          {"until", to_rfc3339(log.until)},
          {"segments", log.segments},
          {"unreadable_segments", log.unreadable},
          {"raw_bytes", log.raw_bytes},
          {"ok", log.damages.empty()},
          {"damages", log.damages}};
}

std::string to_line(const restore::VerifiedLog& log, VerifyLevel level) {
  std::string line =
      fmt::format("log of lineage {} behind offset {}: {}, ", log.lineage.substr(0, kShownLineage),
                  log.begin, log.damages.empty() ? "ok" : "DAMAGED");
  const std::string segments =
      fmt::format("{} segment{}", log.segments, log.segments == 1 ? "" : "s");
  line += level == VerifyLevel::checksum
              ? fmt::format("the indexes of {} hold together", segments)
              : fmt::format("{} of {} followed", to_human_size(log.raw_bytes), segments);
  line += fmt::format(" up to offset {}, {}", log.end, to_rfc3339(log.until));
  if (log.unreadable != 0) {
    line += fmt::format("; not readable without identity: {} segments not checked", log.unreadable);
  }
  return line;
}

/// What is worse stays.
void worsen(Invocation& invocation, ExitStatus status) {
  if (invocation.status == ExitStatus::ok || status == ExitStatus::corrupt) {
    invocation.status = status;
  }
}

/// Notes what was found of the log, on stderr and in the exit status.
void report(const restore::LogVerification& verification, Invocation& invocation) {
  for (const restore::VerifiedLog& log : verification.logs) {
    for (const std::string& damage : log.damages) {
      log::error("log failed verification", {{"lineage", log.lineage}, {"error", damage}});
      worsen(invocation, ExitStatus::corrupt);
    }
    if (log.unreadable != 0) {
      log::warn("log not readable without identity; set encryption.identity_file to check it",
                {{"lineage", log.lineage}, {"segments", log.unreadable}});
      worsen(invocation, ExitStatus::warnings);
    }
  }
  for (const std::string& problem : verification.problems) {
    log::error("repository failed verification", {{"error", problem}});
    worsen(invocation, ExitStatus::corrupt);
  }
}

/// Verifies the log behind `backup`, or behind all, and gives what is to be printed of it.
nlohmann::ordered_json verify_log(const std::optional<std::string>& backup, Repository& repository,
                                  const restore::VerifyOptions& options, Invocation& invocation) {
  Progress progress;
  const auto verification = [&] {
    const ProgressDisplay display("verify log", progress, invocation.global);
    return restore::verify_log(repository.catalog(), backup, options, progress, invocation.stop);
  }();
  auto logs = nlohmann::ordered_json::array();
  for (const restore::VerifiedLog& log : verification.logs) {
    logs.push_back(to_json(log));
    if (!invocation.global.json) {
      std::cout << to_line(log, options.level) << '\n';
    }
  }
  report(verification, invocation);
  return {{"logs", std::move(logs)}, {"problems", verification.problems}};
}

/// Verifies backup after backup, and the log behind them, reporting each; one that is damaged does
/// not keep the others from their turn.
void run(const VerifyArguments& arguments, Invocation& invocation) {
  const VerifyLevel level = level_from(arguments.level);
  // Checksums are of what is stored.
  Repository repository(invocation.global, level == VerifyLevel::checksum
                                               ? config::Identities::if_available
                                               : config::Identities::required);
  const auto& limits = repository.config().limits;
  const restore::VerifyOptions options{
      .level = level,
      .read = {.threads = limits.cpu_threads,
               .connections =
                   config::find_repository(repository.config(), repository.name()).connections,
               .memory = limits.memory},
      .server = {arguments.server},
      .temporary = arguments.temporary.empty() ? std::filesystem::temp_directory_path()
                                               : std::filesystem::path(arguments.temporary)};
  const auto backups = arguments.all
                           ? repository.catalog().list(invocation.stop)
                           : std::vector{repository.catalog().find(arguments.id, invocation.stop)};
  if (backups.empty()) {
    throw Error(ErrorKind::no_backup,
                fmt::format("no backup of '{}' to verify", repository.config().source.name));
  }
  const SystemClock clock;
  const catalog::ReadHold hold(repository.catalog(), {.by = "verify"}, clock, invocation.stop);
  auto rows = nlohmann::ordered_json::array();
  for (const catalog::Commit& commit : backups) {
    try {
      Progress progress;
      const auto result = [&] {
        const ProgressDisplay display("verify", progress, invocation.global);
        return restore::verify_backup(repository.catalog(), commit, options, progress,
                                      invocation.stop);
      }();
      rows.push_back(to_json(commit, options.level, result));
      if (!invocation.global.json) {
        std::cout << to_line(commit, options.level, result) << '\n';
      }
    } catch (Error& error) {
      error.add_context("verify " + commit.id);
      if (backups.size() == 1 || error.kind() == ErrorKind::cancelled) {
        throw;
      }
      log::error("backup failed verification", {{"backup", commit.id}, {"error", error.what()}});
      rows.push_back(
          {{"id", commit.id}, {"level", arguments.level}, {"ok", false}, {"error", error.what()}});
      worsen(invocation, exit_status(error));
    }
  }
  const auto log = verify_log(arguments.all ? std::nullopt : std::optional(backups.front().id),
                              repository, options, invocation);
  if (invocation.global.json) {
    std::cout << nlohmann::ordered_json{{"backups", rows},
                                        {"logs", log["logs"]},
                                        {"problems", log["problems"]}}
                     .dump(2)
              << '\n';
  }
}

}  // namespace

void add_verify_command(CLI::App& app, Invocation& invocation) {
  auto arguments = std::make_shared<VerifyArguments>();
  auto* command =
      app.add_subcommand("verify", "Check that backups and the log behind them are sound");
  auto* id = command->add_option("backup", arguments->id, "Its id or a beginning of it, or latest")
                 ->capture_default_str();
  command->add_flag("--all", arguments->all, "Every backup")->excludes(id);
  command
      ->add_option("--level", arguments->level,
                   "checksum: every stored byte; parse: the RDB too; load: a throw-away server "
                   "loads it")
      ->check(CLI::IsMember({"checksum", "parse", "load"}))
      ->capture_default_str();
  command->add_option("--server", arguments->server,
                      "Server program for level load, with options if need be; default: "
                      "valkey-server or redis-server, as the source was");
  command->add_option("--temp-dir", arguments->temporary,
                      "Folder with room for the RDB, for level load");
  add_repository_option(*command, invocation.global);
  command->callback([arguments, &invocation] { run(*arguments, invocation); });
}

}  // namespace keyrewind::cli
