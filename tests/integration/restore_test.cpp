// The whole way on real servers: data, a backup, a restore, a server on it, the digest compared.

#include "support/dataset.h"
#include "support/keyrewind.h"
#include "support/redis_server.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <tuple>
#include <vector>

namespace keyrewind::test {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::HasSubstr;

/// What `layout` needs the server to be started with.
std::vector<std::string> options_for(const std::string& layout) {
  return {"--appendonly", layout == "rdb" ? "no" : "yes"};
}

/// A server that remembers what it held when the backup was taken.
struct Expected {
  explicit Expected(RedisServer& server)
      : digest(server.digest()), functions(server.functions()), keys(server.dbsize()) {}

  void expect_same(RedisServer& server) const {
    EXPECT_EQ(server.digest(), digest);
    EXPECT_EQ(server.functions(), functions);
    EXPECT_EQ(server.dbsize(), keys);
  }

  std::string digest;
  std::vector<std::string> functions;
  std::uint64_t keys;
};

class RestoreOn : public testing::TestWithParam<std::tuple<std::string, std::string>> {
 protected:
  void SetUp() override { require_server(std::get<0>(GetParam())); }
};

TEST_P(RestoreOn, GivesBackTheSameDataAfterAnAccident) {
  const auto& [program, layout] = GetParam();
  RedisServer source({.program = program});
  const DatasetCounts counts = fill(source);
  const Expected expected(source);
  const Keyrewind keyrewind(source.url());

  const std::string id = keyrewind.backup();
  source.cli({"FLUSHALL"});
  const fs::path target = keyrewind.folder() / "data";
  const auto restored =
      keyrewind.json({"restore", id, "--target", target.string(), "--layout", layout});

  EXPECT_EQ(restored["keys"], counts.keys);
  RedisServer fresh({.program = program, .args = options_for(layout), .dir = target});
  expected.expect_same(fresh);
}

INSTANTIATE_TEST_SUITE_P(Servers, RestoreOn,
                         testing::Combine(testing::ValuesIn(all_servers()),
                                          testing::Values("rdb", "aof", "both")),
                         [](const auto& test) {
                           return to_test_name(std::get<0>(test.param)) + "_" +
                                  std::get<1>(test.param);
                         });

class BothLayout : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { require_server(GetParam()); }
};

TEST_P(BothLayout, LoadsWithAppendonlyYesAndNo) {
  RedisServer source({.program = GetParam()});
  fill(source);
  const Expected expected(source);
  const Keyrewind keyrewind(source.url());
  keyrewind.backup();

  for (const std::string appendonly : {"no", "yes"}) {
    const fs::path target = keyrewind.folder() / appendonly;
    keyrewind.json({"restore", "--target", target.string()});
    RedisServer fresh({.program = GetParam(), .args = {"--appendonly", appendonly}, .dir = target});
    expected.expect_same(fresh);
  }
}

TEST_P(BothLayout, KeepsWritesMadeAfterwardsOverARestart) {
  RedisServer source({.program = GetParam()});
  fill(source);
  const Keyrewind keyrewind(source.url());
  keyrewind.backup();
  const fs::path target = keyrewind.folder() / "data";
  keyrewind.json({"restore", "--target", target.string(), "--layout", "aof"});

  std::string digest;
  {
    RedisServer first({.program = GetParam(), .args = {"--appendonly", "yes"}, .dir = target});
    first.cli({"SET", "written", "afterwards"});
    digest = first.digest();
    first.stop();
  }
  RedisServer second({.program = GetParam(), .args = {"--appendonly", "yes"}, .dir = target});

  EXPECT_EQ(second.digest(), digest);
}

INSTANTIATE_TEST_SUITE_P(Servers, BothLayout, testing::ValuesIn(all_servers()),
                         [](const auto& test) { return to_test_name(test.param); });

/// From each server to each: it either loads or is refused before anything is written.
class RestoreAcross : public testing::TestWithParam<std::tuple<std::string, std::string>> {
 protected:
  void SetUp() override {
    require_server(std::get<0>(GetParam()));
    if (!IsSkipped()) {
      require_server(std::get<1>(GetParam()));
    }
  }
};

