#include "metrics/agent_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <sstream>
#include <string>

namespace keyrewind::metrics {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

class TopicMetrics : public testing::Test {
 protected:
  std::string text() const { return metrics_.to_prometheus_text(); }

  /// The value of a series of keyrewind_…, as it is printed.
  std::string value_of(const std::string& series) const {
    std::istringstream lines(text());
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("keyrewind_" + series + " ")) {
        return line.substr(line.rfind(' ') + 1);
      }
    }
    return "absent";
  }

  static std::string of_schedule(const std::string& name) {
    return "{schedule=\"" + name + "\",source=\"orders\"}";
  }
  static std::string of_backup(const std::string& schedule) {
    return "{schedule=\"" + schedule + "\",source=\"orders\",type=\"snapshot\"}";
  }
  static std::string of_runs(const std::string& result, const std::string& schedule) {
    return "backup_runs_total{result=\"" + result + "\",schedule=\"" + schedule +
           "\",source=\"orders\",type=\"snapshot\"}";
  }
  static BackupRun run(const std::string& schedule, RunResult result) {
    return {.source = "ignored",
            .schedule = schedule,
            .result = result,
            .attempted = Timestamp(seconds(1000)),
            .last_success = result == RunResult::success ? std::optional(Timestamp(seconds(1010)))
                                                         : std::nullopt,
            .duration = seconds(10),
            .keys = 7,
            .raw_bytes = 100,
            .stored_bytes = 50};
  }

  AgentMetrics metrics_{"orders"};
};

TEST_F(TopicMetrics, HaveEveryResultOfEverySchedule) {
  metrics_.backups().configure({"nightly", "hourly"});

  for (const std::string schedule : {"nightly", "hourly", "manual", "automatic", "final"}) {
    for (const std::string result : {"success", "failure", "cancelled", "skipped"}) {
      EXPECT_EQ(value_of(of_runs(result, schedule)), "0") << schedule << " " << result;
    }
  }
  EXPECT_EQ(value_of("backup_in_progress{source=\"orders\",type=\"snapshot\"}"), "0");
}

TEST_F(TopicMetrics, CountRunsOfASchedule) {
  metrics_.backups().configure({"nightly"});

  metrics_.backups().begun(1000);
  metrics_.backups().progress(400);
  EXPECT_EQ(value_of("backup_in_progress{source=\"orders\",type=\"snapshot\"}"), "1");
  EXPECT_EQ(value_of("backup_processed_bytes{source=\"orders\"}"), "400");
  EXPECT_EQ(value_of("backup_expected_bytes{source=\"orders\"}"), "1000");
  metrics_.backups().finished(run("nightly", RunResult::success));
  metrics_.backups().finished(run("nightly", RunResult::skipped));

  EXPECT_EQ(value_of(of_runs("success", "nightly")), "1");
  EXPECT_EQ(value_of(of_runs("skipped", "nightly")), "1");
  EXPECT_EQ(value_of("backup_in_progress{source=\"orders\",type=\"snapshot\"}"), "0");
  EXPECT_EQ(value_of("backup_last_success_timestamp_seconds" + of_backup("nightly")), "1010");
  EXPECT_EQ(value_of("backup_last_attempt_success" + of_backup("nightly")), "1");
  EXPECT_EQ(value_of("backup_duration_seconds_bucket{source=\"orders\",type=\"snapshot\","
                     "le=\"15\"}"),
            "1");
}

TEST_F(TopicMetrics, KeepTheLastGoodBackupWhenOneFails) {
  metrics_.backups().finished(run("manual", RunResult::success));
  metrics_.backups().finished(run("manual", RunResult::failure));

  EXPECT_EQ(value_of("backup_last_attempt_success" + of_backup("manual")), "0");
  EXPECT_EQ(value_of("backup_last_keys" + of_backup("manual")), "7");
  EXPECT_EQ(value_of("backup_last_success_timestamp_seconds" + of_backup("manual")), "1010");
}

TEST_F(TopicMetrics, KnowAfterARestartWhatTheCatalogKnows) {
  metrics_.backups().configure({"nightly"});

  metrics_.backups().seed(run("nightly", RunResult::success));

  EXPECT_EQ(value_of("backup_last_success_timestamp_seconds" + of_backup("nightly")), "1010");
  EXPECT_EQ(value_of(of_runs("success", "nightly")), "0") << "this process has taken none";
}

TEST_F(TopicMetrics, ForgetAScheduleThatIsGone) {
  metrics_.backups().configure({"nightly", "hourly"});
  metrics_.schedules().configure({"nightly", "hourly"});
  metrics_.schedules().plan("nightly", seconds(86400), Timestamp(seconds(5000)));
  metrics_.backups().finished(run("nightly", RunResult::success));
  ASSERT_THAT(text(), HasSubstr("\"nightly\""));

  metrics_.backups().configure({"hourly"});
  metrics_.schedules().configure({"hourly"});
  metrics_.backups().finished(run("nightly", RunResult::success));
  metrics_.schedules().plan("nightly", seconds(86400), Timestamp(seconds(6000)));
  metrics_.schedules().missed("nightly");
  metrics_.schedules().paused("nightly", true);

  EXPECT_THAT(text(), Not(HasSubstr("\"nightly\"")));
  EXPECT_EQ(value_of("schedule_missed_runs_total" + of_schedule("hourly")), "0");
}

