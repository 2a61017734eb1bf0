#pragma once

#include "base/clock.h"

#include <cstdint>

namespace keyrewind::catalog {

/// One piece of a log, as its name tells: each begins where the one before ends.
struct LogSpan {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  Timestamp last{};         ///< When its last byte had arrived, to the second.
  std::uint64_t bytes = 0;  ///< As stored.

  bool operator==(const LogSpan&) const = default;
};

}  // namespace keyrewind::catalog
