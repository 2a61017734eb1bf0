#include "api/backup_json.h"
#include "base/log.h"
#include "base/size.h"
#include "catalog/backup_lock.h"
#include "cli/commands.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <iostream>
#include <map>
#include <string>
#include <vector>

namespace keyrewind::cli {
namespace {

using Locks = std::map<std::string, catalog::BackupLock>;

/// The schedule's name, else the trigger.
std::string reason_of(const catalog::Origin& origin) {
  if (!origin.schedule.empty()) {
    return origin.schedule;
  }
  return origin.trigger ? std::string(to_string(*origin.trigger)) : "-";
}

void print_table(const std::vector<catalog::Commit>& backups, const Locks& locks, Timestamp now) {
  std::cout << fmt::format("{:<24} {:<20} {:>12} {:>11} {:>11}  {:<14} {}\n", "ID", "CREATED (UTC)",
                           "KEYS", "RAW", "STORED", "FOR", "SERVER");
  for (const catalog::Commit& backup : backups) {
    std::cout << fmt::format("{:<24} {:<20} {:>12} {:>11} {:>11}  {:<14} {}{}\n", backup.id,
                             to_rfc3339(backup.created).substr(0, 19),
                             backup.opaque ? "?" : std::to_string(backup.keys),
                             to_human_size(backup.raw_bytes), to_human_size(backup.stored_bytes),
                             reason_of(backup.origin), backup.server,
                             find_lock(locks, backup.id, now) == nullptr ? "" : ", locked");
  }
}

void run(Invocation& invocation) {
  Repository repository(invocation.global);
  const catalog::Catalog& catalog = repository.catalog();
  const auto backups = catalog.list(invocation.stop);
  const Locks locks = catalog::list_locks(catalog, invocation.stop);
  log::debug("backups listed", {{"store_calls", repository.store_calls()}});
  const Timestamp now = SystemClock().now();
  if (invocation.global.json) {
    auto rows = nlohmann::ordered_json::array();
    for (const catalog::Commit& backup : backups) {
      rows.push_back(api::to_json(backup));
      rows.back()["lock"] = api::to_json(find_lock(locks, backup.id, now));
    }
    std::cout << nlohmann::ordered_json{{"backups", rows},
                                        {"store_calls", repository.store_calls()}}
                     .dump(2)
              << '\n';
    return;
  }
  if (backups.empty()) {
    std::cout << fmt::format("no backup of {} yet\n", repository.config().source.name);
    return;
  }
  print_table(backups, locks, now);
}

}  // namespace

void add_list_command(CLI::App& app, Invocation& invocation) {
  auto* command = app.add_subcommand("list", "Show the backups in the repository, oldest first");
  add_repository_option(*command, invocation.global);
  command->callback([&invocation] { run(invocation); });
}

}  // namespace keyrewind::cli
