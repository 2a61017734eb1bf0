#include "catalog/restore_request.h"
#include "cli/commands.h"
#include "cli/ordinals.h"
#include "restore/resolve.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <iostream>
#include <memory>
#include <string>

namespace keyrewind::cli {
namespace {

/// A source that is no cluster has one shard.
constexpr const char* kShard = "0";

struct RequestArguments {
  std::string id;  ///< Empty: the newest, or whichever fits the moment.
  std::string at;  ///< Empty: the backup's own moment.
  bool show = false;
  bool cancel = false;
};

std::string state_of(const catalog::RestoreRequestStatus& status) {
  if (status.outcomes.contains(kShard)) {
    return "done";
  }
  if (status.cancelled) {
    return "cancelled";
  }
  return status.failures.contains(kShard) ? "failing" : "pending";
}

nlohmann::ordered_json to_json(const catalog::RestoreRequestStatus& status) {
  const catalog::RestoreRequest& request = status.request;
  nlohmann::ordered_json object{{"number", request.number},
                                {"state", state_of(status)},
                                {"created", to_rfc3339(request.created)},
                                {"backup", request.backup},
                                {"at", request.at},
                                {"by", request.by}};
  if (status.cancelled) {
    object["cancelled"] = to_rfc3339(*status.cancelled);
  }
  if (const auto outcome = status.outcomes.find(kShard); outcome != status.outcomes.end()) {
    object["restored"] = {
        {"backup", outcome->second.backup},   {"at", to_rfc3339(outcome->second.at)},
        {"offset", outcome->second.offset},   {"bytes", outcome->second.bytes},
        {"seconds", outcome->second.seconds}, {"finished", to_rfc3339(outcome->second.finished)},
        {"node", outcome->second.node}};
  }
  if (const auto failure = status.failures.find(kShard); failure != status.failures.end()) {
    object["failure"] = {{"at", to_rfc3339(failure->second.at)},
                         {"error", failure->second.error},
                         {"node", failure->second.node}};
  }
  return object;
}

void print(const catalog::RestoreRequestStatus& status) {
  const catalog::RestoreRequest& request = status.request;
  const auto line = [](std::string_view name, const std::string& value) {
    std::cout << fmt::format("{:<10} {}\n", name, value);
  };
  line("request", fmt::format("{}, {}", request.number, state_of(status)));
  line("asked", fmt::format("{} by {}", to_rfc3339(request.created), request.by));
  line("backup", request.backup.empty() ? "whichever fits the moment" : request.backup);
  line("moment", request.at.empty() ? "the backup's own" : request.at);
  if (status.cancelled) {
    line("cancelled", to_rfc3339(*status.cancelled));
  }
  for (const auto& [shard, outcome] : status.outcomes) {
    line("restored", fmt::format("{} in {}: {} as of {}", to_rfc3339(outcome.finished),
                                 outcome.node, outcome.backup, to_rfc3339(outcome.at)));
  }
  for (const auto& [shard, failure] : status.failures) {
    line("failed",
         fmt::format("{} in {}: {}", to_rfc3339(failure.at), failure.node, failure.error));
  }
}

void print(const catalog::RestoreRequestStatus& status, bool json) {
  if (json) {
    std::cout << to_json(status).dump(2) << '\n';
  } else {
    print(status);
  }
}

/// What there is, or an error that says that there is none.
catalog::RestoreRequestStatus newest(Repository& repository, const std::stop_token& stop) {
  const auto status = catalog::newest_restore_request(repository.catalog(), stop);
  if (!status) {
    throw Error(
        Side::repository, ErrorKind::no_backup,
        fmt::format("no restore of '{}' has ever been asked for", repository.catalog().source()));
  }
  return *status;
}

void ask(const RequestArguments& arguments, Repository& repository, Invocation& invocation) {
  // Nobody wants to learn only at the next start that there is no such backup or moment.
  const restore::Resolved resolved =
      restore::resolve(repository.catalog(), arguments.id, arguments.at, invocation.stop);
  // A backup is pinned now; of a moment, the base may be another one by then.
  const bool names_backup =
      arguments.at.empty() || (!arguments.id.empty() && arguments.id != "latest");
  const SystemClock clock;
  const auto request =
      catalog::request_restore(repository.catalog(),
                               {.backup = names_backup ? resolved.point.base.commit.id : "",
                                .at = arguments.at,
                                .by = name_of_node()},
                               kShard, clock, invocation.stop);
  print({request, {}, {}, {}}, invocation.global.json);
  if (!invocation.global.json) {
    std::cout << fmt::format(
        "it will be restored from {} as of {} when the server starts next: restart its pod\n",
        resolved.point.base.commit.id, to_rfc3339(resolved.point.at));
  }
}

void cancel(Repository& repository, Invocation& invocation) {
  const auto status = newest(repository, invocation.stop);
  if (!status.is_pending(kShard)) {
    throw Error(Side::repository, ErrorKind::no_backup,
                fmt::format("no restore request is pending; the last one, {}, is {}",
                            status.request.number, state_of(status)));
  }
  const SystemClock clock;
  catalog::cancel_restore_request(repository.catalog(), status.request.number, clock,
                                  invocation.stop);
  print(newest(repository, invocation.stop), invocation.global.json);
}

void run(const RequestArguments& arguments, Invocation& invocation) {
  if ((arguments.show || arguments.cancel) && !(arguments.id.empty() && arguments.at.empty())) {
    throw Error(ErrorKind::config, "--show and --cancel take neither a backup nor --at");
  }
  Repository repository(invocation.global, config::Identities::if_available);
  if (arguments.show) {
    print(newest(repository, invocation.stop), invocation.global.json);
  } else if (arguments.cancel) {
    cancel(repository, invocation);
  } else {
    ask(arguments, repository, invocation);
  }
}

}  // namespace

void add_restore_request_command(CLI::App& restore, Invocation& invocation) {
  auto arguments = std::make_shared<RequestArguments>();
  auto* command = restore.add_subcommand(
      "request", "Ask for a restore at the server's next start, by 'restore --if-empty' before it");
  command->add_option("backup", arguments->id,
                      "Its id or a beginning of it, or latest, which is the default");
  command->add_option("--at", arguments->at, "The moment, as for restore");
  auto* show = command->add_flag("--show", arguments->show, "Show the last request");
  command->add_flag("--cancel", arguments->cancel, "Take the pending request back")->excludes(show);
  add_repository_option(*command, invocation.global);
  command->callback([arguments, &invocation] { run(*arguments, invocation); });
}

}  // namespace keyrewind::cli
