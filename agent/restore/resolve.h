#pragma once

#include "catalog/catalog.h"
#include "catalog/manifest.h"
#include "restore/moment.h"

#include <optional>
#include <stop_token>
#include <string>

namespace keyrewind::restore {

/// A moment to restore, and the manifest of the backup that it begins with.
struct Resolved {
  catalog::Manifest manifest;
  RestorePoint point;
};

/// The backup's own moment. If the log goes on behind it, a note says how far. Throws Error(failed)
/// if the backup has several shards.
Resolved resolve_backup(const catalog::Catalog& catalog, const catalog::Commit& commit,
                        std::stop_token stop);

/// What `moment` means, cut where the log may be cut; `backup`, if given, is the base to use.
/// Throws as `find_restore_point` and `cut_safely` do.
Resolved resolve_moment(const catalog::Catalog& catalog, const Moment& moment,
                        const std::optional<std::string>& backup, std::stop_token stop);

/// What a person means who names a backup (its id or a beginning of it; empty or "latest": the
/// newest, or whichever fits the moment) and a moment as `parse_moment` reads it (empty: the
/// backup's own).
Resolved resolve(const catalog::Catalog& catalog, const std::string& backup, const std::string& at,
                 std::stop_token stop);

}  // namespace keyrewind::restore
