#pragma once

#include "backup/snapshot_upload.h"
#include "base/clock.h"
#include "catalog/catalog.h"
#include "replica/position.h"
#include "replica/server_info.h"

#include <map>
#include <stop_token>
#include <string>
#include <vector>

namespace keyrewind::backup {

/// A source that is no cluster has this one shard.
inline constexpr const char* kOnlyShard = "0";

/// A backup that is available, and what somebody should know about it.
struct BackupResult {
  catalog::Commit commit;
  std::vector<std::string> warnings;  ///< Also in the manifest.
};

/// A backup in the making, wherever its snapshot comes from: it holds the right to write, and
/// gathers the manifest.
class BackupDraft {
 public:
  /// What Writer does, and throws. `catalog` and `clock` must outlive the draft.
  BackupDraft(catalog::Catalog& catalog, const Clock& clock, const catalog::WriterOptions& options,
              std::map<std::string, std::string> labels, std::stop_token stop);

  const std::string& id() const noexcept { return manifest_.id; }

  /// What the snapshot's object must be called.
  std::string snapshot_name(const std::string& lineage, std::int64_t offset) const;

  void add_server(replica::ServerInfo server);

  /// `taken` is the moment that the data is of.
  void add_snapshot(StoredSnapshot stored, const std::string& lineage,
                    const replica::Position& position, Timestamp taken);

  void add_label(const std::string& name, const std::string& value);

  /// Why this backup is taken, and why from this node; `decision` is for people and may be empty.
  void add_origin(catalog::Origin origin, std::string decision);

  /// A sentence that belongs to the backup for ever, and is shown when it is taken.
  void add_warning(std::string warning);

  /// Makes the backup available.
  BackupResult finish(std::stop_token stop);

 private:
  void warn_of_clock();
  void warn_of_opaque(const rdb::Summary& summary);

  catalog::Catalog& catalog_;
  const Clock& clock_;
  catalog::Writer writer_;
  catalog::Manifest manifest_;
};

}  // namespace keyrewind::backup
