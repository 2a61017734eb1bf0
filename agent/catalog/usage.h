#pragma once

#include "catalog/catalog.h"

#include <cstdint>
#include <stop_token>

namespace keyrewind::catalog {

/// What a source takes up in a repository, as it is stored.
struct Usage {
  std::uint64_t objects = 0;
  std::uint64_t bytes = 0;         ///< Of all of them, and of these…
  std::uint64_t backup_bytes = 0;  ///< …snapshots, manifests and the like, and…
  std::uint64_t log_bytes = 0;     ///< …segments, their indexes and events.
};

/// Adds up what a listing shows of the source. Quotas and metrics are about this.
Usage measure_usage(const Catalog& catalog, std::stop_token stop);

}  // namespace keyrewind::catalog