/// protocol.md 5.1: which server loads what another one wrote. Newer is not always able: Valkey
/// does not read Redis 7.4 and later.
bool loads(const std::string& from, const std::string& to) {
  const auto order = [](const std::string& server) {
    return server == "redis-server-7.0"    ? 10
           : server == "valkey-server-8.0" ? 11
           : server == "valkey-server-8.1" ? 11
           : server == "redis-server-8.0"  ? 12
                                           : 80;
  };
  if (order(from) == order(to)) {
    return true;
  }
  if (to == "redis-server-8.0") {
    return order(from) <= 12;
  }
  if (to == "valkey-server-9.1") {
    return order(from) <= 11;
  }
  return order(from) < order(to) && from != "redis-server-8.0";
}

TEST_P(RestoreAcross, LoadsOrIsRefusedBeforeAnythingIsWritten) {
  const auto& [from, to] = GetParam();
  RedisServer source({.program = from});
  fill(source);
  const Keyrewind keyrewind(source.url());
  keyrewind.backup();
  const fs::path target = keyrewind.folder() / "data";
  const std::vector<std::string> restore{
      "restore", "--target", target.string(),          "--layout",
      "rdb",     "--server", find_server(to)->string()};

  const RunResult result = keyrewind.run(restore);

  if (loads(from, to)) {
    ASSERT_EQ(result.status, 0) << result.err;
    // Digests need not agree between versions: the measure is what the target makes of the source's
    // own SAVE.
    source.save();
    RedisServer reference({.program = to, .dir = source.dir()});
    RedisServer fresh({.program = to, .dir = target});
    Expected(reference).expect_same(fresh);
  } else {
    EXPECT_EQ(result.status, 8) << result.err;
    EXPECT_THAT(result.err, HasSubstr("--force"));
    EXPECT_FALSE(fs::exists(target));
  }
}

INSTANTIATE_TEST_SUITE_P(Servers, RestoreAcross,
                         testing::Combine(testing::ValuesIn(all_servers()),
                                          testing::ValuesIn(all_servers())),
                         [](const auto& test) {
                           return to_test_name(std::get<0>(test.param)) + "_to_" +
                                  to_test_name(std::get<1>(test.param));
                         });

class RestoreRules : public testing::Test {
 protected:
  void SetUp() override {
    require_server("redis-server-7.0");
    if (IsSkipped() || HasFatalFailure()) {
      return;
    }
    source_.emplace();
    fill(*source_, {.scale = 300});
    keyrewind_.emplace(source_->url());
  }

  RedisServer& source() { return *source_; }
  const Keyrewind& keyrewind() const { return *keyrewind_; }
  fs::path target() const { return keyrewind().folder() / "data"; }
  RunResult restore(std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"restore", "--target", target().string()});
    return keyrewind().run(more);
  }
  void expect_restored(const std::vector<std::string>& args = {}) {
    RedisServer fresh({.args = args, .dir = target()});
    EXPECT_EQ(fresh.digest(), source().digest());
  }

 private:
  std::optional<RedisServer> source_;
  std::optional<Keyrewind> keyrewind_;
};

TEST_F(RestoreRules, RefusesAFolderWithDataAndLeavesItAlone) {
  keyrewind().backup();
  fs::create_directory(target());
  write_text(target() / "dump.rdb", "somebody's data");

  const RunResult result = restore();

  EXPECT_EQ(result.status, 7);
  EXPECT_THAT(result.err, HasSubstr("dump.rdb"));
  EXPECT_EQ(read_text(target() / "dump.rdb"), "somebody's data");
}

TEST_F(RestoreRules, GoesByServerDataNotByEmptiness) {
  keyrewind().backup();
  fs::create_directories(target() / "conf");
  fs::create_directories(target() / "lost+found");
  write_text(target() / "conf" / "valkey.conf", "appendonly no\n");
  write_text(target() / "nodes.conf", "");
  write_text(target() / "users.acl", "");

  const RunResult result = restore({"--if-empty"});

  EXPECT_EQ(result.status, 0) << result.err;
  expect_restored();
}

