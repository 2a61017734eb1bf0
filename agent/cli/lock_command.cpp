#include "base/duration.h"
#include "base/log.h"
#include "catalog/backup_lock.h"
#include "cli/commands.h"
#include "prune/lock_backups.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace keyrewind::cli {
namespace {

struct LockArguments {
  std::string id;
  std::string until;
  std::string duration;
  std::string note;
};

std::optional<Timestamp> end_of(const LockArguments& arguments, Timestamp now) {
  if (!arguments.until.empty()) {
    const auto until = from_rfc3339(arguments.until);
    if (!until || *until <= now) {
      throw Error(ErrorKind::config,
                  fmt::format("--until '{}' is no time to come; write it as 2027-01-31T00:00:00Z",
                              arguments.until));
    }
    return until;
  }
  if (!arguments.duration.empty()) {
    const auto duration = parse_duration(arguments.duration);
    if (!duration || duration->count() == 0) {
      throw Error(ErrorKind::config, fmt::format("--for '{}' is no span of time; write it as 90d",
                                                 arguments.duration));
    }
    return now + *duration;
  }
  return std::nullopt;
}

/// Calls `action` with the primary repository and each copy that has the backup. One that does not
/// answer is a warning: the others have it done.
void in_each(const config::Config& config, Invocation& invocation,
             const std::function<void(Repository&)>& action) {
  Repository primary(config, config::Config::kPrimary, {});
  action(primary);
  for (const config::Config::Repository& copy : config.copies) {
    try {
      Repository repository(config, copy.name, {});
      action(repository);
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::cancelled) {
        throw;
      }
      if (error.kind() != ErrorKind::no_backup) {
        log::warn("copy not reached; its backup stays as it was",
                  {{"repository", copy.name}, {"error", error.what()}});
        invocation.status = ExitStatus::warnings;
      }
    }
  }
}

void run_lock(const LockArguments& arguments, Invocation& invocation) {
  const config::Config config = load_config(invocation.global);
  const SystemClock clock;
  catalog::BackupLock lock{.backup = {},
                           .until = end_of(arguments, clock.now()),
                           .note = arguments.note,
                           .created = clock.now()};
  std::vector<std::string> repositories;
  in_each(config, invocation, [&](Repository& repository) {
    // A beginning, or "latest", means what it means in the first one.
    const std::string& id = lock.backup.empty() ? arguments.id : lock.backup;
    lock.backup = prune::lock_backup(repository.catalog(), id, lock, invocation.stop);
    repositories.push_back(repository.name());
  });
  if (invocation.global.json) {
    nlohmann::ordered_json json{{"id", lock.backup}, {"locked", true}, {"until", nullptr}};
    if (lock.until) {
      json["until"] = to_rfc3339(*lock.until);
    }
    json["note"] = lock.note;
    json["repositories"] = repositories;
    std::cout << json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
    return;
  }
  std::cout << fmt::format(
      "{} is locked{}\n", lock.backup,
      lock.until ? " until " + to_rfc3339(*lock.until) : std::string(" until it is unlocked"));
}

void run_unlock(const LockArguments& arguments, Invocation& invocation) {
  const config::Config config = load_config(invocation.global);
  std::string id;
  bool was_locked = false;
  in_each(config, invocation, [&](Repository& repository) {
    const prune::Unlocked unlocked =
        prune::unlock_backup(repository.catalog(), id.empty() ? arguments.id : id, invocation.stop);
    id = unlocked.backup;
    was_locked = was_locked || unlocked.was_locked;
  });
  if (invocation.global.json) {
    std::cout
        << nlohmann::ordered_json{{"id", id}, {"locked", false}, {"was_locked", was_locked}}.dump(2)
        << '\n';
    return;
  }
  std::cout << fmt::format("{} {}\n", id, was_locked ? "is unlocked" : "was not locked");
}

}  // namespace

void add_lock_command(CLI::App& app, Invocation& invocation) {
  auto arguments = std::make_shared<LockArguments>();
  auto* command = app.add_subcommand(
      "lock", "Keep a backup whatever retention says, in the repository and its copies");
  command->add_option("backup", arguments->id, "Its id or a beginning of it, or latest")
      ->required();
  auto* until = command->add_option("--until", arguments->until,
                                    "Up to this time, such as 2027-01-31T00:00:00Z");
  command->add_option("--for", arguments->duration, "For so long from now on, such as 90d")
      ->excludes(until);
  command->add_option("--note", arguments->note, "Why, for those who come later");
  command->callback([arguments, &invocation] { run_lock(*arguments, invocation); });
}

void add_unlock_command(CLI::App& app, Invocation& invocation) {
  auto arguments = std::make_shared<LockArguments>();
  auto* command = app.add_subcommand(
      "unlock", "Leave a backup to retention again, in the repository and its copies");
  command->add_option("backup", arguments->id, "Its id or a beginning of it, or latest")
      ->required();
  command->callback([arguments, &invocation] { run_unlock(*arguments, invocation); });
}

}  // namespace keyrewind::cli
