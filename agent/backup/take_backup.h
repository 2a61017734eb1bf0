#pragma once

#include "backup/backup_draft.h"
#include "backup/snapshot_upload.h"
#include "base/clock.h"
#include "base/progress.h"
#include "catalog/catalog.h"
#include "replica/connection.h"
#include "replica/position.h"

#include <functional>
#include <map>
#include <stop_token>
#include <string>
#include <vector>

namespace keyrewind::backup {

/// What to back up, and what to write beside it.
struct BackupOptions {
  replica::SourceOptions source;
  PipelineOptions pipeline;
  std::map<std::string, std::string> labels;
  catalog::Origin origin{.trigger = catalog::Trigger::manual};
  std::string decision{};               ///< Why from this node and now, for people.
  std::vector<std::string> warnings{};  ///< That the decision came with.
  bool allow_plaintext = false;         ///< Though earlier backups of this source are encrypted.
  /// Called as soon as the server has said at which position the snapshot will be exact, before its
  /// first byte is read: the log can be attached there. Gives the lineage that the snapshot belongs
  /// to; without it that is the position's own id.
  std::function<std::string(const replica::Position&)> on_position;
};

/// Takes one backup of the node at `options.source`: clears away what a killed run left, asks the
/// server about itself, stores a snapshot, writes manifest and commit.
///
/// Throws Error: busy if another run is writing this source, the source's and the repository's own
/// failures, corrupt if the RDB did not arrive sound. Whatever it throws, nothing half is listed.
BackupResult take_backup(catalog::Catalog& catalog, const BackupOptions& options,
                         const Clock& clock, Progress& progress, std::stop_token stop);

}  // namespace keyrewind::backup
