#include "base/log.h"
#include "base/size.h"
#include "cli/commands.h"
#include "prune/delete_backups.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <iostream>
#include <memory>
#include <string>

namespace keyrewind::cli {
namespace {

struct DeleteArguments {
  prune::DeleteOptions options;
  bool yes = false;
};

void print(const prune::DeleteReport& report, bool dry_run) {
  std::cout << fmt::format("{} {}: {}\n", dry_run ? "would delete" : "deleted",
                           fmt::join(report.removed, ", "), to_human_size(report.removed_bytes));
  for (const std::string& note : report.notes) {
    std::cout << "note     " << note << '\n';
  }
  if (dry_run) {
    std::cout << "nothing was deleted; --yes does it\n";
  }
}

nlohmann::ordered_json to_json(const prune::DeleteReport& report, bool dry_run) {
  auto refused = nlohmann::ordered_json::array();
  for (const prune::Refusal& refusal : report.refused) {
    refused.push_back({{"object", refusal.object}, {"reason", refusal.reason}});
  }
  return {{"deleted", report.removed},
          {"dry_run", dry_run},
          {"removed_bytes", report.removed_bytes},
          {"removed_objects", report.removed_objects},
          {"notes", report.notes},
          {"refused", std::move(refused)}};
}

void run(const DeleteArguments& arguments, Invocation& invocation) {
  Repository repository(invocation.global);
  prune::DeleteOptions options = arguments.options;
  options.dry_run = !arguments.yes;
  const prune::DeleteReport report =
      prune::delete_backups(repository.catalog(), options, SystemClock(), invocation.stop);
  for (const prune::Refusal& refusal : report.refused) {
    log::warn("object not removed; 'keyrewind prune' tries again",
              {{"object", refusal.object}, {"error", refusal.reason}});
    invocation.status = ExitStatus::warnings;
  }
  if (invocation.global.json) {
    std::cout << to_json(report, options.dry_run).dump(2) << '\n';
  } else {
    print(report, options.dry_run);
  }
}

}  // namespace

void add_delete_command(CLI::App& app, Invocation& invocation) {
  auto arguments = std::make_shared<DeleteArguments>();
  auto* command =
      app.add_subcommand("delete", "Delete backups of one repository, whatever retention keeps");
  command->add_option("backups", arguments->options.ids, "Their ids, or beginnings of them")
      ->required();
  command->add_flag("-y,--yes", arguments->yes, "Do it: without this it is only shown");
  command->add_flag("--force", arguments->options.force, "The last good backup, too");
  add_repository_option(*command, invocation.global);
  command->callback([arguments, &invocation] { run(*arguments, invocation); });
}

}  // namespace keyrewind::cli
