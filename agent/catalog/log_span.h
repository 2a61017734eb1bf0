#pragma once

#include "base/clock.h"

#include <cstdint>

namespace keyrewind::catalog {

/// One piece of a lineage's log, as the name of its object tells: each begins where the one before
/// ends. It is small, since there may be a million of them.
struct LogSpan {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  Timestamp last{};              ///< When its last byte had arrived, to the second.
  std::uint64_t bytes = 0;       ///< As stored.
  std::uint64_t generation = 0;  ///< Of the lease under which it was written.
  std::uint8_t level = 0;        ///< 0 as sealed; one more than those that it was merged from.
  bool encrypted = false;

  bool operator==(const LogSpan&) const = default;
};

}  // namespace keyrewind::catalog
