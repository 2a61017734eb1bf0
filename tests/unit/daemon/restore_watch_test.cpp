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
#include <vector>

namespace keyrewind::daemon {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class RestoreWatchTest : public testing::Test {
 protected:
  std::string text_after_a_look() {
    watch_.look({});
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
  std::vector<bool> told_;  ///< Whether each that was told of succeeded.

 private:
  RestoreWatch watch_{catalog_, folder_.path(), metrics_.restores(),
                      *from_rfc3339("2026-11-20T12:30:00Z"),
                      [this](const RestoreWatch::End& end) { told_.push_back(end.succeeded); }};

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

TEST_F(RestoreWatchTest, TellsOfEachThatIsNewsOnce) {
  write_mark(R"("state": "done", "finished": "2026-11-20T12:00:00.000Z", "duration_seconds": 1.0)");
  text_after_a_look();
  EXPECT_THAT(told_, IsEmpty()) << "that is long ago";

  write_mark(R"("state": "done", "finished": "2026-11-20T13:00:00.000Z", "duration_seconds": 1.0)");
  text_after_a_look();
  text_after_a_look();
  EXPECT_THAT(told_, ElementsAre(true));

  write_mark(
      R"("state": "failed", "finished": "2026-11-20T14:00:00.000Z", "duration_seconds": 1.0)");
  text_after_a_look();
  EXPECT_THAT(told_, ElementsAre(true, false));
}

TEST_F(RestoreWatchTest, TellsThatOneIsAskedForUntilItWasDone) {
  catalog::request_restore(catalog_, {.backup = "b1", .at = "", .by = "desk"}, "0", clock_, {});
  EXPECT_THAT(text_after_a_look(), HasSubstr("keyrewind_restore_pending{source=\"orders\"} 1\n"));

  catalog::note_restore_outcome(catalog_, 1, "0", {}, {});
  EXPECT_THAT(text_after_a_look(), HasSubstr("keyrewind_restore_pending{source=\"orders\"} 0\n"));
}

}  // namespace
}  // namespace keyrewind::daemon
