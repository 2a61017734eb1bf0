// A moment of the log, restored on real servers in every layout, and what refuses to be.

#include "base/clock.h"
#include "support/agent_run.h"
#include "support/keyrewind.h"
#include "support/marks.h"
#include "support/paths.h"
#include "support/redis_server.h"
#include "support/test_repository.h"
#include "support/workload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

namespace keyrewind::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;

std::string at_offset(std::int64_t offset) {
  return "offset:" + std::to_string(offset);
}

void wait_for_snapshot(const AgentRun& agent) {
  wait_until("a snapshot",
             [&] { return agent.log().find("backup finished") != std::string::npos; });
}

/// What `layout` needs the server to be started with.
std::vector<std::string> options_for(const std::string& layout) {
  return {"--appendonly", layout == "rdb" ? "no" : "yes", "--aof-load-truncated", "no"};
}

class MomentOn : public testing::TestWithParam<std::tuple<std::string, std::string>> {
 protected:
  void SetUp() override {
    require_server(std::get<0>(GetParam()));
    require_repository();
  }
};

INSTANTIATE_TEST_SUITE_P(Servers, MomentOn,
                         testing::Combine(testing::ValuesIn(all_servers()),
                                          testing::Values("rdb", "aof", "both")),
                         [](const auto& test) {
                           return to_test_name(std::get<0>(test.param)) + "_" +
                                  std::get<1>(test.param);
                         });

TEST_P(MomentOn, IsRestoredToEveryMark) {
  const auto& [program, layout] = GetParam();
  RedisServer source(quick_server(program));
  AgentRun agent(source.url());
  agent.start();
  wait_for_snapshot(agent);
  Workload workload(source, {.seed = 3});
  std::vector<Mark> marks;
  for (int i = 0; i < 4; ++i) {
    workload.step(150);
    marks.push_back(workload.mark());
  }
  agent.wait_for(marks.back().offset);
  ASSERT_EQ(agent.stop(), ExitResult{});

  for (const Mark& mark : marks) {
    const fs::path target = agent.user().folder() / std::to_string(mark.offset);
    const auto restored =
        agent.user().json({"restore", "--target", target.string(), "--at", at_offset(mark.offset),
                           "--layout", layout, "--server", find_server(program)->string()});
    EXPECT_EQ(restored["offset"], mark.offset);
    EXPECT_EQ(restored["layout"], layout);
    RedisServer fresh({.program = program, .args = options_for(layout), .dir = target});
    EXPECT_THAT(differences(mark, fresh), IsEmpty());
  }
}

TEST_P(MomentOn, BeginsInTheDatabaseThatTheSnapshotNames) {
  const auto& [program, layout] = GetParam();
  RedisServer primary(quick_server(program));
  RedisServer replica(replica_of(primary, program));
  wait_for_link(replica);
  primary.cli({"SELECT", "5"});
  primary.cli({"SET", "before the snapshot", "1"});
  primary.cli({"WAIT", "1", "10000"});
  // A snapshot of a replica makes nobody say SELECT again.
  AgentRun agent(replica.url(), {.read_from = "this_node"});
  agent.start();
  wait_for_snapshot(agent);
  primary.cli({"SET", "behind the snapshot", "2"});
  const Mark mark = take_mark(primary);
  agent.wait_for(mark.offset);

  const fs::path target = agent.user().folder() / "data";
  agent.user().json({"restore", "--target", target.string(), "--at", at_offset(mark.offset),
                     "--layout", layout, "--server", find_server(program)->string()});

  RedisServer fresh({.program = program, .args = options_for(layout), .dir = target});
  EXPECT_THAT(differences(mark, fresh), IsEmpty());
}

/// An agent on one server, with a verb for each thing that a test does.
class Moment : public testing::Test {
 protected:
  void SetUp() override {
    require_server("redis-server-7.0");
    require_repository();
    if (IsSkipped() || HasFatalFailure()) {
      return;
    }
    source_.emplace(quick_server("redis-server-7.0"));
    agent_.emplace(source_->url());
    agent_->start();
    wait_for_snapshot(*agent_);
  }

  RedisServer& source() { return *source_; }
  AgentRun& agent() { return *agent_; }
  const Keyrewind& user() const { return agent_->user(); }
  fs::path target() const { return user().folder() / "data"; }

  /// Writes `value` and gives the offset behind it, which is in the repository.
  std::int64_t write(const std::string& value) {
    source().cli({"SET", "key", value});
    const std::int64_t offset = offset_of(source());
    agent().wait_for(offset);
    return offset;
  }

