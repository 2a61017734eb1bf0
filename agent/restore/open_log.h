#pragma once

#include "catalog/catalog.h"
#include "catalog/timeline.h"
#include "restore/moment.h"

#include <optional>
#include <stop_token>
#include <string>

namespace keyrewind::restore {

/// The timeline of `catalog`, in which `find_restore_point` finds `moment`. Of the log only what it
/// takes for that is opened: a window that may hold the moment has the spans from the snapshot
/// before it on, with their indexes, the others have none. Where any of it is damaged all is read.
catalog::Timeline read_timeline_for(const catalog::Catalog& catalog, const Moment& moment,
                                    const std::optional<std::string>& backup, std::stop_token stop);

}  // namespace keyrewind::restore
