#pragma once

#include "catalog/manifest.h"

namespace keyrewind::catalog {

/// The label of a backup that was imported: where its RDB came from, without secrets. Whoever looks
/// for a full sync of the source, or for a place where its log could go on, passes such backups
/// over.
inline constexpr const char* kImportedFrom = "imported_from";

inline bool is_import(const Commit& commit) {
  return commit.labels.contains(kImportedFrom);
}

}  // namespace keyrewind::catalog
