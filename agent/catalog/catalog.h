#pragma once

#include "base/clock.h"
#include "catalog/manifest.h"
#include "store/object_store.h"

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace keyrewind::catalog {

/// What a repository holds for one source.
///
/// A backup exists once its commit object does. Reading never changes anything; writing goes
/// through a Writer, of which there is one at a time.
class Catalog {
 public:
  /// `store` must outlive the catalog. Nothing is contacted yet.
  Catalog(store::ObjectStore& store, std::string source);

  /// The available backups, oldest first. An empty list means that the repository was read and
  /// holds none; anything else throws: Error(unavailable | denied) if it could not be read or is no
  /// repository (a folder with foreign files), Error(corrupt) if a commit object is damaged,
  /// Error(incompatible) if the repository's format is newer.
  std::vector<Commit> list(std::stop_token stop) const;

  /// The backup called `id`, or the newest for "latest". An unambiguous beginning of an id, at
  /// least 4 characters long, will do. Throws Error(no_backup) if there is none, saying whether any
  /// exists; if this source has written backups before and none is left, it says that.
  Commit find(const std::string& id, std::stop_token stop) const;

  /// Whether this source ever completed a backup here, whatever is left of it.
  bool ever_backed_up(std::stop_token stop) const;

  /// The manifest of a backup, checked against the commit's SHA-256.
  /// Throws Error(corrupt) if it is missing or differs.
  Manifest manifest(const Commit& commit, std::stop_token stop) const;

  store::ObjectStore& store() const noexcept { return store_; }
  const std::string& source() const noexcept { return source_; }

 private:
  store::ObjectStore& store_;
  const std::string source_;
};

/// The right to write backups of one source, held from construction to destruction.
///
/// The constructor makes the repository if there is none yet, takes the writer lock and clears away
/// what earlier runs left: partial uploads, snapshots and manifests that no commit names.
class Writer {
 public:
  /// `catalog` must outlive the writer. Throws Error(busy) if another run holds the lock.
  Writer(Catalog& catalog, const Clock& clock, std::stop_token stop);

  /// A fresh id: "<compact UTC time>-<6 random hexadecimal digits>".
  std::string new_id() const;

  /// Objects that the constructor removed.
  std::size_t removed_leftovers() const noexcept { return removed_leftovers_; }

  /// Set if the clock is behind the newest backup: by how much. Order is kept by the sequence.
  std::optional<std::chrono::milliseconds> clock_behind() const noexcept { return clock_behind_; }

  /// Makes a backup available: writes its manifest, then its commit object. All objects that the
  /// manifest names must be complete. `manifest` gets no change but what is passed in.
  Commit commit(const Manifest& manifest, std::stop_token stop);

 private:
  Catalog& catalog_;
  const Clock& clock_;
  std::unique_ptr<store::StoreLock> lock_;
  std::uint64_t last_sequence_ = 0;
  std::size_t removed_leftovers_ = 0;
  std::optional<std::chrono::milliseconds> clock_behind_;
};

}  // namespace keyrewind::catalog
