#include "io/tar_writer.h"

#include "base/error.h"
#include "support/keyrewind.h"
#include "support/process.h"
#include "support/temp_dir.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace keyrewind::io {
namespace {

TEST(TarWriter, MakesWhatTarReads) {
  const test::TempDir folder;
  TarWriter tar(Timestamp(std::chrono::seconds(1'795'179'741)));
  tar.add("a/one.txt", "one\n");
  tar.add("a/empty", "");
  tar.add("a/block", std::string(512, 'x'));
  tar.add("b", std::string(100'000, 'y'));
  test::write_text(folder / "t.tar", tar.finish());

  const test::RunResult result =
      test::run({"tar", "-xvf", (folder / "t.tar").string(), "-C", folder.path().string()});

  EXPECT_EQ(result.status, 0);
  EXPECT_EQ(result.err, "");
  EXPECT_EQ(result.out, "a/one.txt\na/empty\na/block\nb\n");
  EXPECT_EQ(test::read_text(folder / "a/one.txt"), "one\n");
  EXPECT_EQ(test::read_text(folder / "a/empty"), "");
  EXPECT_EQ(test::read_text(folder / "a/block"), std::string(512, 'x'));
  EXPECT_EQ(test::read_text(folder / "b"), std::string(100'000, 'y'));
}

TEST(TarWriter, RefusesANameThatDoesNotFit) {
  TarWriter tar{Timestamp()};

  tar.add(std::string(100, 'n'), "");
  EXPECT_THROW(tar.add(std::string(101, 'n'), ""), Error);
}

}  // namespace
}  // namespace keyrewind::io
