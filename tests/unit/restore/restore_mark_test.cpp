#include "restore/restore_mark.h"

#include "support/temp_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

  const test::TempDir folder_;
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

}  // namespace
}  // namespace keyrewind::restore
