#pragma once

#include "base/clock.h"
#include "catalog/catalog.h"

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace keyrewind::catalog {

/// The verdict on a practice restore into a throw-away server. FORMAT.md, section "Drills".
struct DrillReport {
  std::string id;      ///< Filled in by `record_drill`.
  std::string backup;  ///< That the restore began with; "none" if it did not come so far.
  bool ok = false;
  std::string error;  ///< Why not.
  Timestamp at{};     ///< The moment that was restored,
  std::int64_t offset = 0;
  std::string lineage;
  std::string server;           ///< "Valkey 8.1.1"
  std::uint64_t keys = 0;       ///< That it held in the end.
  std::uint64_t log_bytes = 0;  ///< Replayed.
  Timestamp started{};
  Timestamp finished{};
  std::string node;  ///< Where, for people.

  bool operator==(const DrillReport&) const = default;
};

/// Writes a report, and gives it with its id.
DrillReport record_drill(const Catalog& catalog, DrillReport report, std::stop_token stop);

/// The reports on `backup`, or on all of the source's if it is empty, oldest first; at most the
/// last `most`. Throws Error(corrupt) if one cannot be read.
std::vector<DrillReport> read_drills(const Catalog& catalog, const std::string& backup,
                                     std::size_t most, std::stop_token stop);

}  // namespace keyrewind::catalog
