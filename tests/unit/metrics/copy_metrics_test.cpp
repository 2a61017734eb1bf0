#include "metrics/copy_metrics.h"

#include "support/manual_clock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace keyrewind::metrics {
namespace {

using std::chrono::milliseconds;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class CopyMetricsTest : public testing::Test {
 protected:
  std::string text() const { return metrics_.to_prometheus_text(); }

  test::ManualClock clock_{Timestamp(milliseconds(1795179741123))};
  CopyMetrics metrics_{"orders", clock_};
};

TEST_F(CopyMetricsTest, HaveTheirCountersFromTheBeginning) {
  metrics_.add("dr");
  EXPECT_THAT(
      text(),
      AllOf(HasSubstr("keyrewind_copy_objects_total{repository=\"dr\",source=\"orders\"} 0"),
            HasSubstr("keyrewind_copy_bytes_total{repository=\"dr\",source=\"orders\"} 0"),
            HasSubstr("keyrewind_copy_failures_total{repository=\"dr\",source=\"orders\"} 0"),
            Not(HasSubstr("keyrewind_copy_lag_seconds")),
            Not(HasSubstr("keyrewind_copy_last_success"))));
}

TEST_F(CopyMetricsTest, CountByRepository) {
  metrics_.add("dr");
  metrics_.add("far");
  metrics_.copied("dr", 100);
  metrics_.copied("dr", 11);
  metrics_.failure("far");
  metrics_.success("far");
  EXPECT_THAT(
      text(),
      AllOf(HasSubstr("keyrewind_copy_objects_total{repository=\"dr\",source=\"orders\"} 2"),
            HasSubstr("keyrewind_copy_bytes_total{repository=\"dr\",source=\"orders\"} 111"),
            HasSubstr("keyrewind_copy_objects_total{repository=\"far\",source=\"orders\"} 0"),
            HasSubstr("keyrewind_copy_failures_total{repository=\"far\",source=\"orders\"} 1"),
            HasSubstr("keyrewind_copy_last_success_timestamp_seconds{repository=\"far\",source="
                      "\"orders\"} 1795179741.123")));
}

TEST_F(CopyMetricsTest, TellALagThatGrowsUntilTheCopyIsComplete) {
  const std::string lag = "keyrewind_copy_lag_seconds{repository=\"dr\",source=\"orders\"} ";
  metrics_.lacks_since("dr", clock_.now());
  clock_.advance(milliseconds(2500));
  EXPECT_THAT(text(), HasSubstr(lag + "2.5\n"));
  clock_.advance(milliseconds(1000));
  EXPECT_THAT(text(), HasSubstr(lag + "3.5\n"));
  metrics_.lacks_since("dr", clock_.now() + milliseconds(100));  // Another machine's clock.
  EXPECT_THAT(text(), HasSubstr(lag + "0\n"));
  metrics_.lacks_since("dr", std::nullopt);
  EXPECT_THAT(text(), HasSubstr(lag + "0\n"));
  metrics_.forget_lag("dr");
  EXPECT_THAT(text(), Not(HasSubstr("lag")));
}

}  // namespace
}  // namespace keyrewind::metrics
