#pragma once

#include "catalog/catalog.h"
#include "restore/moment.h"

#include <stop_token>

namespace keyrewind::restore {

/// Moves `point` back to the last offset at which the log may be cut: what a time or an offset
/// chose may lie within a command or transaction, and only the log itself tells. Reads at most what
/// was sealed as one segment. If `moment` asked for an offset that is moved, a note says so.
/// Throws like `read_log`.
void cut_safely(const catalog::Catalog& catalog, const Moment& moment, RestorePoint& point,
                std::stop_token stop);

}  // namespace keyrewind::restore