TEST_F(RestoreRules, WithDataInPlaceNeedsNoRepository) {
  fs::create_directories(target() / "appendonlydir");
  write_text(target() / "appendonlydir" / "appendonly.aof.manifest", "data");

  const RunResult result = restore({"--if-empty", "--if-backup-exists"});

  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("nothing to restore"));
}

TEST_F(RestoreRules, ForceMovesOldDataAside) {
  keyrewind().backup();
  fs::create_directory(target());
  write_text(target() / "dump.rdb", "somebody's data");

  const RunResult result = restore({"--force", "--layout", "rdb"});

  ASSERT_EQ(result.status, 0) << result.err;
  expect_restored();
  bool kept = false;
  for (const auto& entry : fs::directory_iterator(target())) {
    if (entry.path().filename().string().starts_with(".keyrewind-old-")) {
      kept = read_text(entry.path() / "dump.rdb") == "somebody's data";
    }
  }
  EXPECT_TRUE(kept);
}

TEST_F(RestoreRules, FollowsTheServersConfiguration) {
  keyrewind().backup();
  const fs::path folder = keyrewind().folder();
  write_text(folder / "included.conf", "appendonly yes\nappendfilename \"Append only.aof\"\n");
  write_text(folder / "server.conf",
             "appendonly no\nAppendDirName aofs\ninclude included.conf\n# appendonly no\n");

  const RunResult result = restore({"--server-config", (folder / "server.conf").string()});

  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_TRUE(fs::exists(target() / "aofs" / "Append only.aof.manifest"));
  EXPECT_FALSE(fs::exists(target() / "dump.rdb"));
  expect_restored(
      {"--appendonly", "yes", "--appendfilename", "Append only.aof", "--appenddirname", "aofs"});
}

TEST_F(RestoreRules, FirstStartWithoutABackupIsNoFailureOnlyIfAskedFor) {
  fs::create_directory(keyrewind().repository());

  EXPECT_EQ(restore({"--if-backup-exists"}).status, 0);
  EXPECT_EQ(restore().status, 4);
}

TEST_F(RestoreRules, BackupsThatAreGoneAreALossNotAFirstStart) {
  keyrewind().backup();
  fs::remove_all(keyrewind().repository() / "sources" / "orders" / "commits");

  const RunResult result = restore({"--if-backup-exists"});

  EXPECT_EQ(result.status, 4);
  EXPECT_THAT(result.err, HasSubstr("before"));
}

TEST_F(RestoreRules, ARepositoryThatIsNotThereIsNotAFirstStart) {
  const RunResult result = restore({"--if-backup-exists"});

  EXPECT_EQ(result.status, 5);
  EXPECT_FALSE(fs::exists(target()));
}

TEST_F(RestoreRules, RefusesADatasetLargerThanMaxmemory) {
  keyrewind().backup();
  const fs::path config = keyrewind().folder() / "server.conf";
  write_text(config, "maxmemory 100kb\n");

  EXPECT_EQ(restore({"--server-config", config.string()}).status, 8);
  EXPECT_FALSE(fs::exists(target()));
  EXPECT_EQ(restore({"--server-config", config.string(), "--force"}).status, 0);
}

TEST_F(RestoreRules, RefusesTooFewDatabases) {
  keyrewind().backup();
  const fs::path config = keyrewind().folder() / "server.conf";
  write_text(config, "databases 4\n");

  const RunResult result = restore({"--server-config", config.string()});

  EXPECT_EQ(result.status, 8);
  EXPECT_THAT(result.err, HasSubstr("database 15"));
}

TEST_F(RestoreRules, RefusesAFolderWhereAServerRuns) {
  keyrewind().backup();
  RedisServer running({.dir = target()});

  const RunResult result = restore();

  EXPECT_EQ(result.status, 8);
  EXPECT_THAT(result.err, HasSubstr(std::to_string(running.pid())));
}

TEST_F(RestoreRules, DryRunShowsThePlanAndWritesNothing) {
  keyrewind().backup();

  const auto plan = keyrewind().json({"restore", "--target", target().string(), "--dry-run"});

  EXPECT_EQ(plan["outcome"], "planned");
  EXPECT_EQ(plan["layout"], "both");
  EXPECT_THAT(plan["files"], Contains("dump.rdb"));
  EXPECT_FALSE(fs::exists(target()));
}

