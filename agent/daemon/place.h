#pragma once

#include "backup/spool.h"
#include "catalog/catalog.h"
#include "replica/position.h"

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace keyrewind::daemon {

/// Where the log of a shard may go on.
struct Place {
  std::string lineage;
  replica::Position position;
  std::optional<std::uint64_t> database;  ///< Selected there, if known.
  bool fresh = false;                     ///< The lineage's log begins here.
  bool has_base = false;                  ///< A backup is known to hold a snapshot to begin with.
};

/// The places where the repository's logs and the newest backup end, the most promising first: the
/// logs by when their last byte arrived, then the newest snapshot if no log goes on from it. An end
/// that is damaged is passed over with a warning. Throws Error(Side::repository, …) if the
/// repository can't be read; one that holds nothing gives no place.
std::vector<Place> places_in_repository(const catalog::Catalog& catalog, const std::string& shard,
                                        std::stop_token stop);

/// Whether a backup that is available holds a snapshot stored under `lineage`.
bool has_snapshot(const catalog::Catalog& catalog, const std::string& shard,
                  const std::string& lineage, std::stop_token stop);

/// When the newest backup of the source was begun, if there is one.
std::optional<Timestamp> last_backup(const catalog::Catalog& catalog, std::stop_token stop);

}  // namespace keyrewind::daemon
