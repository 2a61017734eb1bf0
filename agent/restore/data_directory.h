#pragma once

#include "base/clock.h"
#include "restore/moment_files.h"
#include "restore/restore_plan.h"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

/// A server's data folder, filled from a snapshot and the log behind it.
///
/// The data is written into `.keyrewind-tmp/` in the target, verified and synced there, and renamed
/// into place as the last step; `.keyrewind-restore.json` says how far it got. A restore that was
/// killed leaves the marker `running`, one that the repository failed `interrupted`, and what had
/// come of the snapshot in `.keyrewind-tmp/`: the next one of the same snapshot goes on from there.
/// Everything else that it left is known from the marker and removed first. Files get mode 0640 and
/// folders 0750 less the umask, the owner is whoever runs it.
namespace keyrewind::restore {

/// What a finished restore did.
struct RestoreResult {
  std::vector<std::string> files;                    ///< In the target, by relative name.
  std::optional<std::filesystem::path> moved_aside;  ///< Where old data went.
};

/// Removes what an unfinished restore left in `target`, if anything: files that it had put in place
/// but no server has touched since, and its temporary folder, of which a partial snapshot is kept
/// unless data has come to the target meanwhile. Returns whether there was anything. Must run
/// before `find_server_data` decides whether the target is in use.
bool clear_unfinished_restore(const std::filesystem::path& target);

/// Carries `plan` out, which was made for `origin.point`. Old data is moved to
/// `.keyrewind-old-<time>/`, never removed. Throws Error(failed) if the disk is full or not
/// writable, corrupt if the snapshot or the log is; then nothing is in place and old data is
/// untouched. If the repository fails, or the restore is stopped, the same holds, but what has come
/// of the snapshot is kept for the next one.
RestoreResult restore_to_directory(const Origin& origin, const RestorePlan& plan,
                                   const Clock& clock);

}  // namespace keyrewind::restore
