// Backups by schedule, on request and at the end, with the real program and real servers.

#include "support/agent_run.h"
#include "support/marks.h"
#include "support/redis_server.h"
#include "support/test_repository.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <string>
#include <vector>

namespace keyrewind::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const std::string kServer = "valkey-server-8.1";

class Schedule : public testing::Test {
 protected:
  void SetUp() override {
    require_server(kServer);
    require_repository();
  }

  /// An agent that takes a backup every second, as `often`.
  static AgentSetup often(const std::string& more = "") {
    return {.more = fmt::format("snapshots:\n"
                                "  jitter: 0s\n"
                                "  schedules:\n"
                                "    - name: often\n"
                                "      cron: '@every 1s'\n"
                                "      labels: [team=orders]\n"
                                "{}",
                                more)};
  }

  /// The backups whose field is that.
  static std::vector<nlohmann::json> backups(const AgentRun& agent, const std::string& field,
                                             const std::string& value) {
    std::vector<nlohmann::json> found;
    const RunResult list = agent.user().run({"list", "-o", "json"});
    if (list.status != 0) {
      return found;  // There is no repository yet.
    }
    const auto listed = nlohmann::json::parse(list.out);
    for (const auto& backup : listed["backups"]) {
      if (backup[field] == value) {
        found.push_back(backup);
      }
    }
    return found;
  }
};

TEST_F(Schedule, TakesBackupsThatCanBeRestored) {
  RedisServer source(quick_server(kServer));
  source.cli({"SET", "before", "1"});
  AgentRun agent(source.url(), often());
  agent.start();
  wait_until("two scheduled backups",
             [&] { return backups(agent, "schedule", "often").size() >= 2; });
  const Mark mark = take_mark(source);
  agent.wait_for(mark.offset);
  EXPECT_EQ(agent.stop(), ExitResult{});

  const auto scheduled = backups(agent, "schedule", "often");
  EXPECT_EQ(scheduled.front()["trigger"], "schedule");
  EXPECT_EQ(scheduled.front()["labels"]["team"], "orders");
  const auto shown = agent.user().json({"show", scheduled.front()["id"]});
  EXPECT_THAT(std::string(shown["decision"]), Not(IsEmpty()));
  EXPECT_EQ(backups(agent, "trigger", "base").size(), 1U) << "the log began with one";
  RedisServer restored = agent.restored("offset:" + std::to_string(mark.offset), kServer);
  EXPECT_THAT(differences(mark, restored), IsEmpty());
}

TEST_F(Schedule, TakesBackupsWithoutALog) {
  RedisServer source(quick_server(kServer));
  AgentSetup setup = often();
  setup.log = false;
  AgentRun agent(source.url(), setup);
  agent.start();
  wait_until("a scheduled backup", [&] { return !backups(agent, "schedule", "often").empty(); });
  source.cli({"SET", "key", "value"});
  const Mark mark = take_mark(source);
  const std::size_t before = backups(agent, "schedule", "often").size();
  wait_until("two more", [&] { return backups(agent, "schedule", "often").size() >= before + 2; });
  const auto status = agent.user().json({"status"});
  EXPECT_EQ(status["log"]["enabled"], false);
  EXPECT_EQ(status["source"]["up"], true);
  EXPECT_EQ(status["health"]["healthy"], true) << status["health"].dump(2);
  EXPECT_THAT(agent.user().run({"status"}).out, HasSubstr("log          off"));
  EXPECT_FALSE(agent.metric("keyrewind_spool_limit_bytes{source=\"orders\"}"))
      << "by this alerts know that there is a log";
  EXPECT_EQ(agent.stop(), ExitResult{});

  EXPECT_TRUE(backups(agent, "trigger", "base").empty());
  EXPECT_EQ(source.info("connected_slaves"), "0");
  for (const std::string& name : agent.user().files()) {
    EXPECT_THAT(name, Not(HasSubstr("/log/")));
  }
  RedisServer restored = agent.restored("latest", kServer);
  EXPECT_THAT(differences(mark, restored), IsEmpty());
}

TEST_F(Schedule, AreWantedByAnAgentWithoutALog) {
  RedisServer source(quick_server(kServer));
  const AgentRun agent(source.url(), {.log = false});

  const RunResult result = agent.user().run({"agent"});

  EXPECT_EQ(result.status, 2);
  EXPECT_THAT(result.err, HasSubstr("snapshots.schedules has none"));
}

TEST_F(Schedule, IsPausedResumedAndRunByCommand) {
  RedisServer source(quick_server(kServer));
  AgentRun agent(source.url(), {.more = "snapshots:\n"
                                        "  schedules: [{name: yearly, cron: '@yearly'}]\n"});
  agent.start();
  wait_until("the agent's answer", [&] {
    return agent.user().run({"schedule", "pause", "yearly"}).status == 0;
  });

  EXPECT_EQ(agent.user().json({"schedule", "pause", "yearly"})["paused"], true);
  EXPECT_EQ(agent.user().json({"schedule", "resume", "yearly"})["paused"], false);
  wait_until("a run that is asked for", [&] {
    return agent.user().run({"schedule", "run", "yearly"}).status == 0;
  });
  wait_until("its backup", [&] { return !backups(agent, "schedule", "yearly").empty(); });
}

