#include "base/log.h"
#include "base/size.h"
#include "cli/commands.h"
#include "cli/progress_display.h"
#include "restore/data_directory.h"
#include "restore/moment.h"
#include "restore/resolve.h"
#include "restore/restore_plan.h"
#include "restore/server_data.h"
#include "restore/throwaway_server.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdint>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace keyrewind::cli {
namespace {

using restore::Layout;

struct RestoreArguments {
  std::string id = "latest";
  std::string at;  ///< Empty: the backup's own moment.
  std::string target;
  std::string layout = "auto";
  std::string server_config;
  std::string server;
  bool if_empty = false;
  bool if_backup_exists = false;
  bool dry_run = false;
  bool force = false;
};

restore::RestoreRequest to_request(const RestoreArguments& arguments) {
  restore::RestoreRequest request;
  request.target = arguments.target;
  static const std::map<std::string, Layout> kLayouts{
      {"rdb", Layout::rdb}, {"aof", Layout::aof}, {"both", Layout::both}};
  if (const auto layout = kLayouts.find(arguments.layout); layout != kLayouts.end()) {
    request.layout = layout->second;
  }
  if (!arguments.server_config.empty()) {
    request.server_config = arguments.server_config;
  }
  // "redis 7.0" is a version; anything else a program to be asked.
  if (!arguments.server.empty()) {
    request.server = rdb::parse_server_version(arguments.server);
    if (!request.server) {
      request.program = restore::ServerProgram{arguments.server};
      request.server = restore::ask_version(*request.program);
    }
  }
  request.force = arguments.force;
  return request;
}

/// Tells what happens, one line a fact: on stdout as text, or gathered for one JSON object.
class Teller {
 public:
  explicit Teller(bool json) : json_(json) {}

  void say(const std::string& line) const {
    if (!json_) {
      std::cout << line << '\n';
    }
  }

  void finish(const nlohmann::ordered_json& object) const {
    if (json_) {
      std::cout << object.dump(2) << '\n';
    }
  }

