#include "backup/take_backup.h"

#include "base/log.h"
#include "base/version.h"
#include "catalog/names.h"
#include "replica/server_info.h"
#include "replica/snapshot_stream.h"

#include <fmt/format.h>

#include <utility>

namespace keyrewind::backup {
namespace {

/// A source that is no cluster has this one shard.
const std::string kOnlyShard = "0";

void warn_of_clock(const catalog::Writer& writer, catalog::Manifest& manifest) {
  if (const auto behind = writer.clock_behind()) {
    log::warn("clock is behind the newest backup", {{"behind_seconds", behind->count() / 1000}});
    manifest.warnings.push_back(
        fmt::format("this machine's clock is {} behind the backup before; the order of backups is "
                    "right, this one's time may be wrong",
                    to_human(*behind)));
  }
}

void warn_of_opaque(const rdb::Summary& summary, catalog::Manifest& manifest) {
  if (summary.opaque()) {
    log::warn("snapshot stored without following its structure",
              {{"backup", manifest.id}, {"reason", summary.opaque_reason}});
    manifest.warnings.push_back("the snapshot was stored whole but not counted: " +
                                summary.opaque_reason);
  }
}

/// Asks the node about itself over a connection that is gone before the snapshot begins.
replica::ServerInfo ask_about(const BackupOptions& options, const std::stop_token& stop) {
  replica::Connection connection(options.source, stop);
  replica::ServerInfo info = replica::ask_server_info(connection);
  for (const std::string& missing : info.missing) {
    log::info("server metadata left out", {{"what", missing}});
  }
  return info;
}

catalog::Snapshot take_snapshot(catalog::Catalog& catalog, const std::string& id,
                                const BackupOptions& options, const Clock& clock,
                                Progress& progress, const std::stop_token& stop) {
  replica::SnapshotStream stream(options.source, stop);
  const Timestamp taken = clock.now();
  const auto& position = stream.position();
  log::info("snapshot started", {{"backup", id},
                                 {"server", rdb::to_string(stream.greeting().server)},
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
  const std::string name = catalog::names::snapshot(
      catalog.source(), kOnlyShard, lineage, position.offset, id, catalog.store().encrypts());
  StoredSnapshot stored =
      store_snapshot(read, catalog.store(), name, options.pipeline, progress, stop);
  return {.shard = kOnlyShard,
          .lineage = lineage,
          .replid = position.replid,
          .offset = position.offset,
          .taken = taken,
          .object = std::move(stored.object),
          .index_offset = stored.index_offset,
          .index_bytes = stored.index_bytes,
          .index_sha256 = std::move(stored.index_sha256),
          .raw_sha256 = std::move(stored.raw_sha256),
          .rdb = std::move(stored.rdb)};
}

}  // namespace

BackupResult take_backup(catalog::Catalog& catalog, const BackupOptions& options,
                         const Clock& clock, Progress& progress, std::stop_token stop) {
  catalog::Writer writer(catalog, clock, {.allow_plaintext = options.allow_plaintext}, stop);
  catalog::Manifest manifest;
  manifest.id = writer.new_id();
  manifest.source = catalog.source();
  manifest.created = clock.now();
  manifest.program = version();
  manifest.labels = options.labels;
  log::info("backup started", {{"backup", manifest.id},
                               {"source", manifest.source},
                               {"address", replica::to_string(options.source.address)}});
  warn_of_clock(writer, manifest);

  replica::ServerInfo server = ask_about(options, stop);
  progress.total_keys = server.keys.value_or(0);
  manifest.servers.emplace(kOnlyShard, std::move(server));
  manifest.snapshots.push_back(take_snapshot(catalog, manifest.id, options, clock, progress, stop));
  warn_of_opaque(manifest.snapshots.front().rdb, manifest);
  manifest.finished = clock.now();

  BackupResult result{writer.commit(manifest, stop), manifest.warnings};
  log::info("backup finished",
            {{"backup", result.commit.id},
             {"keys", result.commit.keys},
             {"raw_bytes", result.commit.raw_bytes},
             {"stored_bytes", result.commit.stored_bytes},
             {"seconds", (manifest.finished - manifest.created).count() / 1000}});
  return result;
}

}  // namespace keyrewind::backup