TEST_F(Schedule, GoesWithAReloadAndTakesItsSeriesAlong) {
  RedisServer source(quick_server(kServer));
  AgentRun agent(source.url(), often());
  agent.start();
  const std::string series =
      "keyrewind_backup_last_success_timestamp_seconds{schedule=\"often\",source=\"orders\","
      "type=\"snapshot\"}";
  wait_until("the schedule's series", [&] { return agent.metric(series).has_value(); });

  agent.configure(source.url(), {});
  wait_until("a reload by itself",
             [&] { return agent.log().find("configuration reloaded") != std::string::npos; });
  wait_until("no series", [&] { return !agent.metric(series).has_value(); });
  EXPECT_EQ(agent.metric("keyrewind_config_last_reload_successful"), 1);
}

TEST_F(Schedule, KeepsTheOldConfigurationIfTheNewOneIsBroken) {
  RedisServer source(quick_server(kServer));
  AgentRun agent(source.url(), often());
  agent.start();
  wait_until("a scheduled backup", [&] { return !backups(agent, "schedule", "often").empty(); });

  agent.configure(source.url(), {.more = "snapshot: {}"});
  wait_until("the failure", [&] {
    return agent.log().find("configuration not reloaded; the old one stays") != std::string::npos;
  });
  wait_until("the metric",
             [&] { return agent.metric("keyrewind_config_last_reload_successful") == 0; });
  // The commands read the broken file, too: only the agent can tell.
  const std::string series =
      "keyrewind_backup_last_success_timestamp_seconds{schedule=\"often\",source=\"orders\","
      "type=\"snapshot\"}";
  const double before = agent.metric(series).value_or(0);
  wait_until("another scheduled backup", [&] { return agent.metric(series).value_or(0) > before; });

  agent.configure(source.url(), often());
  wait_until("the metric again",
             [&] { return agent.metric("keyrewind_config_last_reload_successful") == 1; });
}

TEST_F(Schedule, LosesNothingOfItsMetricsByARestart) {
  RedisServer source(quick_server(kServer));
  AgentRun agent(source.url(), often());
  agent.start();
  wait_until("a scheduled backup", [&] { return !backups(agent, "schedule", "often").empty(); });
  EXPECT_EQ(agent.stop(), ExitResult{});

  // Never due while this test runs.
  AgentSetup yearly = often();
  yearly.more = "snapshots:\n  schedules:\n    - {name: often, cron: '@yearly'}\n";
  agent.configure(source.url(), yearly);
  std::filesystem::remove(agent.user().folder() / "metrics.prom");
  agent.start();

  wait_until("the series that an earlier run made", [&] {
    return agent
        .metric(
            "keyrewind_backup_last_success_timestamp_seconds{schedule=\"often\",source=\"orders\","
            "type=\"snapshot\"}")
        .has_value();
  });
}

TEST_F(Schedule, OverlapsNothing) {
  RedisServer source(quick_server(kServer));
  AgentRun agent(source.url(), often());
  agent.start();
  source.cli({"CONFIG", "SET", "repl-diskless-sync-delay", "4"});
  wait_until("a skipped run",
             [&] { return agent.log().find("run of a schedule skipped") != std::string::npos; });
  wait_until("its event", [&] {
    const auto timeline = agent.timeline();
    for (const auto& event : timeline["events"]) {
      if (event["kind"] == "backup_skipped") {
        return true;
      }
    }
    return false;
  });
  wait_until("its metric", [&] {
    return agent
               .metric(
                   "keyrewind_schedule_missed_runs_total{schedule=\"often\","
                   "source=\"orders\"}")
               .value_or(0) > 0;
  });
}

class ManualBackup : public Schedule {
 protected:
  static Keyrewind user(const RedisServer& source, const std::string& more) {
    return Keyrewind(source.url(), more);
  }
};

TEST_F(ManualBackup, IsBoundByItsQuota) {
  RedisServer source(quick_server(kServer));
  const Keyrewind user(source.url(), "quotas: {manual_per_24h: 2}\n");
  user.backup();
  user.backup();

  const RunResult third = user.run({"backup"});
  EXPECT_EQ(third.status, 9);
  EXPECT_THAT(third.err, HasSubstr("quotas.manual_per_24h (2) is used up; the next backup may be "
                                   "at 2"));
  EXPECT_EQ(user.backups(), 2U);
}

