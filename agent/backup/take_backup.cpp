#include "backup/take_backup.h"

#include "base/log.h"
#include "base/log_scope.h"
#include "replica/server_info.h"
#include "replica/snapshot_stream.h"

#include <utility>

namespace keyrewind::backup {
namespace {

/// Asks the node about itself over a connection that is gone before the snapshot begins.
replica::ServerInfo ask_about(const BackupOptions& options, const std::stop_token& stop) {
  replica::Connection connection(options.source, stop);
  replica::ServerInfo info = replica::ask_server_info(connection);
  for (const std::string& missing : info.missing) {
    log::info("server metadata left out", {{"what", missing}});
  }
  return info;
}

void take_snapshot(BackupDraft& draft, catalog::Catalog& catalog, const BackupOptions& options,
                   const Clock& clock, Progress& progress, const std::stop_token& stop) {
  replica::SnapshotStream stream(options.source, stop);
  const Timestamp taken = clock.now();
  const auto& position = stream.position();
  log::info("snapshot started", {{"server", rdb::to_string(stream.greeting().server)},
                                 {"replid", position.replid},
                                 {"offset", position.offset}});
  const std::string lineage = options.on_position ? options.on_position(position) : position.replid;
  const auto read = [&](std::span<std::byte> into) {
    const std::size_t got = stream.read(into);
    if (const auto length = stream.length()) {
      progress.total_bytes = *length;
    }
    return got;
  };
  draft.add_snapshot(
      store_snapshot(read, catalog.store(), draft.snapshot_name(lineage, position.offset),
                     options.pipeline, progress, stop),
      lineage, position, taken);
}

}  // namespace

BackupResult take_backup(catalog::Catalog& catalog, const BackupOptions& options,
                         const Clock& clock, Progress& progress, std::stop_token stop) {
  BackupDraft draft(catalog, clock, {.allow_plaintext = options.allow_plaintext}, options.labels,
                    stop);
  const log::Scope story({"backup", draft.id()});
  draft.add_origin(options.origin, options.decision);
  for (const std::string& warning : options.warnings) {
    draft.add_warning(warning);
  }
  log::info(
      "backup started",
      {{"source", catalog.source()},
       {"address", replica::to_string(options.source.address)},
       {"trigger", catalog::to_string(options.origin.trigger.value_or(catalog::Trigger::manual))}});
  try {
    replica::ServerInfo server = ask_about(options, stop);
    progress.total_keys = server.keys.value_or(0);
    draft.add_server(std::move(server));
    take_snapshot(draft, catalog, options, clock, progress, stop);
    return draft.finish(stop);
  } catch (...) {
    log::info("backup abandoned");  // Whoever called says why; the story ends here.
    throw;
  }
}

}  // namespace keyrewind::backup