TEST_F(RestoreRules, WritesModesWithoutTheWorldsRights) {
  keyrewind().backup();
  ASSERT_EQ(restore().status, 0);

  const auto mode = [&](const fs::path& name) { return fs::status(target() / name).permissions(); };
  EXPECT_EQ(mode("dump.rdb") & fs::perms::all, fs::perms{0640});
  EXPECT_EQ(mode("appendonlydir") & fs::perms::all, fs::perms{0750});
  EXPECT_EQ(mode("appendonlydir/appendonly.aof.manifest") & fs::perms::all, fs::perms{0640});
}

TEST_F(RestoreRules, LeavesAMarkerThatSaysWhereTheDataCameFrom) {
  const std::string id = keyrewind().backup();
  ASSERT_EQ(restore().status, 0);

  const auto marker = nlohmann::json::parse(read_text(target() / ".keyrewind-restore.json"));
  EXPECT_EQ(marker["state"], "done");
  EXPECT_EQ(marker["backup"], id);
}

TEST_F(RestoreRules, RedoesARestoreThatWasKilledAnywhere) {
  keyrewind().backup();
  // What a restore killed before its renames leaves, and one killed between two of them.
  fs::create_directories(target() / ".keyrewind-tmp" / "appendonlydir");
  write_text(target() / ".keyrewind-tmp" / "dump.rdb", "half");
  write_text(target() / "dump.rdb", "placed");
  struct stat info {};
  ASSERT_EQ(stat((target() / "dump.rdb").c_str(), &info), 0);
  write_text(target() / ".keyrewind-restore.json",
             nlohmann::json{{"state", "running"}, {"placing", {{"dump.rdb", info.st_ino}}}}.dump());

  const RunResult result = restore({"--if-empty"});

  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_FALSE(fs::exists(target() / ".keyrewind-tmp"));
  expect_restored();
}

TEST_F(RestoreRules, RefusesAFolderThatAnotherRestoreIsFilling) {
  keyrewind().backup();
  fs::create_directory(target());
  // What a running restore holds.
  const int held = open(target().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  ASSERT_GE(held, 0);
  ASSERT_EQ(flock(held, LOCK_EX), 0);

  const RunResult result = restore();
  close(held);

  EXPECT_EQ(result.status, 9);
  EXPECT_THAT(result.err, HasSubstr("another restore"));
  EXPECT_TRUE(fs::is_empty(target()));
  EXPECT_EQ(restore().status, 0);
}

TEST_F(RestoreRules, NeverRemovesDataThatAServerWroteAfterAKilledRestore) {
  keyrewind().backup();
  fs::create_directory(target());
  write_text(target() / "dump.rdb", "a server's own");
  write_text(target() / ".keyrewind-restore.json",
             R"({"state": "running", "placing": {"dump.rdb": 1}})");

  EXPECT_EQ(restore().status, 7);
  EXPECT_EQ(read_text(target() / "dump.rdb"), "a server's own");
}

TEST_F(RestoreRules, ExportsAnRdbThatAServerLoads) {
  keyrewind().backup();
  fs::create_directory(target());

  const auto exported = keyrewind().json({"export", "--rdb", (target() / "dump.rdb").string()});
  const RunResult piped = keyrewind().run({"export", "--rdb", "-", "-q"});

  EXPECT_EQ(exported["bytes"], fs::file_size(target() / "dump.rdb"));
  EXPECT_EQ(piped.out, read_text(target() / "dump.rdb"));
  expect_restored();
}

TEST_F(RestoreRules, StockToolsRecoverWithoutUs) {
  keyrewind().backup();
  fs::create_directory(target());
  const fs::path object = keyrewind().file(".rdb.zst");
  const auto shown = keyrewind().json({"show"});

  const RunResult sum = run({"sha256sum", object.string()});
  const RunResult inflate =
      run({"zstd", "-d", "-q", object.string(), "-o", (target() / "dump.rdb").string()});

  EXPECT_EQ(inflate.status, 0) << inflate.err;
  EXPECT_EQ(sum.out.substr(0, 64), shown["snapshots"][0]["object"]["sha256"]);
  expect_restored();
}

}  // namespace
}  // namespace keyrewind::test
