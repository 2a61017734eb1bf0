// A run that is killed or stopped at any moment leaves a whole backup or none listed, and the next
// run clears away what it left.

#include "support/dataset.h"
#include "support/keyrewind.h"
#include "support/redis_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <optional>
#include <string>

namespace keyrewind::test {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

class Kill : public testing::Test {
 protected:
  void SetUp() override {
    require_server("redis-server-7.0");
    if (IsSkipped() || HasFatalFailure()) {
      return;
    }
    // Slow enough that a backup can be hit in every phase of its life.
    source_.emplace(ServerOptions{.args = {"--rdb-key-save-delay", "20"}});
    fill(*source_, {.scale = 3000});
    keyrewind_.emplace(source_->url());
  }

  RedisServer& source() { return *source_; }
  const Keyrewind& keyrewind() const { return *keyrewind_; }

  void expect_restorable() {
    const fs::path target = keyrewind().folder() / "restored";
    fs::remove_all(target);
    keyrewind().json({"restore", "--target", target.string()});
    RedisServer fresh({.dir = target});
    EXPECT_EQ(fresh.digest(), source().digest());
  }

  /// Nothing but what the backups that are listed need.
  void expect_no_leftovers() {
    const std::size_t backups = keyrewind().backups();
    const auto files = keyrewind().files();
    const auto ending = [&](const std::string& end) {
      return std::ranges::count_if(files, [&](const auto& name) { return name.ends_with(end); });
    };
    EXPECT_EQ(ending(".partial"), 0);
    EXPECT_EQ(ending(".rdb.zst"), backups);
    EXPECT_EQ(ending("manifest.json"), backups);
  }

 private:
  std::optional<RedisServer> source_;
  std::optional<Keyrewind> keyrewind_;
};

/// How long an undisturbed backup takes here, to spread the blows over it.
milliseconds time_of_backup(const Keyrewind& keyrewind) {
  const auto start = std::chrono::steady_clock::now();
  keyrewind.backup();
  return std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - start);
}

TEST_F(Kill, LeavesWholeBackupsOnlyAndTheNextRunCleansUp) {
  const milliseconds whole = time_of_backup(keyrewind());
  constexpr int kBlows = 25;
  std::size_t backups = 1;

  for (int blow = 0; blow < kBlows; ++blow) {
    Process run = keyrewind().start({"backup"});
    const auto ended = run.try_wait(whole * blow / (kBlows - 5));
    run.signal(SIGKILL);
    run.wait();
    const std::size_t now = keyrewind().backups();
    EXPECT_TRUE(now == backups || now == backups + 1);
    if (ended && ended->code == 0) {
      EXPECT_EQ(now, backups + 1);
    }
    backups = now;
  }

  keyrewind().backup();
  EXPECT_EQ(keyrewind().backups(), backups + 1);
  expect_no_leftovers();
  EXPECT_EQ(keyrewind().run({"verify", "--all", "--level", "parse"}).status, 0);
  expect_restorable();
}

TEST_F(Kill, TermEndsARunInOrderAndLeavesNothing) {
  keyrewind().backup();
  const auto before = keyrewind().files();
  source().cli({"CONFIG", "SET", "rdb-key-save-delay", "2000"});
  Process run = keyrewind().start({"backup", "-v"});
  while (run.err().find("snapshot started") == std::string::npos) {
    ASSERT_TRUE(run.running()) << run.err();
  }

  run.signal(SIGTERM);

  EXPECT_EQ(run.wait().code, 130) << run.err();
  EXPECT_THAT(run.err(), testing::HasSubstr("keyrewind: interrupted"));
  EXPECT_EQ(keyrewind().files(), before);
}

TEST_F(Kill, RestoreIsRedoneCleanly) {
  keyrewind().backup();
  const fs::path target = keyrewind().folder() / "data";
  const std::vector<std::string> restore{"restore", "--target", target.string(), "--if-empty"};
  const auto start = std::chrono::steady_clock::now();
  ASSERT_EQ(keyrewind().run(restore).status, 0);
  const auto whole =
      std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - start);
  constexpr int kBlows = 20;

  for (int blow = 0; blow < kBlows; ++blow) {
    fs::remove_all(target);
    Process run = keyrewind().start(restore);
    run.try_wait(whole * blow / (kBlows - 4));
    run.signal(SIGKILL);
    run.wait();
    const RunResult again = keyrewind().run(restore);
    ASSERT_EQ(again.status, 0) << again.err;
    EXPECT_FALSE(fs::exists(target / ".keyrewind-tmp"));
    EXPECT_EQ(nlohmann::json::parse(read_text(target / ".keyrewind-restore.json"))["state"],
              "done");
  }

  RedisServer fresh({.dir = target});
  EXPECT_EQ(fresh.digest(), source().digest());
}

}  // namespace
}  // namespace keyrewind::test