TEST_F(TopicMetrics, TellOfSchedules) {
  metrics_.schedules().configure({"nightly"});
  metrics_.schedules().plan("nightly", seconds(86400), Timestamp(seconds(5000)));
  metrics_.schedules().missed("nightly");

  EXPECT_EQ(value_of("schedule_expected_interval_seconds" + of_schedule("nightly")), "86400");
  EXPECT_EQ(value_of("schedule_next_run_timestamp_seconds" + of_schedule("nightly")), "5000");
  EXPECT_EQ(value_of("schedule_missed_runs_total" + of_schedule("nightly")), "1");
  EXPECT_EQ(value_of("schedule_paused" + of_schedule("nightly")), "0");

  metrics_.schedules().paused("nightly", true);
  metrics_.schedules().plan("nightly", seconds(86400), std::nullopt);
  metrics_.schedules().configure({"nightly"});
  EXPECT_EQ(value_of("schedule_paused" + of_schedule("nightly")), "1")
      << "a reload changes nothing";
  EXPECT_EQ(value_of("schedule_next_run_timestamp_seconds" + of_schedule("nightly")), "absent");
}

TEST_F(TopicMetrics, TellOfRepositories) {
  const std::string dr = "{repository=\"dr\",source=\"orders\"}";
  metrics_.repositories().add("dr");
  EXPECT_EQ(value_of("retention_deleted_backups_total" + dr), "0");

  metrics_.repositories().answered("dr", false);
  metrics_.repositories().contents("dr", 12, 3456);
  metrics_.repositories().limit("dr", 5000);
  metrics_.repositories().retention_succeeded("dr", Timestamp(seconds(77)), 2);

  EXPECT_EQ(value_of("repository_backups{repository=\"dr\",source=\"orders\",type=\"snapshot\"}"),
            "12");
  EXPECT_EQ(value_of("storage_up{repository=\"dr\"}"), "0");
  EXPECT_EQ(value_of("repository_stored_bytes" + dr), "3456");
  EXPECT_EQ(value_of("repository_limit_bytes" + dr), "5000");
  EXPECT_EQ(value_of("retention_last_success_timestamp_seconds" + dr), "77");
  EXPECT_EQ(value_of("retention_deleted_backups_total" + dr), "2");
  metrics_.repositories().limit("dr", std::nullopt);
  EXPECT_EQ(value_of("repository_limit_bytes" + dr), "absent");
}

TEST_F(TopicMetrics, TellWhatCanBeRestored) {
  const std::string primary = "{repository=\"primary\",source=\"orders\"}";
  auto& repositories = metrics_.repositories();

  repositories.recoverable("primary", Timestamp(seconds(100)), Timestamp(seconds(200)));
  metrics_.recoverable_until(Timestamp(seconds(250)));
  EXPECT_EQ(value_of("recoverable_from_timestamp_seconds" + primary), "100");
  EXPECT_EQ(value_of("recoverable_until_timestamp_seconds" + primary), "250");

  repositories.recoverable("primary", Timestamp(seconds(150)), Timestamp(seconds(240)));
  EXPECT_EQ(value_of("recoverable_from_timestamp_seconds" + primary), "150");
  EXPECT_EQ(value_of("recoverable_until_timestamp_seconds" + primary), "250")
      << "the catalog was read before the log went on";

  repositories.recoverable("primary", std::nullopt, std::nullopt);
  EXPECT_THAT(text(), Not(HasSubstr("keyrewind_recoverable")));
  repositories.recoverable("primary", Timestamp(seconds(10)), Timestamp(seconds(20)));
  EXPECT_EQ(value_of("recoverable_until_timestamp_seconds" + primary), "20");
}

TEST_F(TopicMetrics, TellOfVerifications) {
  const std::string load = "{level=\"load\",source=\"orders\"}";
  EXPECT_EQ(value_of("verify_runs_total{level=\"load\",result=\"failure\",source=\"orders\"}"),
            "0");
  EXPECT_EQ(value_of("verify_last_attempt_success" + load), "absent");

  auto& verifications = metrics_.verifications();
  verifications.finished(VerifyLevel::load, VerifyResult::success, Timestamp(seconds(9)),
                         milliseconds(500));
  verifications.finished(VerifyLevel::load, VerifyResult::failure, Timestamp(seconds(10)),
                         milliseconds(500));
  EXPECT_EQ(value_of("verify_last_attempt_success" + load), "0");
  verifications.finished(VerifyLevel::load, VerifyResult::cancelled, Timestamp(seconds(11)),
                         milliseconds(500));

  EXPECT_EQ(value_of("verify_runs_total{level=\"load\",result=\"success\",source=\"orders\"}"),
            "1");
  EXPECT_EQ(value_of("verify_runs_total{level=\"load\",result=\"cancelled\",source=\"orders\"}"),
            "1");
  EXPECT_EQ(value_of("verify_last_success_timestamp_seconds" + load), "9");
  EXPECT_EQ(value_of("verify_duration_seconds_count" + load), "2");
  verifications.seed(VerifyLevel::parse, true, Timestamp(seconds(3)));
  EXPECT_EQ(value_of("verify_last_success_timestamp_seconds{level=\"parse\",source=\"orders\"}"),
            "3");
}

