#pragma once

#include "base/clock.h"
#include "catalog/manifest.h"
#include "store/object_store.h"

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
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

  /// The manifest of a backup, checked against the commit's SHA-256, and of an encrypted one with
  /// its details, where these can be read.
  /// Throws Error(corrupt) if it is missing or differs.
  Manifest manifest(const Commit& commit, std::stop_token stop) const;

  store::ObjectStore& store() const noexcept { return store_; }
  const std::string& source() const noexcept { return source_; }

 private:
  store::ObjectStore& store_;
  const std::string source_;
};

/// Throws Error(Side::repository, config) if anything of the source is encrypted in the repository,
/// but its store does not encrypt: somebody has lost a line of the configuration, and nothing says
/// that plaintext may stand there. With `allow_plaintext` somebody has said it. The repository is
/// there; an agent calls it once before it writes a log.
void check_encryption(const Catalog& catalog, bool allow_plaintext, std::stop_token stop);

struct WriterOptions {
  bool allow_plaintext = false;  ///< Write it though what is there is encrypted.
};

/// The right to write backups of one source, held from construction to destruction.
///
/// The constructor makes the repository if there is none yet, takes the writer lock and clears away
/// what earlier runs left: partial uploads, and snapshots, manifests and details that no commit
/// names. Where many backups have gathered, it writes the pages that tell of them.
class Writer {
 public:
  /// `catalog` must outlive the writer. Throws Error(busy) if another run holds the lock, and what
  /// check_encryption does.
  Writer(Catalog& catalog, const Clock& clock, const WriterOptions& options, std::stop_token stop);
  Writer(Catalog& catalog, const Clock& clock, std::stop_token stop)
      : Writer(catalog, clock, {}, std::move(stop)) {}

  /// A fresh id: "<compact UTC time>-<6 random hexadecimal digits>".
  std::string new_id() const;

  /// Objects that the constructor removed.
  std::size_t removed_leftovers() const noexcept { return removed_leftovers_; }

  /// Set if the clock is behind the newest backup: by how much. Order is kept by the sequence.
  std::optional<std::chrono::milliseconds> clock_behind() const noexcept { return clock_behind_; }

  /// Makes a backup available: writes its details if the store encrypts, its manifest, then its
  /// commit object. All objects that the manifest names must be complete.
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
