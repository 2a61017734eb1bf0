#include "catalog/frame_runs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace keyrewind::catalog {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<codec::Frame> frames_of(const std::vector<std::uint32_t>& sizes) {
  std::vector<codec::Frame> frames;
  for (const std::uint32_t size : sizes) {
    frames.push_back({.stored_bytes = size, .raw_bytes = 1});
  }
  return frames;
}

TEST(FrameRuns, TakeNeighboursTogetherUpToABound) {
  const auto frames = frames_of({3, 4, 2, 5, 1, 1});

  EXPECT_THAT(frame_runs(frames, 0, 6, 7),
              ElementsAre(FrameRun{0, 2, 0, 7}, FrameRun{2, 4, 7, 7}, FrameRun{4, 6, 14, 2}));
  EXPECT_THAT(frame_runs(frames, 0, 6, 1000), ElementsAre(FrameRun{0, 6, 0, 16}));
}

TEST(FrameRuns, LeaveWhatIsLargerAlone) {
  const auto frames = frames_of({3, 9, 2, 2});

  EXPECT_THAT(frame_runs(frames, 0, 4, 4),
              ElementsAre(FrameRun{0, 1, 0, 3}, FrameRun{1, 2, 3, 9}, FrameRun{2, 4, 12, 4}));
}

TEST(FrameRuns, BeginAndEndAtAnyFrame) {
  const auto frames = frames_of({3, 4, 2, 5});

  EXPECT_THAT(frame_runs(frames, 1, 3, 100), ElementsAre(FrameRun{1, 3, 3, 6}));
  EXPECT_THAT(frame_runs(frames, 3, 4, 100), ElementsAre(FrameRun{3, 4, 9, 5}));
  EXPECT_THAT(frame_runs(frames, 4, 4, 100), IsEmpty());
  EXPECT_THAT(frame_runs({}, 0, 0, 100), IsEmpty());
}

}  // namespace
}  // namespace keyrewind::catalog
