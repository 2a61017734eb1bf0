#include "base/log.h"
#include "base/size.h"
#include "catalog/hold.h"
#include "cli/commands.h"
#include "cli/live_primary.h"
#include "cli/ordinals.h"
#include "cli/pending_request.h"
#include "cli/progress_display.h"
#include "cli/restore_report.h"
#include "restore/data_directory.h"
#include "restore/moment.h"
#include "restore/resolve.h"
#include "restore/restore_mark.h"
#include "restore/restore_plan.h"
#include "restore/server_data.h"
#include "restore/throwaway_server.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace keyrewind::cli {
namespace {

using restore::Layout;

struct RestoreArguments {
  std::string id;  ///< Empty: latest.
  std::string at;  ///< Empty: the backup's own moment, but see `moment_of`.
  std::string target;
  std::string layout = "auto";
  std::vector<std::string> server_config;
  std::string append_filename;
  std::string append_dirname;
  std::string server;
  std::string ordinals;
  bool if_empty = false;
  bool if_backup_exists = false;
  bool unless_alive = false;
  bool no_requests = false;
  bool dry_run = false;
  bool force = false;
};

/// One run of it.
struct Restore {
  const RestoreArguments& arguments;
  Repository& repository;
  Invocation& invocation;
  const Teller& teller;
};

restore::RestoreRequest to_request(const RestoreArguments& arguments) {
  restore::RestoreRequest request;
  request.target = arguments.target;
  static const std::map<std::string, Layout> kLayouts{
      {"rdb", Layout::rdb}, {"aof", Layout::aof}, {"both", Layout::both}};
  if (const auto layout = kLayouts.find(arguments.layout); layout != kLayouts.end()) {
    request.layout = layout->second;
  }
  request.server_config.assign(arguments.server_config.begin(), arguments.server_config.end());
  request.append_filename = arguments.append_filename;
  request.append_dirname = arguments.append_dirname;
  // "redis 7.0" is a version; anything else a program to be asked.
  if (!arguments.server.empty()) {
    request.server = rdb::parse_server_version(arguments.server);
    if (!request.server) {
      request.program = restore::ServerProgram{arguments.server};
      request.server = restore::ask_version(*request.program);
    }
  }
  request.force = arguments.force;
  request.unattended = arguments.if_empty;
  return request;
}

/// A lost volume comes back to the last write that is stored, not to the last backup: that is what
/// --if-empty is for, unless somebody names a backup.
std::string moment_of(const RestoreArguments& arguments) {
  const bool by_itself = arguments.if_empty && arguments.id.empty();
  return arguments.at.empty() && by_itself ? "latest" : arguments.at;
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

void refuse_old_data(const restore::RestorePlan& plan, bool may_move) {
  if (!plan.old_data.empty() && !may_move) {
    throw Error(
        ErrorKind::target_not_empty,
        fmt::format("target {} holds a server's data ({}); choose another folder, or --force "
                    "to move it aside",
                    plan.target.string(), fmt::join(plan.old_data, ", ")));
  }
}

/// What to restore; nothing if there never was a backup and that is all right.
std::optional<restore::Resolved> resolve(const Restore& run) {
  const catalog::Catalog& catalog = run.repository.catalog();
  const std::stop_token& stop = run.invocation.stop;
  try {
    return restore::resolve(catalog, run.arguments.id, moment_of(run.arguments), stop);
  } catch (const Error& error) {
    // A source that had backups and has none any more is a loss, not a first start.
    const bool any = run.arguments.id.empty() || run.arguments.id == "latest";
    if (error.kind() != ErrorKind::no_backup || !run.arguments.if_backup_exists || !any ||
        catalog.ever_backed_up(stop)) {
      throw;
    }
    return std::nullopt;
  }
}

/// Restores, and gives what came of it; nothing if it was only to be planned.
std::optional<catalog::RestoreOutcome> carry_out(const Restore& run,
                                                 const restore::Resolved& resolved,
                                                 std::uint64_t restore_request) {
  const auto& [arguments, repository, invocation, teller] = run;
  const catalog::Catalog& catalog = repository.catalog();
  restore::RestoreRequest request = to_request(arguments);
  request.restore_request = restore_request;
  const auto plan = restore::plan_restore(request, resolved.manifest, resolved.point);
  describe(plan, resolved.point, catalog.store().url(), teller);
  if (arguments.dry_run) {
    teller.finish(to_json(plan, resolved.point, "planned"));
  }
  refuse_old_data(plan, arguments.force || restore_request != 0);
  refuse_objections(plan, arguments.force);
  if (arguments.dry_run) {
    teller.say("dry run: nothing was written");
    return std::nullopt;
  }
  const auto& limits = repository.config().limits;
  const restore::ReadOptions options{.threads = limits.cpu_threads, .memory = limits.memory};
  const SystemClock clock;
  const catalog::ReadHold hold(catalog, restore::hold_request("restore", resolved.point), clock,
                               invocation.stop);
  const Timestamp started = clock.now();
  Progress progress;
  const auto result = [&] {
    const ProgressDisplay display("restore", progress, invocation.global);
    return restore::restore_to_directory(
        {catalog, resolved.manifest, resolved.point, options, progress, invocation.stop}, plan,
        clock);
  }();
  const Timestamp finished = clock.now();
  const auto took = finished - started;
  teller.say(fmt::format("restored {} in {}; start the server on {}", to_human_size(plan.bytes),
                         to_human(took), plan.target.string()));
  auto json = to_json(plan, resolved.point, "restored");
  json["seconds"] = static_cast<double>(took.count()) / 1000.0;
  if (result.moved_aside) {
    teller.say(fmt::format("old data is in {}; remove it when nobody needs it any more",
                           result.moved_aside->string()));
    json["moved_aside"] = result.moved_aside->string();
  }
  if (restore_request != 0) {
    json["restore_request"] = restore_request;
  }
  teller.finish(json);
  return catalog::RestoreOutcome{.backup = resolved.point.base.commit.id,
                                 .at = resolved.point.at,
                                 .offset = resolved.point.offset,
                                 .bytes = plan.bytes,
                                 .seconds = static_cast<double>(took.count()) / 1000.0,
                                 .finished = finished,
                                 .node = name_of_node()};
}

void say_nothing_to_restore(const Restore& run, const std::string& why,
                            const std::string& outcome) {
  run.teller.say(why + ": nothing to restore");
  run.teller.finish({{"outcome", outcome}, {"target", run.arguments.target}});
}

/// Whether this pod is none of those that are restored.
bool is_for_others(const Restore& run) {
  if (run.arguments.ordinals.empty()) {
    return false;
  }
  const auto ordinals = parse_ordinals(run.arguments.ordinals);
  const auto ordinal = ordinal_of_pod();
  if (!ordinal) {
    throw Error(ErrorKind::config,
                "--ordinals is given, but no number of this pod: set KEYREWIND_POD_INDEX, or "
                "POD_NAME to a name such as orders-0");
  }
  if (ordinals.contains(*ordinal)) {
    return false;
  }
  say_nothing_to_restore(
      run,
      fmt::format("pod {} is not among those that are restored ({}), its server copies from its "
                  "primary",
                  *ordinal, run.arguments.ordinals),
      "other_ordinal");
  return true;
}

void carry_out_request(const Restore& run, const catalog::RestoreRequest& request) {
  run.teller.say(fmt::format("request  {} of {} by {}: backup {}, moment {}", request.number,
                             to_rfc3339(request.created), request.by,
                             request.backup.empty() ? "as fits" : request.backup,
                             request.at.empty() ? "the backup's own" : request.at));
  const catalog::Catalog& catalog = run.repository.catalog();
  std::optional<catalog::RestoreOutcome> outcome;
  try {
    outcome =
        carry_out(run, restore::resolve(catalog, request.backup, request.at, run.invocation.stop),
                  request.number);
  } catch (Error& error) {
    error.add_context(fmt::format("restore request {}", request.number));
    note_failure(run.repository, request, error, run.invocation.stop);
    throw;
  }
  if (outcome) {
    note_outcome(run.repository, request, *outcome, run.invocation.stop);
  }
}

/// A pending request first, then the folder as it is.
void restore_or_leave(const Restore& run, bool has_data) {
  const RestoreArguments& arguments = run.arguments;
  if (arguments.if_empty && !arguments.no_requests) {
    const auto request =
        find_pending_request(run.repository, arguments.target, has_data, run.invocation);
    if (request) {
      carry_out_request(run, *request);
      return;
    }
  }
  if (has_data) {
    say_nothing_to_restore(run, fmt::format("{} holds a server's data", arguments.target),
                           "data_present");
    return;
  }
  if (const auto alive = arguments.unless_alive
                             ? find_live_primary(run.repository.config(), run.invocation.stop)
                             : std::nullopt) {
    say_nothing_to_restore(
        run, fmt::format("a primary with data is alive at {}, this server copies from it", *alive),
        "alive");
    return;
  }
  const auto resolved = resolve(run);
  if (!resolved) {
    say_nothing_to_restore(
        run,
        fmt::format("{} has never been backed up to {}", run.repository.config().source.name,
                    run.repository.catalog().store().url()),
        "no_backup");
    return;
  }
  carry_out(run, *resolved, 0);
}

void run(const RestoreArguments& arguments, Invocation& invocation) {
  const Teller teller(invocation.global.json);
  if (arguments.target.empty()) {
    throw Error(ErrorKind::config, "restore needs --target, the data folder");
  }
  // The configuration is read before the folder is looked at, the repository only after.
  Repository repository(invocation.global, config::Identities::required);
  const Restore run{arguments, repository, invocation, teller};
  if (const std::string at = moment_of(arguments); !at.empty()) {
    restore::parse_moment(at);
  }
  if (is_for_others(run)) {
    return;
  }
  const restore::ServerConfig server_config = restore::server_config_of(to_request(arguments));
  if (!arguments.dry_run) {
    restore::clear_unfinished_restore(arguments.target);
  }
  const bool has_data =
      arguments.if_empty && !restore::find_server_data(arguments.target, server_config).empty();
  const SystemClock clock;
  const Timestamp started = clock.now();
  try {
    restore_or_leave(run, has_data);
  } catch (const Error& error) {
    if (arguments.if_empty && !has_data && !arguments.dry_run &&
        error.kind() != ErrorKind::cancelled) {
      restore::note_failed_restore(arguments.target, error.what(), started, clock);
    }
    throw;
  }
}

void add_options(CLI::App& command, RestoreArguments& arguments) {
  command.add_option("backup", arguments.id,
                     "Its id or a beginning of it, or latest, which is the default");
  command.add_option("--at", arguments.at,
                     "The moment: a time such as 2026-11-20T13:02:21Z, latest, offset:N, or "
                     "before:EVENT-ID; default: the backup's own, but latest with --if-empty and "
                     "no backup named");
  command.add_option("--target", arguments.target, "The data folder");
  command
      .add_option("--layout", arguments.layout,
                  "Files to write: rdb, aof, both, or auto: as --server-config says, else both "
                  "(with --at and no server program that makes the RDB: aof)")
      ->check(CLI::IsMember({"auto", "rdb", "aof", "both"}))
      ->capture_default_str();
  command
      .add_option("--server-config", arguments.server_config,
                  "redis.conf or valkey.conf of the server that will start there; of several, "
                  "the last value wins")
      ->allow_extra_args(false);
  const auto plain_name = [](const std::string& name) {
    return restore::is_plain_name(name) ? "" : "must be a plain name, no path";
  };
  command
      .add_option("--append-filename", arguments.append_filename,
                  "The server's appendfilename, where no configuration file can be read")
      ->check(plain_name);
  command
      .add_option("--append-dirname", arguments.append_dirname, "The server's appenddirname, ditto")
      ->check(plain_name);
  command.add_option(
      "--server", arguments.server,
      "That server's version (\"valkey 8.1\") or program, to check that it can load the backup; "
      "with --at, a program also makes the RDB of that moment");
  command.add_flag("--if-empty", arguments.if_empty,
                   "Succeed without doing anything if the folder holds a server's data, unless a "
                   "restore request is pending");
  command.add_flag("--if-backup-exists", arguments.if_backup_exists,
                   "Succeed without doing anything if the source was never backed up");
  command.add_option("--ordinals", arguments.ordinals,
                     "Restore only in pods of these numbers, such as 0 or 0,2-4, and succeed "
                     "without doing anything in others");
  command.add_flag("--unless-alive", arguments.unless_alive,
                   "Succeed without doing anything if a primary of the source answers and holds "
                   "keys: for servers that Sentinels may promote");
  command.add_flag("--no-requests", arguments.no_requests,
                   "With --if-empty: do not look for a restore request");
  command.add_flag("--dry-run", arguments.dry_run, "Show the plan and write nothing");
  command.add_flag("--force", arguments.force,
                   "Move old data aside, and go on in spite of objections");
}

}  // namespace

void add_restore_command(CLI::App& app, Invocation& invocation) {
  auto arguments = std::make_shared<RestoreArguments>();
  auto* command = app.add_subcommand("restore", "Put a backup into a server's data folder");
  add_options(*command, *arguments);
  add_repository_option(*command, invocation.global);
  add_restore_request_command(*command, invocation);
  command->callback([arguments, command, &invocation] {
    if (command->get_subcommands().empty()) {
      run(*arguments, invocation);
    }
  });
}

}  // namespace keyrewind::cli
