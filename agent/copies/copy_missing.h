#pragma once

#include "base/clock.h"
#include "base/progress.h"
#include "copies/copy_pass.h"
#include "copies/object_copy.h"

#include <stop_token>

namespace keyrewind::copies {

/// Whether a target that is not there yet is made.
enum class Make { if_missing, never };

/// Sees to it that both sides are repositories. Returns false, having done nothing, if there is
/// none yet to copy from. Throws Error(unavailable) if the target holds foreign files, or is not
/// there and not to be made.
bool make_ready(const Sides& sides, Make make, const Clock& clock, std::stop_token stop);

/// One pass over everything of a source: the backups, then the log. Throws Error(no_backup) if the
/// repository to copy from has nothing of this source.
CopyReport copy_missing(const Sides& sides, const CopyOptions& options, const Clock& clock,
                        Progress& progress, std::stop_token stop);

}  // namespace keyrewind::copies
