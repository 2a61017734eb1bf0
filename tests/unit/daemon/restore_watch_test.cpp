#include "daemon/restore_watch.h"

#include "catalog/restore_request.h"
#include "metrics/agent_metrics.h"
#include "store/memory_store.h"
#include "support/manual_clock.h"
#include "support/temp_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace keyrewind::daemon {
namespace {

using testing::HasSubstr;
using testing::Not;

class RestoreWatchTest : public testing::Test {
 protected:
  std::string text_after_a_look() {
    RestoreWatch watch(catalog_, folder_.path(), metrics_.restores());
    watch.look({});
    return metrics_.to_prometheus_text();
  }

  void write_mark(const std::string& fields) const {
    std::ofstream(folder_ / ".keyrewind-restore.json") << "{" << fields << "}";
  }

  const test::TempDir folder_;
  const test::ManualClock clock_{*from_rfc3339("2026-11-20T13:02:21Z")};
  store::MemoryStore store_;
  catalog::Catalog catalog_{store_, "orders"};
  metrics::AgentMetrics metrics_{"orders"};

 private:
  void SetUp() override { store_.create(); }
};

TEST_F(RestoreWatchTest, SaysNothingOfARestoreThatNeverWas) {
  const std::string text = text_after_a_look();

  EXPECT_THAT(text, Not(HasSubstr("keyrewind_restore_last_success{")));
  EXPECT_THAT(text, HasSubstr("keyrewind_restore_pending{source=\"orders\"} 0\n"));
}

TEST_F(RestoreWatchTest, TellsHowTheLastOneWent) {
  write_mark(R"("state": "done", "finished": "2026-11-20T13:00:00.000Z", "duration_seconds": 2.5)");
  const std::string text = text_after_a_look();

  EXPECT_THAT(text, HasSubstr("keyrewind_restore_last_success{source=\"orders\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("keyrewind_restore_last_duration_seconds{source=\"orders\"} 2.5\n"));

  write_mark(
      R"("state": "failed", "finished": "2026-11-20T14:00:00.000Z", "duration_seconds": 1.0)");
  EXPECT_THAT(text_after_a_look(),
              HasSubstr("keyrewind_restore_last_success{source=\"orders\"} 0\n"));
}

TEST_F(RestoreWatchTest, TellsThatOneIsAskedForUntilItWasDone) {
  catalog::request_restore(catalog_, {.backup = "b1", .at = "", .by = "desk"}, "0", clock_, {});
  EXPECT_THAT(text_after_a_look(), HasSubstr("keyrewind_restore_pending{source=\"orders\"} 1\n"));

  catalog::note_restore_outcome(catalog_, 1, "0", {}, {});
  EXPECT_THAT(text_after_a_look(), HasSubstr("keyrewind_restore_pending{source=\"orders\"} 0\n"));
}

}  // namespace
}  // namespace keyrewind::daemon
