#include "base/size.h"
#include "catalog/hold.h"
#include "cli/commands.h"
#include "cli/progress_display.h"
#include "io/file.h"
#include "restore/moment_files.h"
#include "restore/rdb_maker.h"
#include "restore/resolve.h"
#include "restore/scratch_folder.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace keyrewind::cli {
namespace {

namespace fs = std::filesystem;

struct ExportArguments {
  std::string id = "latest";
  std::string at;  ///< Empty: the backup's own moment.
  std::string rdb;
  std::string server;
  std::string temporary;
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

/// Writes the RDB of a moment that needs the log: a server makes it as a file first.
void write_made(const ExportArguments& arguments, const restore::Origin& origin,
                const restore::ServerProgram& maker) {
  if (arguments.rdb != "-") {
    restore::write_rdb(origin, maker, arguments.rdb);
    return;
  }
  const restore::ScratchFolder scratch(arguments.temporary.empty() ? fs::temp_directory_path()
                                                                   : fs::path(arguments.temporary));
  const fs::path made = scratch.path() / "dump.rdb";
  restore::write_rdb(origin, maker, made);
  const io::Fd file = io::open_to_read(made, Side::here);
  Bytes buffer(1U << 20U);
  std::uint64_t left = fs::file_size(made);
  for (std::uint64_t at = 0; left > 0;) {
    const auto part = std::span(buffer).first(std::min<std::uint64_t>(left, buffer.size()));
    io::read_exactly(file, at, part, made, Side::here);
    write_to_stdout(part);
    at += part.size();
    left -= part.size();
  }
}

void write(const ExportArguments& arguments, const restore::Origin& origin) {
  if (origin.point.needs_log()) {
    const std::optional<restore::ServerProgram> named =
        arguments.server.empty() ? std::nullopt
                                 : std::optional(restore::ServerProgram{arguments.server});
    write_made(
        arguments, origin,
        restore::find_rdb_maker(named, std::nullopt, origin.manifest, origin.point.base.snapshot));
  } else if (arguments.rdb == "-") {
    restore::read_snapshot(origin.catalog.store(), origin.point.base.snapshot, origin.options,
                           write_to_stdout, origin.progress, origin.stop);
  } else {
    restore::write_rdb(origin, std::nullopt, arguments.rdb);
  }
}

void report(const ExportArguments& arguments, const restore::RestorePoint& point, bool json) {
  const std::uint64_t bytes = fs::file_size(arguments.rdb);
  if (!json) {
    std::cout << fmt::format("{} of backup {} at {} written to {}\n", to_human_size(bytes),
                             point.base.commit.id, to_rfc3339(point.at), arguments.rdb);
    return;
  }
  nlohmann::ordered_json object{{"backup", point.base.commit.id},
                                {"at", to_rfc3339(point.at)},
                                {"offset", point.offset},
                                {"lineage", point.window.lineage},
                                {"file", arguments.rdb},
                                {"bytes", bytes},
                                {"notes", point.notes}};
  if (!point.needs_log()) {
    object["sha256"] = point.base.snapshot.raw_sha256;
  }
  std::cout << object.dump(2) << '\n';
}

void run(const ExportArguments& arguments, Invocation& invocation) {
  Repository repository(invocation.global, config::Identities::required);
  const auto [manifest, point] =
      restore::resolve(repository.catalog(), arguments.id, arguments.at, invocation.stop);
  const auto& limits = repository.config().limits;
  const restore::ReadOptions options{.threads = limits.cpu_threads, .memory = limits.memory};
  const SystemClock clock;
  const catalog::ReadHold hold(repository.catalog(), restore::hold_request("export", point), clock,
                               invocation.stop);
  Progress progress;
  {
    const ProgressDisplay display("export", progress, invocation.global);
    write(arguments, {repository.catalog(), manifest, point, options, progress, invocation.stop});
  }
  if (arguments.rdb != "-") {
    report(arguments, point, invocation.global.json);
  }
}

}  // namespace

void add_export_command(CLI::App& app, Invocation& invocation) {
  auto arguments = std::make_shared<ExportArguments>();
  auto* command = app.add_subcommand("export", "Write the data of a backup or moment as an RDB");
  command->add_option("backup", arguments->id, "Its id or a beginning of it, or latest")
      ->capture_default_str();
  command->add_option("--at", arguments->at,
                      "The moment: a time such as 2026-11-20T13:02:21Z, latest, offset:N, or "
                      "before:EVENT-ID; default: the backup's own");
  command
      ->add_option("--rdb", arguments->rdb,
                   "File to write, replaced if it exists, or - for standard output")
      ->required();
  command->add_option("--server", arguments->server,
                      "Server program that makes the RDB of a moment; default: valkey-server or "
                      "redis-server, as the source was");
  command->add_option("--temp-dir", arguments->temporary,
                      "Folder with room for the RDB and the log, for --at with --rdb -; elsewhere "
                      "the file's own folder is used");
  add_repository_option(*command, invocation.global);
  command->callback([arguments, &invocation] { run(*arguments, invocation); });
}

}  // namespace keyrewind::cli