  RunResult restore(const std::string& at, std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"restore", "--target", target().string(), "--at", at});
    return user().run(more);
  }

  /// The same where PATH has `servers` only.
  RunResult restore_with_path(const fs::path& servers, const std::string& at,
                              const std::vector<std::string>& more = {}) const {
    std::vector<std::string> command{
        program_path(),   "-c", user().config_file().string(), "restore", "--at", at, "--target",
        target().string()};
    command.insert(command.end(), more.begin(), more.end());
    return run({.command = command, .env = {{"PATH", servers.string()}}});
  }

  std::string restored_value(const std::vector<std::string>& args = {"--appendonly", "yes"}) const {
    RedisServer fresh({.args = args, .dir = target()});
    return fresh.cli({"GET", "key"});
  }

  /// The segments of the log, in order.
  std::vector<std::string> segments() const {
    std::vector<std::string> found;
    for (const std::string& file : user().files()) {
      if (file.find("/log/") != std::string::npos && !file.ends_with(".index")) {
        found.push_back(file);
      }
    }
    return found;
  }

 private:
  std::optional<RedisServer> source_;
  std::optional<AgentRun> agent_;
};

TEST_F(Moment, OfATimeIsTheStateThatHadArrivedByThen) {
  write("before");
  const std::string time = to_rfc3339(SystemClock().now());
  wait_until("a later millisecond", [&] { return to_rfc3339(SystemClock().now()) > time; });
  write("after");

  const RunResult result = restore(time, {"--layout", "aof"});

  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(restored_value(), "before");
}

TEST_F(Moment, BeforeAnEventUndoesIt) {
  write("precious");
  source().cli({"MULTI"});
  source().cli({"SET", "key", "within"});
  source().cli({"FLUSHALL"});
  source().cli({"EXEC"});
  write("too late");

  // The only event, so that the beginning of its id will do.
  const std::string lineage = source().info("master_replid");
  const RunResult result = restore("before:" + lineage.substr(0, 8), {"--layout", "aof"});

  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(restored_value(), "precious");
}

TEST_F(Moment, WithinACommandIsTheOneBeforeIt) {
  const std::int64_t offset = write("whole");
  write("half");

  const RunResult result = restore(at_offset(offset + 5), {"--layout", "aof"});

  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("within a command or transaction; this is offset " +
                                    std::to_string(offset)));
  EXPECT_EQ(restored_value(), "whole");
}

TEST_F(Moment, HasExpiredKeysAsTheServerHadThem) {
  source().cli({"DEBUG", "SET-ACTIVE-EXPIRE", "0"});
  source().cli({"SET", "counter", "1", "PX", "400"});
  source().cli({"INCR", "counter"});
  source().cli({"PERSIST", "counter"});
  source().cli({"SET", "over", "1", "PX", "1"});
  const std::int64_t offset = write("x");
  wait_until("the counter's first time is over", [&, end = SystemClock().now()] {
    return SystemClock().now() > end + std::chrono::milliseconds(400);
  });

  for (const std::string layout : {"aof", "rdb"}) {
    const fs::path folder = user().folder() / layout;
    user().json({"restore", "--target", folder.string(), "--at", at_offset(offset), "--layout",
                 layout, "--server", find_server("redis-server-7.0")->string()});
    RedisServer fresh({.args = options_for(layout), .dir = folder});
    EXPECT_EQ(fresh.cli({"GET", "counter"}), "2") << layout;
    EXPECT_EQ(fresh.cli({"EXISTS", "over"}), "0") << layout;
  }
}

TEST_F(Moment, IsWrittenOnByTheServerAndSurvivesItsRestart) {
  const std::int64_t offset = write("restored");
  ASSERT_EQ(restore(at_offset(offset), {"--layout", "aof"}).status, 0);
  {
    RedisServer first({.args = options_for("aof"), .dir = target()});
    first.cli({"SET", "key", "written afterwards"});
    first.stop();
  }

  EXPECT_EQ(restored_value(options_for("aof")), "written afterwards");
}

TEST_F(Moment, IsAnAofThatTheServersToolFindsSound) {
  ASSERT_EQ(restore(at_offset(write("x")), {"--layout", "aof"}).status, 0);
  const auto tool = find_server("redis-check-aof-7.0");
  ASSERT_TRUE(tool);

  const RunResult check =
      run({tool->string(), (target() / "appendonlydir" / "appendonly.aof.manifest").string()});

  EXPECT_EQ(check.status, 0) << check.out;
  EXPECT_THAT(read_text(target() / "appendonlydir" / "appendonly.aof.1.incr.aof"),
              HasSubstr("#TS:"));
}

