#include "backup/take_backup.h"
#include "base/log.h"
#include "base/size.h"
#include "cli/backup_json.h"
#include "cli/commands.h"
#include "cli/progress_display.h"
#include "config/pipeline_options.h"
#include "config/source_options.h"
#include "io/file.h"
#include "metrics/backup_metrics.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

namespace keyrewind::cli {
namespace {

struct BackupArguments {
  std::vector<std::string> labels;
  std::string metrics_file;
};

std::map<std::string, std::string> parse_labels(const std::vector<std::string>& words) {
  std::map<std::string, std::string> labels;
  for (const std::string& word : words) {
    const auto equals = word.find('=');
    if (equals == 0 || equals == std::string::npos) {
      throw Error(ErrorKind::config, fmt::format("label '{}' is not of the form key=value", word));
    }
    labels[word.substr(0, equals)] = word.substr(equals + 1);
  }
  return labels;
}

/// When the newest backup was finished, if the repository can say so.
std::optional<Timestamp> last_success(const catalog::Catalog& catalog) {
  try {
    const auto backups = catalog.list({});
    return backups.empty() ? std::nullopt : std::optional(backups.back().finished);
  } catch (const Error&) {
    return std::nullopt;  // The failure that is being reported says more.
  }
}

void write_metrics(const std::string& path, const metrics::BackupRun& run) {
  io::AtomicFile file(path, Side::here, 0644);
  const std::string text = metrics::to_prometheus_text(run);
  file.append(as_bytes(text));
  file.commit(io::AtomicFile::IfExists::replace);
}

void print(const backup::BackupResult& result, bool json) {
  const catalog::Commit& commit = result.commit;
  if (json) {
    nlohmann::ordered_json out = to_json(commit);
    out["warnings"] = result.warnings;
    std::cout << out.dump(2) << '\n';
    return;
  }
  std::cout << fmt::format("backup {} of {} is available: {} keys, {} stored as {}, from {}\n",
                           commit.id, commit.source, commit.keys, to_human_size(commit.raw_bytes),
                           to_human_size(commit.stored_bytes), commit.server);
  for (const std::string& warning : result.warnings) {
    std::cout << "warning: " << warning << '\n';
  }
}

/// Two runs at once are kept apart by conditional writes.
void warn_of_races(store::ObjectStore& store, const std::stop_token& stop) {
  const auto conditional = store.conditional_writes(stop);
  if (!conditional.work) {
    log::warn("the repository has no conditional writes; never run two backups at once",
              {{"repository", store.url()}, {"reason", conditional.reason}});
  }
}

void run(const BackupArguments& arguments, Invocation& invocation) {
  Repository repository(invocation.global);
  const config::Config& config = repository.config();
  const SystemClock clock;
  metrics::BackupRun run{.source = config.source.name, .attempted = clock.now()};
  try {
    backup::BackupOptions options;
    options.source = config::to_source_options(config);
    options.pipeline = config::to_pipeline_options(config);
    options.labels = parse_labels(arguments.labels);
    warn_of_races(repository.catalog().store(), invocation.stop);

    Progress progress;
    const auto result = [&] {
      const ProgressDisplay display("backup", progress, invocation.global);
      return backup::take_backup(repository.catalog(), options, clock, progress, invocation.stop);
    }();
    const catalog::Commit& commit = result.commit;
    run.succeeded = true;
    run.opaque = commit.opaque;
    run.last_success = commit.finished;
    run.duration = commit.finished - commit.created;
    run.keys = commit.keys;
    run.raw_bytes = commit.raw_bytes;
    run.stored_bytes = commit.stored_bytes;
    print(result, invocation.global.json);
    if (!result.warnings.empty()) {
      invocation.status = ExitStatus::warnings;
    }
  } catch (const Error&) {
    if (!arguments.metrics_file.empty()) {
      run.last_success = last_success(repository.catalog());
      write_metrics(arguments.metrics_file, run);
    }
    throw;
  }
  if (!arguments.metrics_file.empty()) {
    write_metrics(arguments.metrics_file, run);
  }
}

}  // namespace

void add_backup_command(CLI::App& app, Invocation& invocation) {
  auto arguments = std::make_shared<BackupArguments>();
  auto* command = app.add_subcommand("backup", "Take a backup now");
  command->add_option("--label", arguments->labels, "key=value, kept with the backup; repeatable")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command->add_option("--metrics-file", arguments->metrics_file,
                      "Write the outcome there for node_exporter's textfile collector");
  command->callback([arguments, &invocation] { run(*arguments, invocation); });
}

}  // namespace keyrewind::cli
