#pragma once

#include "aof/layout.h"
#include "base/progress.h"
#include "catalog/catalog.h"
#include "restore/moment.h"
#include "restore/read_snapshot.h"
#include "restore/throwaway_server.h"
#include "store/object_store.h"

#include <filesystem>
#include <optional>
#include <stop_token>

/// The files that a server finds a moment in. All are durable when these functions return; what
/// they leave where they throw is of no use. Throws Error(failed) if the disk is full or not
/// writable, corrupt if the snapshot or the log is.
namespace keyrewind::restore {

/// Where the data of a restore comes from, and how it is read. All must outlive the restore.
struct Origin {
  const catalog::Catalog& catalog;
  const catalog::Manifest& manifest;  ///< Of the backup that `point` has its base from.
  const RestorePoint& point;
  const ReadOptions& options;
  Progress& progress;
  const std::stop_token& stop;
  /// A folder on the file system of what is made, in which what is fetched of the snapshot is kept
  /// if the restore is interrupted, and taken up from by the next one; empty: nowhere.
  std::filesystem::path unfinished{};
};

/// Writes a snapshot's RDB as the file `path`, whole or not at all, replacing what is there.
void write_snapshot(store::ObjectStore& store, const catalog::Snapshot& snapshot,
                    const ReadOptions& options, const std::filesystem::path& path,
                    Progress& progress, std::stop_token stop);

/// Makes `folder` and in it an AOF that ends at the moment: the snapshot, an increment with the log
/// behind it, to which a server will append, and the manifest.
void write_aof(const Origin& origin, const std::filesystem::path& folder, const aof::Names& names);

/// The same from an RDB that is the moment already, linked or copied: with an empty increment.
void write_aof(const std::filesystem::path& rdb, const std::filesystem::path& folder,
               const aof::Names& names);

/// Writes the moment as the RDB `path`, whole or not at all, replacing what is there: the snapshot
/// itself, or if the log is needed what `maker` makes of both, in a folder beside `path`.
void write_rdb(const Origin& origin, const std::optional<ServerProgram>& maker,
               const std::filesystem::path& path);

}  // namespace keyrewind::restore
