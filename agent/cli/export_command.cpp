#include "base/size.h"
#include "cli/commands.h"
#include "cli/progress_display.h"
#include "restore/data_directory.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include <cerrno>
#include <iostream>
#include <memory>
#include <string>

namespace keyrewind::cli {
namespace {

struct ExportArguments {
  std::string id = "latest";
  std::string rdb;
};

void write_to_stdout(ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (written < 0 && errno != EINTR) {
      throw Error(ErrorKind::failed, "write to standard output: " + errno_text(errno));
    }
    bytes = bytes.subspan(written < 0 ? 0 : static_cast<std::size_t>(written));
  }
}

void run(const ExportArguments& arguments, Invocation& invocation) {
  Repository repository(invocation.global);
  catalog::Catalog& catalog = repository.catalog();
  const auto commit = catalog.find(arguments.id, invocation.stop);
  const auto manifest = catalog.manifest(commit, invocation.stop);
  if (manifest.snapshots.size() != 1) {
    throw Error(ErrorKind::failed,
                fmt::format("backup {} has {} shards; only one can go into one RDB", commit.id,
                            manifest.snapshots.size()));
  }
  const catalog::Snapshot& snapshot = manifest.snapshots.front();
  const auto& limits = repository.config().limits;
  const restore::ReadOptions options{.threads = limits.cpu_threads, .memory = limits.memory};
  Progress progress;
  const ProgressDisplay display("export", progress, invocation.global);
  if (arguments.rdb == "-") {
    restore::read_snapshot(catalog.store(), snapshot, options, write_to_stdout, progress,
                           invocation.stop);
    return;
  }
  restore::export_rdb(catalog.store(), snapshot, arguments.rdb, options, progress, invocation.stop);
  if (invocation.global.json) {
    std::cout << nlohmann::ordered_json{{"backup", commit.id},
                                        {"file", arguments.rdb},
                                        {"bytes", snapshot.rdb.bytes},
                                        {"sha256", snapshot.raw_sha256}}
                     .dump(2)
              << '\n';
  } else {
    std::cout << fmt::format("{} of backup {} written to {}\n", to_human_size(snapshot.rdb.bytes),
                             commit.id, arguments.rdb);
  }
}

}  // namespace

void add_export_command(CLI::App& app, Invocation& invocation) {
  auto arguments = std::make_shared<ExportArguments>();
  auto* command = app.add_subcommand("export", "Write a backup's data as a plain RDB");
  command->add_option("backup", arguments->id, "Its id or a beginning of it, or latest")
      ->capture_default_str();
  command
      ->add_option("--rdb", arguments->rdb,
                   "File to write, replaced if it exists, or - for standard output")
      ->required();
  command->callback([arguments, &invocation] { run(*arguments, invocation); });
}

}  // namespace keyrewind::cli
