#pragma once

#include "base/clock.h"
#include "catalog/catalog.h"

#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

/// Locks: somebody wants a backup kept, whatever the rules of retention say. FORMAT.md, section
/// "Locks".
namespace keyrewind::catalog {

struct BackupLock {
  std::string backup;              ///< Its id.
  std::optional<Timestamp> until;  ///< Nothing: until it is unlocked.
  std::string note;                ///< Why, for people; may be empty.
  Timestamp created{};

  /// Whether it still holds at `now`.
  bool in_force(Timestamp now) const noexcept { return !until || *until > now; }

  bool operator==(const BackupLock&) const = default;
};

/// JSON as FORMAT.md specifies it, ending in a newline.
std::string encode(const BackupLock& lock);

/// Reads what `encode` wrote. Throws Error(corrupt) if it is not that, Error(incompatible) if its
/// format version is newer.
BackupLock decode_backup_lock(ByteView json);

/// The locks of a source by backup: of several of one backup the one that ends last. Ones that have
/// ended are among them. One that cannot be read counts as one without an end, whose note says so:
/// a backup is rather kept than lost.
std::map<std::string, BackupLock> list_locks(const Catalog& catalog, std::stop_token stop);

/// The lock among `locks` that keeps `backup` at `now`; nothing if none does.
const BackupLock* find_lock(const std::map<std::string, BackupLock>& locks,
                            const std::string& backup, Timestamp now);

/// Locks the backup `lock.backup`, in place of any lock that it has.
void put_lock(Catalog& catalog, const BackupLock& lock, std::stop_token stop);

/// Removes all locks of a backup. Returns whether it had any.
bool remove_locks(Catalog& catalog, const std::string& backup, std::stop_token stop);

/// The objects that lock `backup`.
std::vector<std::string> lock_objects(const Catalog& catalog, const std::string& backup,
                                      std::stop_token stop);

}  // namespace keyrewind::catalog
