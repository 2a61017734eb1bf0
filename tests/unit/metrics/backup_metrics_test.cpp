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
          .result = RunResult::success,
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

  EXPECT_THAT(text, HasSubstr("keyrewind_backup_last_attempt_success{schedule=\"manual\",source="
                              "\"orders\",type=\"snapshot\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("keyrewind_backup_last_success_timestamp_seconds{schedule=\"manual\","
                              "source=\"orders\",type=\"snapshot\"} 1010\n"));
  EXPECT_THAT(text, HasSubstr("keyrewind_backup_last_keys{schedule=\"manual\",source=\"orders\","
                              "type=\"snapshot\"} 7\n"));
  EXPECT_THAT(text, HasSubstr("keyrewind_backup_last_opaque{schedule=\"manual\",source=\"orders\","
                              "type=\"snapshot\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE keyrewind_backup_last_raw_bytes gauge\n"));
}

TEST(BackupMetrics, OfAFailureKeepTheLastSuccessAndLeaveSizesOut) {
  BackupRun run = good_run();
  run.result = RunResult::failure;

  const std::string text = to_prometheus_text(run);

  EXPECT_THAT(text, HasSubstr("keyrewind_backup_last_attempt_success{schedule=\"manual\",source="
                              "\"orders\",type=\"snapshot\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("keyrewind_backup_last_success_timestamp_seconds"));
  EXPECT_THAT(text, Not(HasSubstr("keyrewind_backup_last_keys")));
}

}  // namespace
}  // namespace keyrewind::metrics
