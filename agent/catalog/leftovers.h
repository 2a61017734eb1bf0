#pragma once

#include "catalog/catalog.h"
#include "catalog/commits.h"

#include <cstddef>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace keyrewind::catalog {

/// The objects of a source, but for its logs, which may have a great many.
struct BackupObjects {
  std::vector<store::ObjectInfo> objects;
  bool any_encrypted = false;  ///< Of these and of the logs' objects.
};
BackupObjects list_backup_objects(const store::ObjectStore& store, const std::string& source,
                                  std::stop_token stop);

/// Removes what runs of this source left that ended before their commit: partial uploads, and
/// manifests, details and snapshots that no backup names. The caller holds the writer lock and has
/// listed `commits`, and then `objects`. Returns how many there were. What
/// stands in logs and events is left alone: that is the agent's, which runs at the same time.
///
/// What somebody reads just now (catalog/hold.h) stays.
///
/// As long as any backup cannot be read, only partial uploads go: nobody knows what it names.
std::size_t remove_leftovers(const Catalog& catalog, const std::vector<CommitEntry>& commits,
                             const std::vector<store::ObjectInfo>& objects, Timestamp now,
                             std::stop_token stop);

/// The manifests, details and snapshots among them that may go.
std::vector<std::string> find_leftovers(const Catalog& catalog,
                                        const std::vector<CommitEntry>& commits,
                                        const std::vector<store::ObjectInfo>& objects,
                                        Timestamp now, std::stop_token stop);

/// The backup that wrote `name`, as its name says: a manifest, details or a snapshot; nothing if
/// later versions store it, or others.
std::optional<std::string> writer_of(const std::string& source, const std::string& name);

}  // namespace keyrewind::catalog
