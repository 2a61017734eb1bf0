#pragma once

#include "catalog/manifest.h"
#include "catalog/names.h"
#include "store/object_store.h"

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

/// The commit objects of a source, as Catalog and Writer read them.
namespace keyrewind::catalog {

/// A commit object by its name, not yet read.
struct CommitEntry {
  std::string object;
  names::CommitName name;
};

/// The commits of `source`, oldest first: by sequence, then by id.
std::vector<CommitEntry> list_commits(const store::ObjectStore& store, const std::string& source,
                                      std::stop_token stop);

/// The one that `id` means: itself, an unambiguous beginning of it, or "latest". `entries` are in
/// their order and not none. Throws Error(no_backup) if there is none, or several.
const CommitEntry& choose_commit(const std::vector<CommitEntry>& entries, const std::string& id,
                                 const std::string& source);

/// Reads one. Nothing if it was removed since it was listed. Throws Error(corrupt) if it is damaged
/// or does not fit its name, Error(incompatible) if its format is newer.
std::optional<Commit> read_commit(const store::ObjectStore& store, const std::string& source,
                                  const CommitEntry& entry, std::stop_token stop);

/// The manifest of a backup as it stands in plain, checked against the commit's SHA-256.
/// Throws Error(corrupt) if it is missing or differs.
Manifest read_manifest(const store::ObjectStore& store, const Commit& commit, std::stop_token stop);

/// The most bytes that a manifest or commit may have; of a manifest, its details no more either.
inline constexpr std::uint64_t kMaxManifestBytes = 16U << 20;
inline constexpr std::uint64_t kMaxCommitBytes = 1U << 20;

}  // namespace keyrewind::catalog
