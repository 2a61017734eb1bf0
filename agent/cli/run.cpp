#include "cli/run.h"

#include "base/version.h"
#include "cli/commands.h"
#include "cli/config_command.h"
#include "cli/interrupt.h"
#include "cli/status_command.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cstdio>
#include <exception>
#include <string>

namespace keyrewind::cli {
namespace {

constexpr const char* kFooter =
    "Exit status: 0 ok, 1 failure, 2 usage or configuration, 3 finished with warnings, 4 no "
    "matching\n"
    "backup, 5 repository unreachable or denied, 6 source unreachable or denied, 7 target not "
    "empty,\n"
    "8 verification failed or corrupt, 9 locked, 130 interrupted. Anything else is a failure.";

void add_global_options(CLI::App& app, GlobalOptions& global) {
  app.add_option("-c,--config", global.config_file,
                 "Configuration file (default: /etc/keyrewind/config.yaml)");
  app.add_option_function<std::string>(
         "-o,--output", [&global](const std::string& format) { global.json = format == "json"; },
         "Form of the result: table or json")
      ->check(CLI::IsMember({"table", "json"}));
  app.add_flag("-q,--quiet", global.quiet, "No progress, and only errors in the log");
  app.add_flag("-v,--verbose", global.verbose, "Debug lines in the log");
}

void add_commands(CLI::App& app, Invocation& invocation) {
  add_agent_command(app, invocation);
  add_backup_command(app, invocation);
  add_schedule_command(app, invocation);
  add_list_command(app, invocation);
  add_show_command(app, invocation);
  add_timeline_command(app, invocation);
  add_restore_command(app, invocation);
  add_verify_command(app, invocation);
  add_drill_command(app, invocation);
  add_copy_command(app, invocation);
  add_prune_command(app, invocation);
  add_delete_command(app, invocation);
  add_lock_command(app, invocation);
  add_unlock_command(app, invocation);
  add_export_command(app, invocation);
  add_import_command(app, invocation);
  add_status_command(app, invocation);
  add_doctor_command(app, invocation);
  add_config_command(app, invocation.global);
  add_support_command(app, invocation);
  add_completion_command(app);
  add_man_command(app);
  add_version_command(app, invocation);
}

int report(ExitStatus status, const std::string& message, bool json) {
  const int code = static_cast<int>(status);
  if (json) {
    const nlohmann::ordered_json line{{"type", "error"}, {"code", code}, {"message", message}};
    fmt::print(stderr, "{}\n", line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  } else {
    fmt::print(stderr, "keyrewind: {}\n", message);
  }
  return code;
}

/// Usage errors in one line, as all others; help and version as CLI11 prints them.
int report_usage(const CLI::App& app, const CLI::ParseError& error, bool json) {
  if (error.get_exit_code() == 0) {
    return app.exit(error);
  }
  return report(ExitStatus::usage, std::string(error.what()) + "; see keyrewind --help", json);
}

}  // namespace

int run(int argc, const char* const* argv) {
  Interrupt interrupt;
  Invocation invocation{.stop = interrupt.token(), .interrupt = &interrupt};
  CLI::App app("Continuous backup and point-in-time recovery for Redis and Valkey", "keyrewind");
  app.footer(kFooter);
  app.set_version_flag("--version", fmt::format("keyrewind {}", version()));
  app.require_subcommand(1);
  app.fallthrough();  // Global options may follow the verb.
  add_global_options(app, invocation.global);
  add_commands(app, invocation);
  try {
    app.parse(argc, argv);
    return static_cast<int>(invocation.status);
  } catch (const CLI::ParseError& error) {
    return report_usage(app, error, invocation.global.json);
  } catch (const Error& error) {
    const bool stopped = error.kind() == ErrorKind::cancelled;
    return report(exit_status(error),
                  stopped ? std::string("interrupted; nothing half-written is left") : error.what(),
                  invocation.global.json);
  } catch (const std::exception& error) {
    return report(ExitStatus::failure, fmt::format("internal error: {}", error.what()),
                  invocation.global.json);
  }
}

}  // namespace keyrewind::cli
