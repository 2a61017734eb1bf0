#include "restore/restore_mark.h"

#include "support/manual_clock.h"
#include "support/temp_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

namespace keyrewind::restore {
namespace {

class RestoreMarkTest : public testing::Test {
 protected:
  std::optional<RestoreMark> read(const std::string& content) {
    std::ofstream(folder_ / kRestoreMark) << content;
    return read_restore_mark(folder_.path());
  }

  const Timestamp started_ = *from_rfc3339("2026-11-20T13:02:21Z");
  const test::TempDir folder_;
  test::ManualClock clock_{started_};
};

TEST_F(RestoreMarkTest, SaysHowTheLastRestoreWent) {
  const auto mark = read(R"({"state": "done", "backup": "b1", "at": "2026-11-20T13:02:21.000Z",
      "offset": 7, "bytes": 99, "started": "2026-11-20T13:05:00.000Z",
      "finished": "2026-11-20T13:05:02.500Z", "duration_seconds": 2.5, "request": 3})");

  ASSERT_TRUE(mark);
  EXPECT_EQ(mark->state, RestoreMark::State::done);
  EXPECT_EQ(mark->backup, "b1");
  EXPECT_EQ(mark->at, from_rfc3339("2026-11-20T13:02:21Z"));
  EXPECT_EQ(mark->offset, 7);
  EXPECT_EQ(mark->bytes, 99U);
  EXPECT_EQ(mark->finished, from_rfc3339("2026-11-20T13:05:02.500Z"));
  EXPECT_EQ(mark->seconds, 2.5);
  EXPECT_EQ(mark->request, 3U);
}

TEST_F(RestoreMarkTest, IsNothingWhereThereIsNoneOrSomethingElse) {
  EXPECT_EQ(read_restore_mark(folder_.path()), std::nullopt);
  EXPECT_EQ(read_restore_mark(folder_ / "missing"), std::nullopt);
  for (const char* content : {"", "[]", "{", R"({"state": 1})", R"({"state": "lost"})"}) {
    SCOPED_TRACE(content);
    EXPECT_EQ(read(content), std::nullopt);
  }
}

TEST_F(RestoreMarkTest, IsLeftByARestoreThatFailedBeforeItHadOne) {
  clock_.advance(std::chrono::milliseconds(1500));
  note_failed_restore(folder_.path(), "store \xff is down", started_, clock_);

  const auto mark = read_restore_mark(folder_.path());
  ASSERT_TRUE(mark);
  EXPECT_EQ(mark->state, RestoreMark::State::failed);
  EXPECT_EQ(mark->error, "store \uFFFD is down");
  EXPECT_EQ(mark->started, started_);
  EXPECT_EQ(mark->seconds, 1.5);

  note_failed_restore(folder_ / "missing", "store is down", started_, clock_);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "missing"));
}

TEST_F(RestoreMarkTest, OfTheRestoreItselfStays) {
  for (const char* content :
       {R"({"state": "running", "backup": "b1"})", R"({"state": "interrupted", "backup": "b1"})",
        R"({"state": "failed", "backup": "b1", "finished": "2026-11-20T13:02:21.000Z"})"}) {
    SCOPED_TRACE(content);
    read(content);
    note_failed_restore(folder_.path(), "store is down", started_, clock_);
    EXPECT_EQ(read_restore_mark(folder_.path())->backup, "b1");
  }
}

TEST_F(RestoreMarkTest, OfAnEarlierRestoreGivesWay) {
  read(R"({"state": "done", "backup": "b1", "finished": "2026-11-20T13:00:00.000Z"})");
  note_failed_restore(folder_.path(), "store is down", started_, clock_);

  EXPECT_EQ(read_restore_mark(folder_.path())->state, RestoreMark::State::failed);
}

TEST_F(RestoreMarkTest, IsNoFurtherFailureWhereItCannotBeWritten) {
  std::filesystem::create_directory(folder_ / kRestoreMark);
  note_failed_restore(folder_.path(), "store is down", started_, clock_);
}

}  // namespace
}  // namespace keyrewind::restore
