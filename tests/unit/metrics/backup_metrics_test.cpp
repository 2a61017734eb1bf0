#include "metrics/backup_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

namespace keyrewind::metrics {
namespace {

using testing::HasSubstr;
using testing::Not;

BackupRun good_run() {
  return {.source = "orders",
          .succeeded = true,
          .opaque = true,
          .attempted = Timestamp(std::chrono::seconds(1000)),
          .last_success = Timestamp(std::chrono::seconds(1010)),
          .duration = std::chrono::seconds(10),
          .keys = 7,
          .raw_bytes = 100,
          .stored_bytes = 50};
}

TEST(BackupMetrics, TellEverythingOfASuccess) {
  const std::string text = to_prometheus_text(good_run());

  EXPECT_THAT(text, HasSubstr("keyrewind_backup_last_attempt_success{source=\"orders\"} 1\n"));
  EXPECT_THAT(
      text, HasSubstr("keyrewind_backup_last_success_timestamp_seconds{source=\"orders\"} 1010\n"));
  EXPECT_THAT(text, HasSubstr("keyrewind_backup_last_keys{source=\"orders\"} 7\n"));
  EXPECT_THAT(text, HasSubstr("keyrewind_backup_last_opaque{source=\"orders\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE keyrewind_backup_last_raw_bytes gauge\n"));
}

TEST(BackupMetrics, OfAFailureKeepTheLastSuccessAndLeaveSizesOut) {
  BackupRun run = good_run();
  run.succeeded = false;

  const std::string text = to_prometheus_text(run);

  EXPECT_THAT(text, HasSubstr("keyrewind_backup_last_attempt_success{source=\"orders\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("keyrewind_backup_last_success_timestamp_seconds"));
  EXPECT_THAT(text, Not(HasSubstr("keyrewind_backup_last_keys")));
}

}  // namespace
}  // namespace keyrewind::metrics
