#pragma once

#include "base/clock.h"
#include "base/progress.h"
#include "catalog/manifest.h"
#include "restore/read_snapshot.h"
#include "restore/restore_plan.h"
#include "store/object_store.h"

#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

/// A server's data folder, filled from a snapshot.
///
/// The RDB is written into `.keyrewind-tmp/` in the target, verified and synced there, and renamed
/// into place as the last step; `.keyrewind-restore.json` says how far it got. A restore that was
/// killed leaves the marker `running` and is redone from the start: what it left is known from the
/// marker and removed first. Files get mode 0640 and folders 0750 less the umask, the owner is
/// whoever runs it.
namespace keyrewind::restore {

/// What a finished restore did.
struct RestoreResult {
  std::vector<std::string> files;                    ///< In the target, by relative name.
  std::optional<std::filesystem::path> moved_aside;  ///< Where old data went.
};

/// Removes what a killed restore left in `target`, if anything: its temporary folder, and files
/// that it had put in place but no server has touched since. Returns whether there was anything.
/// Must run before `find_server_data` decides whether the target is in use.
bool clear_unfinished_restore(const std::filesystem::path& target);

/// Carries `plan` out. Old data is moved to `.keyrewind-old-<time>/`, never removed.
/// Throws Error(failed) if the disk is full or not writable, corrupt if the snapshot is; then
/// nothing is in place and old data is untouched.
RestoreResult restore_to_directory(store::ObjectStore& store, const catalog::Manifest& manifest,
                                   const catalog::Snapshot& snapshot, const RestorePlan& plan,
                                   const ReadOptions& options, const Clock& clock,
                                   Progress& progress, std::stop_token stop);

/// Writes the snapshot's RDB as the file `path`, whole or not at all, replacing what is there.
void export_rdb(store::ObjectStore& store, const catalog::Snapshot& snapshot,
                const std::filesystem::path& path, const ReadOptions& options, Progress& progress,
                std::stop_token stop);

}  // namespace keyrewind::restore
