#include "catalog/frame_runs.h"

namespace keyrewind::catalog {

std::vector<FrameRun> frame_runs(std::span<const codec::Frame> frames, std::size_t first,
                                 std::size_t end, std::uint64_t max_bytes) {
  std::vector<FrameRun> runs;
  std::uint64_t offset = 0;
  for (std::size_t number = 0; number < end; ++number) {
    const std::uint64_t bytes = frames[number].stored_bytes;
    if (number >= first) {
      if (runs.empty() || runs.back().bytes + bytes > max_bytes) {
        runs.push_back({number, number, offset, 0});
      }
      runs.back().end = number + 1;
      runs.back().bytes += bytes;
    }
    offset += bytes;
  }
  return runs;
}

}  // namespace keyrewind::catalog
