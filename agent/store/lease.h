#pragma once

#include "store/object_store.h"

#include <chrono>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>

namespace keyrewind::store {

struct LeaseOptions {
  /// Who takes it: something that no two processes ever have at once. A holder that comes back
  /// under the same name has its lease at once.
  std::string holder;
  std::chrono::milliseconds ttl{30000};  ///< Not renewed for so long, it is anybody's.
};

/// The right to be the only one, for a while: a record in a repository that its holder renews.
/// FORMAT.md, section "Leases", has its content.
///
/// Nobody compares clocks: others take the lease when they have seen the same version of the record
/// for `ttl` by their own clock, and the holder gives up before that by its own, counted from when
/// it began to write the version that stands. Each taking by another holder counts the generation
/// up by one.
///
/// A thread of its own renews it three times within `ttl`. All members may be called from any
/// thread.
class Lease {
 public:
  virtual ~Lease() = default;  ///< Renews no more, and gives it back if it is still held.

  virtual std::uint64_t generation() const = 0;  ///< From 1 on.

  /// Whether it is held now, and will be for some time yet.
  virtual bool held() const = 0;

  /// Requested when the lease is lost: taken by another, or not renewed in time.
  virtual std::stop_token lost() const = 0;
};

/// Takes the lease `name` if it is free, its holder's, or lapses while this waits: as long as
/// nobody renews it. Returns nothing as soon as somebody does. Throws what the store does, and
/// Error(config) if it has no conditional writes. `store` must outlive the lease.
std::unique_ptr<Lease> try_lease(ObjectStore& store, const std::string& name,
                                 const LeaseOptions& options, std::stop_token stop);

/// A lock for a store whose locks lapse: a lease under the name "leases/<name>" of a holder that no
/// other call has.
std::unique_ptr<StoreLock> try_lease_lock(ObjectStore& store, const std::string& name,
                                          std::chrono::milliseconds ttl, std::stop_token stop);

}  // namespace keyrewind::store