 private:
  const bool json_;
};

nlohmann::ordered_json to_json(const restore::RestorePlan& plan, const restore::RestorePoint& point,
                               const std::string& outcome) {
  const catalog::Commit& commit = point.base.commit;
  return {{"outcome", outcome},
          {"backup", commit.id},
          {"created", to_rfc3339(commit.created)},
          {"at", to_rfc3339(point.at)},
          {"offset", point.offset},
          {"lineage", point.window.lineage},
          {"target", plan.target.string()},
          {"layout", to_string(plan.layout)},
          {"files", plan.files},
          {"old_data", plan.old_data},
          {"keys", commit.keys},
          {"bytes", plan.bytes},
          {"stored_bytes", plan.stored_bytes},
          {"segments", plan.segments},
          {"log_bytes", plan.log_bytes},
          {"estimated_seconds", plan.estimated_seconds},
          {"needs", plan.needs},
          {"objections", plan.objections},
          {"notes", plan.notes}};
}

/// "about 3s": no fractions of what is a guess.
std::string about(std::uint64_t seconds) {
  return seconds < 60 ? fmt::format("about {}s", seconds)
                      : "about " + to_human(std::chrono::seconds(seconds));
}

void describe(const restore::RestorePlan& plan, const restore::RestorePoint& point,
              const std::string& repository, const Teller& teller) {
  const catalog::Commit& commit = point.base.commit;
  teller.say(fmt::format("backup   {} of {}, taken {} from {}, in {}", commit.id, commit.source,
                         to_rfc3339(commit.created), commit.server, repository));
  if (point.needs_log()) {
    teller.say(fmt::format("moment   {}, offset {} of lineage {}", to_rfc3339(point.at),
                           point.offset, point.window.lineage));
    teller.say(fmt::format("log      {} from {} segment{}", to_human_size(plan.log_bytes),
                           plan.segments, plan.segments == 1 ? "" : "s"));
  }
  teller.say(fmt::format("data     {}, {} of RDB, {} to fetch, {}",
                         commit.opaque ? "keys not counted" : fmt::format("{} keys", commit.keys),
                         to_human_size(plan.bytes - plan.log_bytes),
                         to_human_size(plan.stored_bytes), about(plan.estimated_seconds)));
  teller.say(fmt::format("target   {}, layout {} ({})", plan.target.string(),
                         to_string(plan.layout), plan.layout_reason));
  for (const std::string& file : plan.files) {
    teller.say("  " + file);
  }
  if (!plan.old_data.empty()) {
    teller.say(fmt::format("moved    {} to .keyrewind-old-*/", fmt::join(plan.old_data, ", ")));
  }
  for (const std::string& note : plan.notes) {
    teller.say("note     " + note);
  }
}

/// The backup to restore; nothing if there never was one and that is all right.
std::optional<catalog::Commit> find_backup(const RestoreArguments& arguments,
                                           const catalog::Catalog& catalog,
                                           const std::stop_token& stop) {
  try {
    return catalog.find(arguments.id, stop);
  } catch (const Error& error) {
    // A source that had backups and has none any more is a loss, not a first start.
    if (error.kind() != ErrorKind::no_backup || !arguments.if_backup_exists ||
        arguments.id != "latest" || catalog.ever_backed_up(stop)) {
      throw;
    }
    return std::nullopt;
  }
}

void refuse_objections(const restore::RestorePlan& plan, bool force) {
  for (const std::string& objection : plan.objections) {
    if (!force) {
      throw Error(ErrorKind::incompatible,
                  fmt::format("restore refused: {}; --force to go on anyway", objection));
    }
    log::warn("objection overruled by --force", {{"objection", objection}});
  }
}

void refuse_old_data(const restore::RestorePlan& plan, bool force) {
  if (!plan.old_data.empty() && !force) {
    throw Error(
        ErrorKind::target_not_empty,
        fmt::format("target {} holds a server's data ({}); choose another folder, or --force "
                    "to move it aside",
                    plan.target.string(), fmt::join(plan.old_data, ", ")));
  }
}

/// What to restore; nothing if there never was a backup and that is all right.
std::optional<restore::Resolved> resolve(const RestoreArguments& arguments,
                                         const std::optional<restore::Moment>& moment,
                                         const catalog::Catalog& catalog,
                                         const std::stop_token& stop) {
  // `find_backup` says what is the matter where there is nothing at all.
  const bool by_moment_alone = moment && arguments.id == "latest" && catalog.ever_backed_up(stop);
  if (by_moment_alone) {
    return restore::resolve_moment(catalog, *moment, std::nullopt, stop);
  }
  const auto commit = find_backup(arguments, catalog, stop);
  if (!commit) {
    return std::nullopt;
  }
  return moment ? restore::resolve_moment(catalog, *moment, commit->id, stop)
                : restore::resolve_backup(catalog, *commit, stop);
}

void carry_out(const RestoreArguments& arguments, const restore::Resolved& resolved,
               Repository& repository, Invocation& invocation, const Teller& teller) {
  catalog::Catalog& catalog = repository.catalog();
  const auto plan = restore::plan_restore(to_request(arguments), resolved.manifest, resolved.point);
  describe(plan, resolved.point, catalog.store().url(), teller);
  if (arguments.dry_run) {
    teller.finish(to_json(plan, resolved.point, "planned"));
  }
  refuse_old_data(plan, arguments.force);
  refuse_objections(plan, arguments.force);
  if (arguments.dry_run) {
    teller.say("dry run: nothing was written");
    return;
  }
  const auto& limits = repository.config().limits;
  const restore::ReadOptions options{.threads = limits.cpu_threads, .memory = limits.memory};
  const SystemClock clock;
  const Timestamp started = clock.now();
  Progress progress;
  const auto result = [&] {
    const ProgressDisplay display("restore", progress, invocation.global);
    return restore::restore_to_directory(
        {catalog, resolved.manifest, resolved.point, options, progress, invocation.stop}, plan,
        clock);
  }();
  const auto took = clock.now() - started;
  teller.say(fmt::format("restored {} in {}; start the server on {}", to_human_size(plan.bytes),
                         to_human(took), plan.target.string()));
  auto json = to_json(plan, resolved.point, "restored");
  json["seconds"] = static_cast<double>(took.count()) / 1000.0;
  if (result.moved_aside) {
    json["moved_aside"] = result.moved_aside->string();
  }
  teller.finish(json);
}

void run(const RestoreArguments& arguments, Invocation& invocation) {
  const Teller teller(invocation.global.json);
  // The configuration is read before the folder is looked at, the repository only after: a start
  // with data in place costs nothing.
  Repository repository(invocation.global, config::Identities::required);
  const auto moment =
      arguments.at.empty() ? std::nullopt : std::optional(restore::parse_moment(arguments.at));
  const restore::ServerConfig server_config = restore::server_config_of(to_request(arguments));
  if (!arguments.dry_run) {
    restore::clear_unfinished_restore(arguments.target);
  }
  if (arguments.if_empty && !restore::find_server_data(arguments.target, server_config).empty()) {
    teller.say(fmt::format("{} holds a server's data: nothing to restore", arguments.target));
    teller.finish({{"outcome", "data_present"}, {"target", arguments.target}});
    return;
  }
  const auto resolved = resolve(arguments, moment, repository.catalog(), invocation.stop);
  if (!resolved) {
    teller.say(fmt::format("{} has never been backed up to {}: nothing to restore",
                           repository.config().source.name, repository.config().repository.url));
    teller.finish({{"outcome", "no_backup"}, {"target", arguments.target}});
    return;
  }
  carry_out(arguments, *resolved, repository, invocation, teller);
}

}  // namespace

void add_restore_command(CLI::App& app, Invocation& invocation) {
  auto arguments = std::make_shared<RestoreArguments>();
  auto* command = app.add_subcommand("restore", "Put a backup into a server's data folder");
  command->add_option("backup", arguments->id, "Its id or a beginning of it, or latest")
      ->capture_default_str();
  command->add_option("--at", arguments->at,
                      "The moment: a time such as 2026-11-20T13:02:21Z, latest, offset:N, or "
                      "before:EVENT-ID; default: the backup's own");
  command->add_option("--target", arguments->target, "The data folder")->required();
  command
      ->add_option("--layout", arguments->layout,
                   "Files to write: rdb, aof, both, or auto: as --server-config says, else both "
                   "(with --at and no server program that makes the RDB: aof)")
      ->check(CLI::IsMember({"auto", "rdb", "aof", "both"}))
      ->capture_default_str();
  command->add_option("--server-config", arguments->server_config,
                      "redis.conf or valkey.conf of the server that will start there");
  command->add_option(
      "--server", arguments->server,
      "That server's version (\"valkey 8.1\") or program, to check that it can load the backup; "
      "with --at, a program also makes the RDB of that moment");
  command->add_flag("--if-empty", arguments->if_empty,
                    "Succeed without doing anything if the folder holds a server's data");
  command->add_flag("--if-backup-exists", arguments->if_backup_exists,
                    "Succeed without doing anything if the source was never backed up");
  command->add_flag("--dry-run", arguments->dry_run, "Show the plan and write nothing");
  command->add_flag("--force", arguments->force,
                    "Move old data aside, and go on in spite of objections");
  add_repository_option(*command, invocation.global);
  command->callback([arguments, &invocation] { run(*arguments, invocation); });
}

}  // namespace keyrewind::cli
