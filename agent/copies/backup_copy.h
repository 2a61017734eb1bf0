#pragma once

#include "base/progress.h"
#include "copies/copy_pass.h"
#include "copies/object_copy.h"

#include <stop_token>

namespace keyrewind::copies {

/// Takes over what the target lacks of all backups, in their order, and whatever else a source has
/// but its log and its leases. A backup appears at the target only when every object that its
/// manifest names is there, sound. What no commit of the source names is not taken, and nothing is
/// ever removed: a backup that is gone at the source stays in the copy.
///
/// Both repositories are there. Throws what the stores throw; what was copied by then stays.
CopyReport copy_backups(const Sides& sides, const CopyOptions& options,
                        const CopyObserver& observer, Progress& progress, std::stop_token stop);

}  // namespace keyrewind::copies
