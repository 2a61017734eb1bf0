#pragma once

#include "base/clock.h"
#include "catalog/catalog.h"
#include "policy/retention.h"
#include "prune/removal.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

/// Removes from a repository what retention does not want any more.
namespace keyrewind::prune {

struct PruneOptions {
  policy::RetentionRules rules;
  bool dry_run = false;  ///< Say what would happen; takes no right but to read.
};

/// A backup, and what becomes of it.
struct BackupOutcome {
  catalog::Commit commit;
  bool keep = true;
  std::vector<std::string> reasons;
};

/// The log of a lineage, and what becomes of it.
struct LogOutcome {
  std::string lineage;
  std::optional<std::int64_t> keep_from;  ///< Nothing: nothing of it is kept.
  std::vector<std::string> reasons;       ///< Why what is kept is.
  std::uint64_t kept_segments = 0;
  std::uint64_t kept_bytes = 0;
  std::uint64_t removed_segments = 0;
  std::uint64_t removed_bytes = 0;
};

struct PruneReport {
  std::vector<BackupOutcome> backups;  ///< Oldest first.
  std::vector<LogOutcome> logs;
  std::uint64_t kept_backups = 0;
  std::uint64_t removed_backups = 0;  ///< In a dry run: what would be.
  std::uint64_t removed_bytes = 0;
  std::uint64_t removed_objects = 0;  ///< That were; 0 in a dry run.
  /// Damaged backups, a line each: as long as there are any nothing is removed, since nobody knows
  /// what they need.
  std::vector<std::string> problems;
  std::vector<Refusal> refused;  ///< What the store would not remove; the next run tries again.
};

/// Decides what goes, and unless it is a dry run removes it.
///
/// Safe against being killed at any instruction: a backup's commit goes first, a trim says from
/// where on a log counts before any of it goes, and the next run removes what is then left. What
/// somebody reads just now stays, as does what is not ours.
///
/// Throws Error(busy) if another run is at it, Error(denied) if the store refuses everything. With
/// `rules` that are not enabled nobody calls this.
PruneReport prune(catalog::Catalog& catalog, const PruneOptions& options, const Clock& clock,
                  std::stop_token stop);

/// The right to change what retention looks at: held while a lock is put on a backup, too. Throws
/// Error(busy) if somebody else has it.
std::unique_ptr<store::StoreLock> take_prune_lock(catalog::Catalog& catalog, std::stop_token stop);

}  // namespace keyrewind::prune
