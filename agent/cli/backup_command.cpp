#include "backup/take_backup.h"
#include "catalog/imports.h"
#include "cli/backup_result.h"
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

/// When the newest backup of the source was finished, if the repository can say so.
std::optional<Timestamp> last_success(const catalog::Catalog& catalog) {
  try {
    std::optional<Timestamp> newest;
    for (const catalog::Commit& commit : catalog.list({})) {
      newest = catalog::is_import(commit) ? newest : commit.finished;
    }
    return newest;
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
    options.allow_plaintext = config.encryption.allow_plaintext;
    warn_of_races(repository.catalog().store(), invocation.stop);

    Progress progress;
    const auto result = [&] {
      const ProgressDisplay display("backup", progress, invocation.global);
      return backup::take_backup(repository.catalog(), options, clock, progress, invocation.stop);
    }();
    const catalog::Commit& commit = result.commit;
    run.result = metrics::RunResult::success;
    run.opaque = commit.opaque;
    run.last_success = commit.finished;
    run.duration = commit.finished - commit.created;
    run.keys = commit.keys;
    run.raw_bytes = commit.raw_bytes;
    run.stored_bytes = commit.stored_bytes;
    report(result, invocation);
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
  add_label_option(*command, arguments->labels);
  command->add_option("--metrics-file", arguments->metrics_file,
                      "Write the outcome there for node_exporter's textfile collector");
  command->callback([arguments, &invocation] { run(*arguments, invocation); });
}

}  // namespace keyrewind::cli