TEST_F(Moment, OutsideIsRefusedWithTheNearestOnes) {
  const std::int64_t offset = write("x");

  const RunResult early = restore("2020-01-01T00:00:00Z");
  EXPECT_EQ(early.status, 4);
  EXPECT_THAT(early.err, HasSubstr("the first moment that can be restored is"));
  const RunResult late = restore("2120-01-01T00:00:00Z");
  EXPECT_EQ(late.status, 4);
  EXPECT_THAT(late.err, HasSubstr("the last moment before it"));
  EXPECT_EQ(restore(at_offset(offset + 100000)).status, 4);
  EXPECT_EQ(restore("before:nothing").status, 4);
  EXPECT_EQ(restore("whenever").status, 2);
  EXPECT_FALSE(fs::exists(target()));
}

TEST_F(Moment, BeforeAFlippedSegmentIsRestoredAndNotBehindIt) {
  const std::int64_t before = write("sound");
  write("damaged");
  const std::int64_t last = write("behind");
  ASSERT_EQ(agent().stop(), ExitResult{});
  ASSERT_GE(segments().size(), 3U);
  const std::string damaged = *std::prev(segments().end(), 2);
  std::string content = user().store().read(damaged);
  // Where there is data: at the beginning, but behind the header of what is encrypted.
  content[damaged.ends_with(".age") ? content.size() * 3 / 4 : content.size() / 8] ^= 1;
  user().store().write(damaged, content);

  const RunResult refused = restore(at_offset(last), {"--layout", "aof"});
  EXPECT_EQ(refused.status, 8);
  EXPECT_THAT(refused.err, HasSubstr(damaged));
  EXPECT_FALSE(fs::exists(target() / "appendonlydir"));
  ASSERT_EQ(restore(at_offset(before), {"--layout", "aof"}).status, 0);
  EXPECT_EQ(restored_value(), "sound");
}

TEST_F(Moment, BeforeAMissingSegmentIsRestoredAndNotBehindIt) {
  const std::int64_t before = write("sound");
  write("missing");
  const std::int64_t last = write("behind");
  ASSERT_EQ(agent().stop(), ExitResult{});
  const std::vector<std::string> all = segments();
  ASSERT_GE(all.size(), 3U);
  user().store().remove(*std::prev(all.end(), 2));

  for (const std::string& at : {at_offset(last), std::string("latest")}) {
    const RunResult refused = restore(at, {"--layout", "aof"});
    EXPECT_EQ(refused.status, 8) << refused.err;
    EXPECT_THAT(refused.err, HasSubstr("missing"));
  }
  ASSERT_EQ(restore(at_offset(before), {"--layout", "aof"}).status, 0);
  EXPECT_EQ(restored_value(), "sound");
}

TEST_F(Moment, GetsAnRdbFromAServerLikeTheSourceInPath) {
  const std::int64_t offset = write("x");
  const fs::path servers = user().folder() / "servers";
  fs::create_directory(servers);
  fs::create_symlink(*find_server("redis-server-7.0"), servers / "redis-server");

  const RunResult result = restore_with_path(servers, at_offset(offset));

  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(restored_value({"--appendonly", "no"}), "x");
  EXPECT_EQ(restored_value({"--appendonly", "yes"}), "x");
  struct stat info {};
  ASSERT_EQ(stat((target() / "dump.rdb").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0640U);
  EXPECT_FALSE(fs::exists(target() / ".keyrewind-tmp"));
}

TEST_F(Moment, IsAnAofWhereNoServerMakesAnRdb) {
  const std::int64_t offset = write("x");
  const fs::path nothing = user().folder() / "nothing";
  fs::create_directory(nothing);

  const RunResult refused = restore_with_path(nothing, at_offset(offset), {"--layout", "both"});
  EXPECT_EQ(refused.status, 2);
  EXPECT_THAT(refused.err, HasSubstr("--server"));
  const RunResult result = restore_with_path(nothing, at_offset(offset));
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("must run with appendonly yes"));
  EXPECT_EQ(restored_value(), "x");
}

TEST_F(Moment, IsShownByADryRunThatWritesNothing) {
  const std::int64_t offset = write("x");

  const auto plan = user().json({"restore", "--target", target().string(), "--at",
                                 at_offset(offset), "--layout", "aof", "--dry-run"});

  EXPECT_EQ(plan["outcome"], "planned");
  EXPECT_EQ(plan["offset"], offset);
  EXPECT_EQ(plan["lineage"], source().info("master_replid"));
  EXPECT_GT(plan["segments"], 0);
  EXPECT_GT(plan["log_bytes"], 0);
  EXPECT_GT(plan["estimated_seconds"], 0);
  EXPECT_TRUE(plan.contains("at"));
  EXPECT_FALSE(fs::exists(target()));
}

