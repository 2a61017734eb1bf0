#include "prune/lock_backups.h"

#include "base/error.h"
#include "flow/pause.h"
#include "prune/prune.h"

#include <chrono>
#include <memory>
#include <utility>

namespace keyrewind::prune {
namespace {

constexpr int kAttempts = 40;
constexpr std::chrono::milliseconds kPause{500};

/// Waits a while for somebody who is at it.
std::unique_ptr<store::StoreLock> wait_for_lock(catalog::Catalog& catalog,
                                                const std::stop_token& stop) {
  for (int attempt = 1;; ++attempt) {
    try {
      return take_prune_lock(catalog, stop);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::busy || attempt == kAttempts) {
        throw;
      }
    }
    flow::pause(kPause, stop);
  }
}

}  // namespace

std::string lock_backup(catalog::Catalog& catalog, const std::string& id, catalog::BackupLock lock,
                        std::stop_token stop) {
  static_cast<void>(catalog.find(id, stop));  // Before anything is written.
  const auto retention = wait_for_lock(catalog, stop);
  lock.backup = catalog.find(id, stop).id;
  catalog::put_lock(catalog, lock, stop);
  return lock.backup;
}

Unlocked unlock_backup(catalog::Catalog& catalog, const std::string& id, std::stop_token stop) {
  const std::string backup = catalog.find(id, stop).id;
  return {backup, catalog::remove_locks(catalog, backup, stop)};
}

}  // namespace keyrewind::prune
