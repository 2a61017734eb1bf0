#include "backup/import_rdb.h"
#include "cli/backup_result.h"
#include "cli/commands.h"
#include "cli/progress_display.h"
#include "cli/rdb_source.h"
#include "config/pipeline_options.h"

#include <CLI/CLI.hpp>

#include <memory>
#include <string>
#include <vector>

namespace keyrewind::cli {
namespace {

struct ImportArguments {
  std::string rdb;
  std::vector<std::string> labels;
};

void run(const ImportArguments& arguments, Invocation& invocation) {
  Repository repository(invocation.global);
  const config::Config& config = repository.config();
  const backup::ImportOptions options{.pipeline = config::to_pipeline_options(config),
                                      .labels = parse_labels(arguments.labels),
                                      .allow_plaintext = config.encryption.allow_plaintext};
  const SystemClock clock;
  const auto rdb = open_rdb(arguments.rdb, config, clock, invocation.stop);
  warn_of_races(repository.catalog().store(), invocation.stop);

  Progress progress;
  const auto result = [&] {
    const ProgressDisplay display("import", progress, invocation.global);
    return backup::import_rdb(repository.catalog(), rdb, options, clock, progress, invocation.stop);
  }();
  report(result, invocation);
}

}  // namespace

void add_import_command(CLI::App& app, Invocation& invocation) {
  auto arguments = std::make_shared<ImportArguments>();
  auto* command = app.add_subcommand(
      "import", "Make a backup of an RDB that another tool or server wrote, checked on its way");
  command
      ->add_option("--rdb", arguments->rdb,
                   "The RDB: a file, - for standard input, http:// or https://, or s3://BUCKET/KEY "
                   "with the keys of the repository")
      ->required();
  add_label_option(*command, arguments->labels);
  command->callback([arguments, &invocation] { run(*arguments, invocation); });
}

}  // namespace keyrewind::cli