TEST_F(Moment, IsNamedInTheMarker) {
  const std::int64_t offset = write("x");
  ASSERT_EQ(restore(at_offset(offset), {"--layout", "aof"}).status, 0);

  const auto marker = nlohmann::json::parse(read_text(target() / ".keyrewind-restore.json"));

  EXPECT_EQ(marker["offset"], offset);
  EXPECT_EQ(marker["lineage"], source().info("master_replid"));
  EXPECT_TRUE(marker.contains("at"));
}

TEST_F(Moment, IsRedoneAfterAKillBetweenTwoRenames) {
  const std::int64_t offset = write("x");
  const fs::path folder = target() / "appendonlydir";
  fs::create_directories(folder);
  write_text(folder / "appendonly.aof.1.incr.aof", "12345");
  struct stat info {};
  ASSERT_EQ(stat(folder.c_str(), &info), 0);
  const auto leave_marker = [&](int increment_bytes) {
    write_text(target() / ".keyrewind-restore.json",
               nlohmann::json{{"state", "running"},
                              {"placing", {{"appendonlydir", info.st_ino}}},
                              {"increment_bytes", increment_bytes}}
                   .dump());
  };

  // A server has appended to it since: it is no longer ours.
  leave_marker(4);
  EXPECT_EQ(restore(at_offset(offset), {"--layout", "aof"}).status, 7);
  EXPECT_TRUE(fs::exists(folder));
  leave_marker(5);
  EXPECT_EQ(restore(at_offset(offset), {"--layout", "aof"}).status, 0);
  EXPECT_EQ(restored_value(), "x");
}

TEST_F(Moment, OfABackupHasThatBackupAsItsBase) {
  const std::string id = user().json({"list"})["backups"][0]["id"];
  const std::int64_t offset = write("x");
  const std::string later = user().backup();

  const auto based = [&](const std::vector<std::string>& words) {
    std::vector<std::string> all{"restore"};
    all.insert(all.end(), words.begin(), words.end());
    all.insert(all.end(), {"--target", target().string(), "--layout", "aof", "--dry-run"});
    return user().run(all);
  };

  EXPECT_THAT(based({id, "--at", "latest"}).out, HasSubstr(id));
  const RunResult refused = based({later, "--at", at_offset(offset - 1)});
  EXPECT_EQ(refused.status, 4);
  EXPECT_THAT(refused.err, HasSubstr("was taken later"));
}

TEST_F(Moment, IsNotAskedForByAPlainRestoreWhichSaysHowMuchMoreThereIs) {
  write("in the log only");

  const RunResult result = user().run({"restore", "--target", target().string()});

  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("--at latest"));
  EXPECT_EQ(restored_value(), "");
}

TEST_F(Moment, HeedsWhatIsThereAlready) {
  write("x");
  fs::create_directories(target());
  write_text(target() / "dump.rdb", "somebody's data");

  EXPECT_EQ(restore("latest", {"--layout", "aof"}).status, 7);
  const RunResult skipped = restore("latest", {"--if-empty"});
  EXPECT_EQ(skipped.status, 0);
  EXPECT_THAT(skipped.out, HasSubstr("nothing to restore"));
  EXPECT_EQ(restore("latest", {"--layout", "aof", "--force"}).status, 0);
  EXPECT_EQ(restored_value(), "x");
}

TEST_F(Moment, IsExportedAsAnRdb) {
  const std::int64_t offset = write("exported");
  write("later");
  const std::string server = find_server("redis-server-7.0")->string();
  fs::create_directory(target());
  const std::vector<std::string> words{"export",   "--at", at_offset(offset),
                                       "--server", server, "--rdb"};

  auto to_file = words;
  to_file.push_back((target() / "dump.rdb").string());
  const auto exported = user().json(to_file);
  EXPECT_EQ(exported["offset"], offset);
  EXPECT_EQ(restored_value({}), "exported");

  auto to_stdout = words;
  to_stdout.insert(to_stdout.end(), {"-", "--temp-dir", user().folder().string()});
  const RunResult piped = user().run(to_stdout);
  ASSERT_EQ(piped.status, 0) << piped.err;
  write_text(target() / "dump.rdb", piped.out);
  EXPECT_EQ(restored_value({}), "exported");
}

TEST(MomentWithoutABackup, IsNoFailureOnlyIfAskedFor) {
  require_repository();
  if (IsSkipped() || HasFatalFailure()) {
    return;
  }
  const Keyrewind user("unix:///nowhere");
  if (repository_kind() == RepositoryKind::file) {
    fs::create_directory(user.repository());
  }
  const std::string target = (user.folder() / "data").string();

  EXPECT_EQ(user.run({"restore", "--target", target, "--at", "latest"}).status, 4);
  EXPECT_EQ(
      user.run({"restore", "--target", target, "--at", "latest", "--if-backup-exists"}).status, 0);
}

}  // namespace
}  // namespace keyrewind::test
