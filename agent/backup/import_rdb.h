#pragma once

#include "backup/backup_draft.h"
#include "backup/snapshot_upload.h"
#include "base/clock.h"
#include "base/progress.h"
#include "catalog/catalog.h"

#include <cstdint>
#include <map>
#include <optional>
#include <stop_token>
#include <string>

namespace keyrewind::backup {

/// An RDB that some other tool made.
struct ForeignRdb {
  std::string from;  ///< A file's name or a URL, for people: without secrets.
  ReadSome read;
  std::optional<std::uint64_t> bytes{};  ///< All of it, if that is known before it is read.
};

struct ImportOptions {
  PipelineOptions pipeline;
  std::map<std::string, std::string> labels;  ///< Without catalog::kImportedFrom.
  bool allow_plaintext = false;               ///< Though earlier backups are encrypted.
};

/// Makes a backup of it, like any other: checked on its way in, with a label that says where it
/// came from. It is of a lineage of its own, at offset 0, so that it never joins a log; its moment
/// is the one that the RDB names, if that is not in the future.
///
/// Throws what take_backup does but for the source's failures, and what `rdb.read` throws.
/// Error(corrupt) says what it is if it is no RDB. Whatever it throws, nothing half is listed.
BackupResult import_rdb(catalog::Catalog& catalog, const ForeignRdb& rdb,
                        const ImportOptions& options, const Clock& clock, Progress& progress,
                        std::stop_token stop);

}  // namespace keyrewind::backup
