#pragma once

#include "codec/frame_index.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace keyrewind::catalog {

/// Neighbouring frames of an object, to be fetched with one request: a request to a store far away
/// costs as much time as some MiB do.
struct FrameRun {
  std::size_t first = 0;     ///< The number of its first frame…
  std::size_t end = 0;       ///< …and the one behind its last.
  std::uint64_t offset = 0;  ///< Where in what the object holds it begins.
  std::uint64_t bytes = 0;   ///< As stored.

  bool operator==(const FrameRun&) const = default;
};

/// The frames from number `first` to before `end` in runs of at most `max_bytes`; a frame that is
/// larger is a run of its own. `frames` are all those of the object, from its beginning on.
std::vector<FrameRun> frame_runs(std::span<const codec::Frame> frames, std::size_t first,
                                 std::size_t end, std::uint64_t max_bytes);

}  // namespace keyrewind::catalog
