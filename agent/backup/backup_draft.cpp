#include "backup/backup_draft.h"

#include "base/log.h"
#include "base/version.h"
#include "catalog/names.h"

#include <fmt/format.h>

#include <utility>

namespace keyrewind::backup {

BackupDraft::BackupDraft(catalog::Catalog& catalog, const Clock& clock,
                         const catalog::WriterOptions& options,
                         std::map<std::string, std::string> labels, std::stop_token stop)
    : catalog_(catalog), clock_(clock), writer_(catalog, clock, options, std::move(stop)) {
  manifest_.id = writer_.new_id();
  manifest_.source = catalog.source();
  manifest_.created = clock.now();
  manifest_.program = version();
  manifest_.labels = std::move(labels);
  warn_of_clock();
}

std::string BackupDraft::snapshot_name(const std::string& lineage, std::int64_t offset) const {
  return catalog::names::snapshot(catalog_.source(), kOnlyShard, lineage, offset, manifest_.id,
                                  catalog_.store().encrypts());
}

void BackupDraft::add_server(replica::ServerInfo server) {
  manifest_.servers.emplace(kOnlyShard, std::move(server));
}

void BackupDraft::add_snapshot(StoredSnapshot stored, const std::string& lineage,
                               const replica::Position& position, Timestamp taken) {
  warn_of_opaque(stored.rdb);
  manifest_.snapshots.push_back({.shard = kOnlyShard,
                                 .lineage = lineage,
                                 .replid = position.replid,
                                 .offset = position.offset,
                                 .taken = taken,
                                 .object = std::move(stored.object),
                                 .index_offset = stored.index_offset,
                                 .index_bytes = stored.index_bytes,
                                 .index_sha256 = std::move(stored.index_sha256),
                                 .raw_sha256 = std::move(stored.raw_sha256),
                                 .rdb = std::move(stored.rdb)});
}

void BackupDraft::add_label(const std::string& name, const std::string& value) {
  manifest_.labels[name] = value;
}

void BackupDraft::add_origin(catalog::Origin origin, std::string decision) {
  manifest_.origin = std::move(origin);
  manifest_.decision = std::move(decision);
}

void BackupDraft::add_warning(std::string warning) {
  manifest_.warnings.push_back(std::move(warning));
}

BackupResult BackupDraft::finish(std::stop_token stop) {
  manifest_.finished = clock_.now();
  BackupResult result{writer_.commit(manifest_, std::move(stop)), manifest_.warnings};
  log::info("backup finished",
            {{"backup", result.commit.id},
             {"keys", result.commit.keys},
             {"raw_bytes", result.commit.raw_bytes},
             {"stored_bytes", result.commit.stored_bytes},
             {"seconds", (manifest_.finished - manifest_.created).count() / 1000}});
  return result;
}

void BackupDraft::warn_of_clock() {
  if (const auto behind = writer_.clock_behind()) {
    log::warn("clock is behind the newest backup",
              {{"backup", manifest_.id}, {"behind_seconds", behind->count() / 1000}});
    manifest_.warnings.push_back(
        fmt::format("this machine's clock is {} behind the backup before; the order of backups is "
                    "right, this one's time may be wrong",
                    to_human(*behind)));
  }
}

void BackupDraft::warn_of_opaque(const rdb::Summary& summary) {
  if (summary.opaque()) {
    log::warn("snapshot stored without following its structure",
              {{"backup", manifest_.id}, {"reason", summary.opaque_reason}});
    manifest_.warnings.push_back("the snapshot was stored whole but not counted: " +
                                 summary.opaque_reason);
  }
}

}  // namespace keyrewind::backup
