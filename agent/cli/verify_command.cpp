#include "base/log.h"
#include "base/size.h"
#include "cli/commands.h"
#include "cli/progress_display.h"
#include "restore/verify.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

namespace keyrewind::cli {
namespace {

using restore::VerifyLevel;

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

/// Verifies backup after backup, reporting each; one that is damaged does not keep the others from
/// their turn.
void run(const VerifyArguments& arguments, Invocation& invocation) {
  Repository repository(invocation.global, config::Identities::required);
  const auto& limits = repository.config().limits;
  const restore::VerifyOptions options{
      .level = level_from(arguments.level),
      .read = {.threads = limits.cpu_threads, .memory = limits.memory},
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
      invocation.status = exit_status(error);
    }
  }
  if (invocation.global.json) {
    std::cout << nlohmann::ordered_json{{"backups", rows}}.dump(2) << '\n';
  }
}

}  // namespace

void add_verify_command(CLI::App& app, Invocation& invocation) {
  auto arguments = std::make_shared<VerifyArguments>();
  auto* command = app.add_subcommand("verify", "Check that backups are sound");
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
