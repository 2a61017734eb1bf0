#include "base/log.h"
#include "base/size.h"
#include "cli/commands.h"
#include "cli/drill_json.h"
#include "cli/ordinals.h"
#include "cli/progress_display.h"
#include "config/storage_options.h"
#include "restore/drill.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <iostream>
#include <memory>
#include <string>

namespace keyrewind::cli {
namespace {

struct DrillArguments {
  std::string id;  ///< Empty: the newest, or whichever fits the moment.
  std::string at;  ///< Empty: the backup's own moment.
  std::string server;
  std::string temporary;
};

std::string to_line(const catalog::DrillReport& report) {
  if (!report.ok) {
    return fmt::format("{}: NOT RESTORABLE as of {}", report.backup, to_rfc3339(report.at));
  }
  return fmt::format(
      "{}: restorable as of {}, {} holds {} keys{}, in {}", report.backup, to_rfc3339(report.at),
      report.server, report.keys,
      report.log_bytes == 0 ? "" : fmt::format(" after {} of log", to_human_size(report.log_bytes)),
      to_human(report.finished - report.started));
}

void run(const DrillArguments& arguments, Invocation& invocation) {
  Repository repository(invocation.global, config::Identities::required);
  const auto& limits = repository.config().limits;
  const restore::DrillOptions options{
      .backup = arguments.id,
      .at = arguments.at,
      .read = {.threads = limits.cpu_threads,
               .connections =
                   config::find_repository(repository.config(), repository.name()).connections,
               .memory = limits.memory},
      .server = {arguments.server},
      .temporary = arguments.temporary.empty() ? std::filesystem::temp_directory_path()
                                               : std::filesystem::path(arguments.temporary),
      .node = name_of_node()};
  const SystemClock clock;
  Progress progress;
  const auto report = [&] {
    const ProgressDisplay display("drill", progress, invocation.global);
    return restore::run_drill(repository.catalog(), options, progress, clock, invocation.stop);
  }();
  if (invocation.global.json) {
    std::cout << to_json(report).dump(2) << '\n';
  } else {
    std::cout << to_line(report) << '\n';
  }
  if (!report.ok) {
    log::error("drill failed", {{"backup", report.backup}, {"error", report.error}});
    invocation.status = ExitStatus::corrupt;
  }
}

}  // namespace

void add_drill_command(CLI::App& app, Invocation& invocation) {
  auto arguments = std::make_shared<DrillArguments>();
  auto* command = app.add_subcommand(
      "drill", "Practise a restore into a throw-away server, and record the verdict");
  command->add_option("backup", arguments->id,
                      "Its id or a beginning of it, or latest, which is the default");
  command->add_option("--at", arguments->at,
                      "The moment: a time such as 2026-11-20T13:02:21Z, latest, offset:N, or "
                      "before:EVENT-ID; default: the backup's own");
  command->add_option("--server", arguments->server,
                      "Server program, with options if need be; default: valkey-server or "
                      "redis-server, as the source was");
  command->add_option("--temp-dir", arguments->temporary,
                      "Folder with room for the RDB and the log");
  add_repository_option(*command, invocation.global);
  command->callback([arguments, &invocation] { run(*arguments, invocation); });
}

}  // namespace keyrewind::cli
