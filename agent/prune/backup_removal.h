#pragma once

#include "base/clock.h"
#include "catalog/catalog.h"
#include "catalog/timeline.h"
#include "prune/removal.h"

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

namespace keyrewind::prune {

/// Pointers into a timeline.
using Backups = std::vector<const catalog::BackupParts*>;

struct Division {
  Backups going;
  Backups staying;  ///< All others.
};

/// Removes backups so that at any instruction each is there whole or not listed: all commits first,
/// then what belongs to them and to no other, but for what somebody reads just now. One whose
/// commit is refused stays whole. Returns those that are gone.
Backups remove_backups_whole(const catalog::Catalog& catalog, Division division, const Clock& clock,
                             Removal& removal, const std::stop_token& stop);

/// As stored.
std::uint64_t bytes_of(const catalog::BackupParts& backup);

}  // namespace keyrewind::prune
