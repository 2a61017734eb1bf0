#pragma once

#include "catalog/backup_lock.h"
#include "catalog/hold.h"
#include "catalog/timeline.h"
#include "policy/retention.h"

#include <map>
#include <string>
#include <vector>

namespace keyrewind::prune {

/// What retention decides on, in its own words. The timeline must outlive it.
struct Facts {
  std::vector<policy::BackupFacts> backups;  ///< As in the timeline.
  std::vector<policy::WindowFacts> windows;
};

Facts facts_of(const catalog::Timeline& timeline,
               const std::map<std::string, catalog::BackupLock>& locks,
               const catalog::Holds& holds);

/// Who reads the backup `id` just now; empty: nobody.
std::string holder_of(const catalog::Holds& holds, const std::string& id);

/// Whether somebody reads the log of `lineage` from an offset on that lies before `offset`.
bool is_log_held(const catalog::Holds& holds, const std::string& lineage, std::int64_t offset);

}  // namespace keyrewind::prune
