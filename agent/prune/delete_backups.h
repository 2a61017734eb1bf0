#pragma once

#include "base/clock.h"
#include "catalog/catalog.h"
#include "prune/removal.h"

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

namespace keyrewind::prune {

/// What is asked of `delete_backups`.
struct DeleteOptions {
  std::vector<std::string> ids;  ///< Whole ones, or beginnings that are unambiguous.
  bool force = false;            ///< The last one, too.
  bool dry_run = false;
};

struct DeleteReport {
  std::vector<std::string> removed;  ///< Their ids. In a dry run: what would be.
  std::uint64_t removed_bytes = 0;
  std::uint64_t removed_objects = 0;
  std::vector<std::string> notes;  ///< Which moments go with them.
  std::vector<Refusal> refused;
};

/// Removes backups that a person names, in the same way. Log that nothing needs any more goes with
/// the next `prune`. Throws Error(no_backup) if one is not there, Error(busy) if one is locked,
/// being read, or without `force` the last good one, or if another run is at it.
DeleteReport delete_backups(catalog::Catalog& catalog, const DeleteOptions& options,
                            const Clock& clock, std::stop_token stop);

}  // namespace keyrewind::prune