TEST_F(ManualBackup, IsBoundByTheSizeOfItsRepository) {
  RedisServer source(quick_server(kServer));
  source.cli({"EVAL",
              "for i = 1, 150000 do redis.call('SET', i, math.random() .. math.random()) end",
              "0"});
  const Keyrewind user(source.url(), "quotas: {max_stored: 1MiB}\n");
  user.backup();

  const RunResult second = user.run({"backup"});
  EXPECT_EQ(second.status, 9);
  EXPECT_THAT(second.err, HasSubstr("quotas.max_stored is 1.0 MiB"));
}

TEST_F(ManualBackup, PassesTheFloorByForceAlone) {
  RedisServer source(quick_server(kServer));
  const Keyrewind user(source.url(), "quotas: {full_sync_min_interval: 1h}\n");
  user.backup();

  const RunResult second = user.run({"backup"});
  EXPECT_EQ(second.status, 9);
  EXPECT_THAT(second.err, HasSubstr("quotas.full_sync_min_interval"));
  EXPECT_EQ(user.run({"backup", "--force"}).status, 0);
  EXPECT_EQ(user.backups(), 2U);
}

TEST_F(ManualBackup, IsRefusedWhereAForkCouldHurt) {
  RedisServer source(quick_server(kServer, {"--maxmemory", "3mb"}));
  source.cli({"SETRANGE", "large", "1500000", "x"});
  const Keyrewind user(source.url(), "snapshots: {min_free_memory: 80%}\n");

  const RunResult refused = user.run({"backup"});
  EXPECT_EQ(refused.status, 6);
  EXPECT_THAT(refused.err, HasSubstr("snapshots.min_free_memory"));
  EXPECT_EQ(source.info("rdb_bgsave_in_progress"), "0");
  EXPECT_EQ(source.info("sync_full"), "0") << "no full sync was begun";
}

TEST_F(ManualBackup, IsTakenOfAServerThatDoesNotSayHowItsMemoryIs) {
  RedisServer source(quick_server(kServer));
  source.cli({"ACL", "SETUSER", "backup", "on", ">secret", "+psync", "+replconf"});
  Keyrewind user(source.url());
  write_text(user.folder() / "password", "secret");
  user.configure(source.url(), user.repository(),
                 fmt::format("  username: backup\n  password_file: {}\n",
                             (user.folder() / "password").string()));

  const auto backup = user.json({"backup"});
  EXPECT_THAT(std::string(user.json({"show", backup["id"]})["decision"]), HasSubstr("memory"));
}

TEST_F(ManualBackup, IsFinalIfNothingCameAfterIt) {
  RedisServer source(quick_server(kServer));
  RedisServer replica(replica_of(source, kServer));
  wait_for_link(replica);
  source.cli({"SET", "last", "words"});
  const Mark mark = take_mark(source);
  const Keyrewind user(replica.url());

  const auto backup = user.json({"backup", "--final"});
  EXPECT_EQ(backup["trigger"], "final");
  EXPECT_THAT(backup["warnings"], IsEmpty());
  EXPECT_EQ(user.json({"show", backup["id"]})["servers"]["0"]["role"], "primary");
  const auto target = user.folder() / "restored";
  user.json({"restore", "--target", target.string()});
  RedisServer restored({.program = kServer, .tcp = true, .dir = target});
  EXPECT_THAT(differences(mark, restored), IsEmpty());
}

TEST_F(ManualBackup, IsDoubtedAsTheFinalOneIfWritesGoOn) {
  RedisServer source(quick_server(kServer));
  const Keyrewind user(source.url());
  user.backup();
  source.cli({"CONFIG", "SET", "repl-diskless-sync-delay", "2"});
  Process writer({.command = {find_server("valkey-cli-8.1").value().string(), "-s",
                              source.socket_path().string(), "-r", "-1", "-i", "0.01", "INCR", "n"},
                  .out_file = user.folder() / "writer.out"});

  const auto backup = user.json({"backup", "--final"});

  EXPECT_THAT(backup["warnings"].dump(), HasSubstr("writes came after this final backup"));
}

class StatusOfARepository : public Schedule {};

TEST_F(StatusOfARepository, IsGoodAsLongAsBackupsCome) {
  RedisServer source(quick_server(kServer));
  const Keyrewind manual(source.url(), "http: {socket: ''}\n");
  manual.backup();
  const RunResult good = manual.run({"status"});
  EXPECT_EQ(good.status, 0) << good.out << good.err;
  EXPECT_THAT(good.out, HasSubstr("1 backups"));

  const Keyrewind scheduled(
      source.url(),
      "http: {socket: ''}\nsnapshots: {schedules: [{name: nightly, cron: '@daily'}]}\n");
  scheduled.backup();
  const RunResult bad = scheduled.run({"status", "-o", "json"});
  EXPECT_EQ(bad.status, 10) << bad.err;
  EXPECT_THAT(bad.out, HasSubstr("schedule nightly has no backup yet"));
}

}  // namespace
}  // namespace keyrewind::test
