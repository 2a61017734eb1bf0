#pragma once

#include "base/clock.h"
#include "catalog/manifest.h"

#include <chrono>
#include <cstdint>
#include <vector>

namespace keyrewind::daemon {

/// What people may ask for.
struct Quotas {
  std::uint64_t manual_per_24h = 0;  ///< Backups in any 24 hours; 0: no limit.
  std::uint64_t max_stored = 0;      ///< Bytes of the source in its repository; 0: no limit.
};

/// Throws Error(busy) if a person may not have another backup made at `now`: it says when the next
/// one may be, or that the repository is full. `stored` is what the source has there, in bytes.
void check_quotas(const std::vector<catalog::Commit>& backups, std::uint64_t stored,
                  const Quotas& quotas, Timestamp now);

/// Throws Error(busy) if the last full sync is more recent than `floor`: it says when the next one
/// may be. A backup of the future is a clock that was set back, and counts for nothing.
void check_floor(const std::vector<catalog::Commit>& backups, std::chrono::milliseconds floor,
                 Timestamp now);

}  // namespace keyrewind::daemon
