#pragma once

#include "catalog/backup_lock.h"
#include "catalog/catalog.h"

#include <stop_token>
#include <string>

namespace keyrewind::prune {

/// Puts `lock` on the backup that `id` means (an id, a beginning of it, "latest"), in place of any
/// lock that it has, and returns its id. No retention runs meanwhile: when this returns the backup
/// is there and stays. Throws Error(no_backup) if there is none, Error(busy) if retention is at
/// work for longer than a person waits.
std::string lock_backup(catalog::Catalog& catalog, const std::string& id, catalog::BackupLock lock,
                        std::stop_token stop);

struct Unlocked {
  std::string backup;
  bool was_locked = false;
};

/// Removes all locks of the backup that `id` means. Throws Error(no_backup) if there is none.
Unlocked unlock_backup(catalog::Catalog& catalog, const std::string& id, std::stop_token stop);

}  // namespace keyrewind::prune
