#include "restore/drill.h"

#include "base/error.h"
#include "base/size.h"
#include "io/file.h"
#include "restore/loader.h"
#include "restore/moment_files.h"
#include "restore/rdb_maker.h"
#include "restore/resolve.h"
#include "restore/scratch_folder.h"

#include <fmt/format.h>

#include <charconv>
#include <string_view>

namespace keyrewind::restore {
namespace {

namespace fs = std::filesystem;

/// A failure that says that this backup cannot be restored.
bool is_verdict(const Error& error) {
  return error.kind() == ErrorKind::corrupt || error.kind() == ErrorKind::incompatible ||
         error.kind() == ErrorKind::protocol;
}

void check_room(const fs::path& folder, std::uint64_t bytes) {
  const std::uint64_t free = io::free_bytes(folder, Side::here);
  if (free < bytes) {
    throw Error(ErrorKind::failed,
                fmt::format("{} has {} free, the drill needs {}; name another folder with "
                            "--temp-dir",
                            folder.string(), to_human_size(free), to_human_size(bytes)));
  }
}

/// Keys of all databases, from INFO's "db0:keys=12,expires=0".
std::uint64_t keys_in(const ThrowawayServer& server, std::uint64_t databases) {
  constexpr std::string_view kKeys = "keys=";
  std::uint64_t keys = 0;
  for (std::uint64_t i = 0; i < databases; ++i) {
    const std::string text = server.info(fmt::format("db{}", i));
    std::uint64_t number = 0;
    if (text.starts_with(kKeys)) {
      std::from_chars(text.data() + kKeys.size(), text.data() + text.size(), number);
    }
    keys += number;
  }
  return keys;
}

/// Compares what the server counted with what the manifest says of the snapshot, and whether it
/// took all of the log.
void check_loaded(const ThrowawayServer& server, const Loader& loader,
                  const catalog::Snapshot& snapshot) {
  const std::uint64_t loaded = server.number("rdb_last_load_keys_loaded");
  const std::uint64_t expired = server.number("rdb_last_load_keys_expired");
  if (!snapshot.rdb.opaque() && loaded + expired != snapshot.rdb.keys()) {
    throw Error(Side::repository, ErrorKind::corrupt,
                fmt::format("{} loaded {} keys of the snapshot and found {} expired, the manifest "
                            "counts {}",
                            rdb::to_string(loader.version), loaded, expired, snapshot.rdb.keys()));
  }
  if (const std::uint64_t refused = server.number("unexpected_error_replies"); refused != 0) {
    throw Error(ErrorKind::incompatible, fmt::format("{} refused {} commands of the log",
                                                     rdb::to_string(loader.version), refused));
  }
}

/// Fetches into a folder that is then gone, loads and compares. Fills in the report as it comes on.
void practise(const Origin& origin, const Loader& loader, const DrillOptions& options,
              catalog::DrillReport& report) {
  const catalog::Snapshot& snapshot = origin.point.base.snapshot;
  check_room(options.temporary, snapshot.rdb.bytes + report.log_bytes);
  const ScratchFolder scratch(options.temporary);
  ThrowawayData data{.form = ThrowawayData::Form::rdb,
                     .databases = databases_of(origin.manifest, snapshot)};
  if (origin.point.needs_log()) {
    const aof::Names names;
    data.form = ThrowawayData::Form::aof;
    write_aof(origin, scratch.path() / names.folder, names);
  } else {
    write_rdb(origin, std::nullopt, scratch.path() / "dump.rdb");
  }
  const ThrowawayServer server(loader.program, scratch.path(), data, origin.stop);
  check_loaded(server, loader, snapshot);
  report.keys = keys_in(server, data.databases);
}

void drill(const catalog::Catalog& catalog, const DrillOptions& options, Progress& progress,
           const std::stop_token& stop, catalog::DrillReport& report) {
  const Resolved resolved = resolve(catalog, options.backup, options.at, stop);
  const RestorePoint& point = resolved.point;
  const catalog::Snapshot& snapshot = point.base.snapshot;
  report.backup = point.base.commit.id;
  report.at = point.at;
  report.offset = point.offset;
  report.lineage = point.window.lineage;
  report.log_bytes = static_cast<std::uint64_t>(point.offset - snapshot.offset);
  const Loader loader = find_loader(options.server, resolved.manifest, snapshot);
  report.server = rdb::to_string(loader.version);
  ReadOptions read = options.read;
  read.check_object = true;
  practise({catalog, resolved.manifest, point, read, progress, stop}, loader, options, report);
}

}  // namespace

catalog::DrillReport run_drill(const catalog::Catalog& catalog, const DrillOptions& options,
                               Progress& progress, const Clock& clock, std::stop_token stop) {
  catalog::DrillReport report;
  report.backup = "none";
  report.started = clock.now();
  report.node = options.node;
  try {
    drill(catalog, options, progress, stop, report);
    report.ok = true;
  } catch (const Error& error) {
    if (!is_verdict(error)) {
      throw;
    }
    report.error = error.what();
  }
  report.finished = clock.now();
  return catalog::record_drill(catalog, report, stop);
}

}  // namespace keyrewind::restore
