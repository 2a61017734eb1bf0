#include "cli/progress_display.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

namespace keyrewind::cli {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::Not;

TEST(ProgressLine, ShowsPartRateAndTimeLeft) {
  Progress progress;
  progress.bytes = 100U << 20U;
  progress.keys = 25;
  progress.total_keys = 100;

  const std::string line = progress_line("backup", progress, milliseconds(10'000), 120);

  EXPECT_THAT(line, HasSubstr("[##########------------------------------]"));
  EXPECT_THAT(line, HasSubstr(" 25%  100.0 MiB  10.0 MiB/s  eta 30s"));
}

TEST(ProgressLine, GoesByBytesWhereTheirTotalIsKnown) {
  Progress progress;
  progress.bytes = 50;
  progress.total_bytes = 100;
  progress.keys = 1;
  progress.total_keys = 1000;

  EXPECT_THAT(progress_line("restore", progress, milliseconds(1000), 80), HasSubstr(" 50%"));
}

TEST(ProgressLine, WithoutATotalShowsNoBar) {
  Progress progress;
  progress.bytes = 50;

  const std::string line = progress_line("backup", progress, milliseconds(1000), 80);

  EXPECT_THAT(line, Not(HasSubstr("[")));
  EXPECT_THAT(line, HasSubstr("50 B"));
}

TEST(ProgressLine, FitsTheTerminal) {
  Progress progress;
  progress.bytes = 50;
  progress.total_bytes = 100;

  for (const std::size_t width : {0U, 10U, 40U, 200U}) {
    EXPECT_LE(progress_line("restore", progress, milliseconds(1000), width).size(), width);
  }
}

}  // namespace
}  // namespace keyrewind::cli
