#pragma once

#include "base/bytes.h"
#include "catalog/commits.h"
#include "catalog/manifest.h"
#include "store/object_store.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

/// Pages of commits: one object is read in place of the commits and manifests of hundreds of
/// backups. FORMAT.md, section "Pages".
namespace keyrewind::catalog {

/// What a timeline wants of a backup.
struct BackupOutline {
  Commit commit;
  /// Of these shard, lineage, replid, offset, taken and object; the rest tells the manifest.
  std::vector<Snapshot> snapshots;
  std::optional<StoredObject> details;

  bool operator==(const BackupOutline&) const = default;
};

/// So many backups make a page.
inline constexpr std::size_t kBackupsPerPage = 256;

/// A page is read if so many of its backups are there still.
inline constexpr std::size_t kLeastBackupsOfPage = 16;

/// The most that a page may have, inflated and as stored.
inline constexpr std::uint64_t kMaxCommitPageBytes = 64U << 20U;

/// A Zstandard frame of JSON.
Bytes encode_commit_page(const std::string& source, std::span<const BackupOutline> backups);

/// Reads what that wrote. Throws Error(corrupt) if it is not that, Error(incompatible) if its
/// format version is newer.
std::vector<BackupOutline> decode_commit_page(const std::string& source, ByteView frame);

/// What pages tell of `entries`, which are of `source`, in their order: of each its outline, or
/// nothing if its objects are to be read. A page that is damaged is passed over.
std::vector<std::optional<BackupOutline>> read_commit_pages(const store::ObjectStore& store,
                                                            const std::string& source,
                                                            std::span<const CommitEntry> entries,
                                                            std::stop_token stop);

/// Writes pages for those of `entries` that none tells of, from kBackupsPerPage on, and no more
/// than a few at a time. Returns how many. Throws Error(corrupt) if a backup among them is damaged.
std::size_t write_commit_pages(store::ObjectStore& store, const std::string& source,
                               std::span<const CommitEntry> entries, std::stop_token stop);

/// The pages of which fewer backups than kLeastBackupsOfPage are among `entries`.
std::vector<std::string> list_old_commit_pages(const store::ObjectStore& store,
                                               const std::string& source,
                                               std::span<const CommitEntry> entries,
                                               std::stop_token stop);

}  // namespace keyrewind::catalog
