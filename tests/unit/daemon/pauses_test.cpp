#include "daemon/pauses.h"

#include "base/log.h"
#include "support/temp_dir.h"

#include <gtest/gtest.h>

#include <fstream>

namespace keyrewind::daemon {
namespace {

TEST(Pauses, OutliveWhoeverMadeThem) {
  const test::TempDir folder;
  {
    Pauses pauses(folder.path());
    EXPECT_FALSE(pauses.contains("nightly"));
    pauses.set("nightly", true);
    pauses.set("hourly", true);
    pauses.set("hourly", false);
  }

  const Pauses pauses(folder.path());

  EXPECT_TRUE(pauses.contains("nightly"));
  EXPECT_FALSE(pauses.contains("hourly"));
}

TEST(Pauses, AreNoneIfTheirFileIsDamaged) {
  log::configure(log::Level::error, log::Format::text);
  const test::TempDir folder;
  for (const char* content : {"", "{", "[]", R"({"paused": 7})", R"({"paused": [7]})"}) {
    std::ofstream(folder / "paused.json") << content;
    Pauses pauses(folder.path());
    EXPECT_FALSE(pauses.contains("nightly")) << content;
    pauses.set("nightly", true);
    EXPECT_TRUE(Pauses(folder.path()).contains("nightly")) << content;
  }
}

}  // namespace
}  // namespace keyrewind::daemon