TEST_F(TopicMetrics, TellOfTheSourceThatIsReadNow) {
  metrics_.source().up(true);
  metrics_.source().node({.server = "valkey", .version = "8.1.0", .role = "replica"});
  metrics_.source().node({.server = "valkey", .version = "8.1.0", .role = "primary"});
  metrics_.source().dataset(4096, 12);

  EXPECT_EQ(value_of("source_up{source=\"orders\"}"), "1");
  EXPECT_THAT(text(), Not(HasSubstr("role=\"replica\"")));
  EXPECT_EQ(value_of("source_info{role=\"primary\",server=\"valkey\",server_version=\"8.1.0\","
                     "source=\"orders\"}"),
            "1");
  EXPECT_EQ(value_of("source_dataset_bytes{source=\"orders\"}"), "4096");
  EXPECT_EQ(value_of("source_keys{source=\"orders\"}"), "12");
}

TEST_F(TopicMetrics, TellOfRequestsWithoutLettingClientsMakeSeries) {
  metrics_.http().request("status", 200, milliseconds(2));
  metrics_.http().request("status", 200, milliseconds(200));
  metrics_.http().request("other", 404, milliseconds(1));
  metrics_.http().request("other", 299, milliseconds(1));
  metrics_.http().request("other", 298, milliseconds(1));

  EXPECT_EQ(value_of("http_requests_total{code=\"200\",handler=\"status\"}"), "2");
  EXPECT_EQ(value_of("http_requests_total{code=\"404\",handler=\"other\"}"), "1");
  EXPECT_EQ(value_of("http_requests_total{code=\"other\",handler=\"other\"}"), "2");
  EXPECT_EQ(value_of("http_request_duration_seconds_bucket{le=\"0.01\"}"), "4");
}

TEST_F(TopicMetrics, TellOfMessages) {
  EXPECT_EQ(value_of("notifications_total{kind=\"webhook\",result=\"failure\"}"), "0");
  metrics_.notifications().sent(NotificationKind::heartbeat, true);
  metrics_.notifications().sent(NotificationKind::webhook, false);
  EXPECT_EQ(value_of("notifications_total{kind=\"heartbeat\",result=\"success\"}"), "1");
  EXPECT_EQ(value_of("notifications_total{kind=\"webhook\",result=\"failure\"}"), "1");
}

TEST_F(TopicMetrics, TellOfTheLastRestore) {
  EXPECT_EQ(value_of("restore_last_success{source=\"orders\"}"), "absent");
  metrics_.restores().last(Timestamp(seconds(50)), milliseconds(1500), true);
  metrics_.restores().pending(true);
  EXPECT_EQ(value_of("restore_last_timestamp_seconds{source=\"orders\"}"), "50");
  EXPECT_EQ(value_of("restore_last_duration_seconds{source=\"orders\"}"), "1.5");
  EXPECT_EQ(value_of("restore_last_success{source=\"orders\"}"), "1");
  EXPECT_EQ(value_of("restore_pending{source=\"orders\"}"), "1");
}

TEST_F(TopicMetrics, TellWhetherTheConfigurationWasLoaded) {
  metrics_.config().loaded(Timestamp(seconds(60)));
  metrics_.config().reload_failed();
  EXPECT_EQ(value_of("config_last_reload_successful"), "0");
  EXPECT_EQ(value_of("config_last_reload_success_timestamp_seconds"), "60");
  metrics_.config().loaded(Timestamp(seconds(70)));
  EXPECT_EQ(value_of("config_last_reload_successful"), "1");
  EXPECT_EQ(value_of("config_last_reload_success_timestamp_seconds"), "70");
}

TEST_F(TopicMetrics, TellOfTheProcess) {
  std::istringstream lines(text());
  int seen = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("process_")) {
      ++seen;
      EXPECT_GT(std::stod(line.substr(line.rfind(' ') + 1)),
                line.starts_with("process_cpu") ? -1.0 : 0.0)
          << line;
    }
  }
  EXPECT_EQ(seen, 6);
  EXPECT_THAT(text(), HasSubstr("# TYPE process_cpu_seconds_total counter"));
}

}  // namespace
}  // namespace keyrewind::metrics
