#include "cli/backup_result.h"

#include "api/backup_json.h"
#include "base/error.h"
#include "base/log.h"
#include "base/size.h"
#include "catalog/imports.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <cstdint>
#include <iostream>

namespace keyrewind::cli {

void add_label_option(CLI::App& command, std::vector<std::string>& labels) {
  command.add_option("--label", labels, "key=value, kept with the backup; repeatable")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

std::map<std::string, std::string> parse_labels(const std::vector<std::string>& words) {
  std::map<std::string, std::string> labels;
  for (const std::string& word : words) {
    const auto equals = word.find('=');
    if (equals == 0 || equals == std::string::npos) {
      throw Error(ErrorKind::config, fmt::format("label '{}' is not of the form key=value", word));
    }
    const std::string name = word.substr(0, equals);
    if (name == catalog::kImportedFrom) {
      throw Error(ErrorKind::config, fmt::format("label '{}' is set by 'keyrewind import' alone; "
                                                 "use another name",
                                                 name));
    }
    labels[name] = word.substr(equals + 1);
  }
  return labels;
}

void warn_of_races(store::ObjectStore& store, const std::stop_token& stop) {
  const auto conditional = store.conditional_writes(stop);
  if (!conditional.work) {
    log::warn("the repository has no conditional writes; never run two backups at once",
              {{"repository", store.url()}, {"reason", conditional.reason}});
  }
}

void report(const backup::BackupResult& result, Invocation& invocation) {
  nlohmann::ordered_json backup = api::to_json(result.commit);
  backup["warnings"] = result.warnings;
  report(backup, invocation);
}

void report(const nlohmann::ordered_json& backup, Invocation& invocation) {
  const auto warnings = backup.value("warnings", std::vector<std::string>());
  if (!warnings.empty()) {
    invocation.status = ExitStatus::warnings;
  }
  if (invocation.global.json) {
    std::cout << backup.dump(2) << '\n';
    return;
  }
  std::cout << fmt::format(
      "backup {} of {} is available: {} keys, {} stored as {}, from {}\n", backup.value("id", ""),
      backup.value("source", ""), backup.value("keys", std::uint64_t{0}),
      to_human_size(backup.value("raw_bytes", std::uint64_t{0})),
      to_human_size(backup.value("stored_bytes", std::uint64_t{0})), backup.value("server", ""));
  for (const std::string& warning : warnings) {
    std::cout << "warning: " << warning << '\n';
  }
}

}  // namespace keyrewind::cli
