#include "daemon/health.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

namespace keyrewind::daemon {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const Timestamp kNow = Timestamp(hours(500000));

/// An agent that has worked for a week and has nothing to complain about.
HealthFacts good() {
  return {
      .now = kNow,
      .since = kNow - hours(168),
      .log = HealthFacts::Log{.spool_limit_bytes = 1000},
      .schedules = {{.name = "nightly", .interval = hours(24), .last_success = kNow - hours(20)}},
      .repositories = {{.name = "primary", .backups = 7}}};
}

std::vector<std::string> codes(const HealthFacts& facts) {
  std::vector<std::string> codes;
  for (const auto& reason : judge(facts).reasons) {
    codes.push_back(reason.code);
  }
  return codes;
}

TEST(Health, IsGoodWithoutReasons) {
  EXPECT_THAT(codes(good()), IsEmpty());
  EXPECT_TRUE(judge(good()).is_healthy());
  EXPECT_TRUE(judge({}).is_healthy()) << "what nobody knows is no reason";
}

TEST(Health, SuffersFromALogWithoutASnapshotToBeginWith) {
  HealthFacts facts = good();
  facts.log->unprotected_since = kNow - seconds(59);
  facts.log->why_unprotected = "the next one may be at noon";
  EXPECT_THAT(codes(facts), IsEmpty()) << "it may be about to begin";

  facts.log->unprotected_since = kNow - minutes(1);
  EXPECT_THAT(codes(facts), ElementsAre("unprotected"));
  EXPECT_THAT(judge(facts).reasons.front().message, HasSubstr("the next one may be at noon"));
  EXPECT_FALSE(judge(facts).is_healthy());

  facts.log->snapshot_running = true;
  EXPECT_THAT(codes(facts), ElementsAre("unprotected"));
  EXPECT_TRUE(judge(facts).is_healthy()) << "that will end it";
}

TEST(Health, WarnsOfACopyThatLagsAsTheAlertDoes) {
  HealthFacts facts = good();
  facts.repositories.push_back({.name = "dr", .backups = 7, .lacks_since = kNow - hours(1)});
  EXPECT_THAT(codes(facts), IsEmpty());

  facts.repositories.back().lacks_since = kNow - hours(2);
  EXPECT_THAT(codes(facts), ElementsAre("copy_lagging"));
  EXPECT_THAT(judge(facts).reasons.front().message, HasSubstr("dr lacks what was stored 2"));
  EXPECT_TRUE(judge(facts).is_healthy()) << "everything is in the repository itself";
}

TEST(Health, WarnsOfProofThatIsOldAsTheAlertDoes) {
  HealthFacts facts = good();
  facts.proven = kNow - hours(8 * 24);
  EXPECT_THAT(codes(facts), IsEmpty());

  facts.proven = kNow - hours(8 * 24 + 1);
  EXPECT_THAT(codes(facts), ElementsAre("verify_old"));
  EXPECT_TRUE(judge(facts).is_healthy());
}

TEST(Health, SuffersFromALogThatStaysDetached) {
  HealthFacts facts = good();
  facts.log->detached_since = kNow - seconds(59);
  EXPECT_THAT(codes(facts), IsEmpty()) << "that may be a failover";

  facts.log->detached_since = kNow - minutes(1);
  facts.log->why = "connection refused";
  EXPECT_THAT(codes(facts), ElementsAre("log_detached"));
  EXPECT_THAT(judge(facts).reasons.front().message, HasSubstr("connection refused"));
  EXPECT_FALSE(judge(facts).is_healthy());

  facts.is_standby = true;
  EXPECT_THAT(codes(facts), IsEmpty()) << "it is another agent's log";
}

TEST(Health, SuffersFromWritesThatAreNotStored) {
  HealthFacts facts = good();
  facts.log->lag = minutes(1);
  EXPECT_THAT(codes(facts), IsEmpty());
  facts.log->lag = minutes(2);
  EXPECT_THAT(codes(facts), ElementsAre("log_lagging"));
  facts.log->segment_max_age = minutes(5);
  EXPECT_THAT(codes(facts), IsEmpty()) << "segments are that long";
}

TEST(Health, WarnsOfASpoolThatFills) {
  HealthFacts facts = good();
  facts.log->spool_bytes = 801;
  EXPECT_THAT(codes(facts), ElementsAre("spool_filling"));
  EXPECT_TRUE(judge(facts).is_healthy());
  facts.log->spool_bytes = 1000;
  EXPECT_THAT(codes(facts), ElementsAre("spool_full"));
  EXPECT_FALSE(judge(facts).is_healthy());
}

TEST(Health, SuffersFromBackupsThatDoNotCome) {
  HealthFacts facts = good();
  facts.schedules[0].last_success = kNow - hours(48) - minutes(15);
  EXPECT_THAT(codes(facts), IsEmpty());
  facts.schedules[0].last_success = kNow - hours(48) - minutes(16);
  EXPECT_THAT(codes(facts), ElementsAre("backup_old"));
  facts.schedules[0].last_success.reset();
  EXPECT_THAT(codes(facts), ElementsAre("backup_old"));

  facts.since = kNow - hours(47);
  EXPECT_THAT(codes(facts), IsEmpty()) << "the first one may still come";
  facts.since.reset();
  EXPECT_THAT(codes(facts), ElementsAre("backup_old")) << "a catalog knows for ever";
  facts.schedules[0].paused = true;
  EXPECT_THAT(codes(facts), ElementsAre("schedule_paused"));
}

TEST(Health, WarnsOfARunThatFailed) {
  HealthFacts facts = good();
  facts.schedules[0].last_failed = true;
  facts.schedules[0].last_message = "no space left";

  EXPECT_THAT(codes(facts), ElementsAre("backup_failed"));
  EXPECT_THAT(judge(facts).reasons.front().message, HasSubstr("no space left"));
  EXPECT_TRUE(judge(facts).is_healthy()) << "the next one may succeed";
}

TEST(Health, SuffersFromARepositoryThatDoesNotAnswer) {
  HealthFacts facts = good();
  facts.repositories[0].unreachable_since = kNow - seconds(59);
  EXPECT_THAT(codes(facts), IsEmpty());
  facts.repositories[0].unreachable_since = kNow - minutes(1);
  EXPECT_THAT(codes(facts), ElementsAre("repository_unreachable"));
  facts.is_standby = true;
  EXPECT_THAT(codes(facts), ElementsAre("repository_unreachable")) << "it could not take over";
}

TEST(Health, SuffersFromARepositoryWithoutBackups) {
  HealthFacts facts = good();
  facts.schedules.clear();
  facts.repositories[0].backups = 0;
  EXPECT_THAT(codes(facts), ElementsAre("no_backup"));
  facts.since = kNow - minutes(14);
  EXPECT_THAT(codes(facts), IsEmpty());
}

TEST(Health, SuffersFromAnOldRecoveryPointWhereNoAgentTellsOfItsLog) {
  HealthFacts facts = good();
  facts.log.reset();
  facts.repositories[0].restorable_until = kNow - minutes(10);
  EXPECT_THAT(codes(facts), IsEmpty());
  facts.repositories[0].restorable_until = kNow - minutes(11);
  EXPECT_THAT(codes(facts), ElementsAre("recovery_point_old"));
}

TEST(Health, SuffersFromABackupThatIsNoGood) {
  HealthFacts facts = good();
  facts.verify_failure = "backup 20261120T130221Z-0a1b2c failed verification";
  EXPECT_THAT(codes(facts), ElementsAre("verify_failed"));
  EXPECT_FALSE(judge(facts).is_healthy());
}

TEST(Health, SuffersFromASourceThatIsDown) {
  HealthFacts facts = good();
  facts.source_error = "connection refused";
  EXPECT_THAT(codes(facts), ElementsAre("source_down"));
  facts.since = kNow;
  EXPECT_THAT(codes(facts), IsEmpty()) << "it may come up together with the agent";
}

TEST(Health, NamesWhatIsWorstFirst) {
  HealthFacts facts = good();
  facts.stored_bytes = 10;
  facts.max_stored = 10;
  facts.config_error = "unknown key";
  facts.full_sync_refused = "no memory";
  facts.retention_failing_since = kNow - hours(72);
  facts.verify_failure = "damaged";

  EXPECT_THAT(codes(facts), ElementsAre("verify_failed", "over_quota", "full_sync_refused",
                                        "config_not_reloaded", "retention_failing"));
}

TEST(Health, IsNotShakenByAClockThatGoesBack) {
  HealthFacts facts = good();
  facts.now = kNow - hours(48);
  facts.log->detached_since = kNow;
  facts.repositories[0].unreachable_since = kNow;
  facts.log->detached_since.reset();

  EXPECT_THAT(codes(facts), IsEmpty());
}

}  // namespace
}  // namespace keyrewind::daemon
