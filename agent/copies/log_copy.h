#pragma once

#include "base/progress.h"
#include "copies/copy_pass.h"
#include "copies/object_copy.h"

#include <span>
#include <stop_token>
#include <string>

namespace keyrewind::copies {

/// Takes over what the target lacks of the logs and events of all shards: what brings new bytes
/// first, oldest first. Segments that a merged one replaces are left out once that is there, and
/// stale ones always. If the target is tidied, its own replaced and stale segments go; nothing ever
/// goes because it is missing at the source.
///
/// Both repositories are there. Throws what the stores throw; what was copied by then stays.
CopyReport copy_log(const Sides& sides, const CopyOptions& options, const CopyObserver& observer,
                    Progress& progress, std::stop_token stop);

/// The same for the objects of these names alone, without listing anything: what the source got
/// since the last pass. Names of other objects are passed over.
CopyReport copy_log_objects(const Sides& sides, const CopyOptions& options,
                            std::span<const std::string> names, const CopyObserver& observer,
                            Progress& progress, std::stop_token stop);

/// Since when an object has been wanted by whoever copies the log, as its name tells: when the last
/// byte of a segment had arrived, or an event was noted.
std::optional<Timestamp> time_of_log_object(const std::string& source, const std::string& name);

}  // namespace keyrewind::copies
