#include "metrics/agent_metrics.h"

#include "flow/group.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <set>
#include <sstream>

namespace keyrewind::metrics {
namespace {

using testing::HasSubstr;
using testing::Not;

/// The value of a series, as it is printed.
std::string value_of(const AgentMetrics& metrics, const std::string& series) {
  std::istringstream lines(metrics.to_prometheus_text());
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(series + " ")) {
      return line.substr(series.size() + 1);
    }
  }
  return "absent";
}

TEST(AgentMetrics, HaveEveryCounterFromTheBeginning) {
  const AgentMetrics metrics("orders");

  for (const std::string name :
       {"log_attached", "log_received_bytes_total", "log_segments_total", "log_merges_total",
        "log_gaps_total", "log_hops_total", "failovers_total", "full_syncs_total",
        "full_sync_deferred", "repository_failures_total"}) {
    EXPECT_EQ(value_of(metrics, "keyrewind_" + name + "{source=\"orders\"}"), "0") << name;
  }
  for (const std::string reason :
       {"spool_full", "spool_failed", "spool_slow", "link_lost", "hop", "bad_stream", "stopped"}) {
    EXPECT_EQ(value_of(metrics,
                       "keyrewind_log_detached_total{reason=\"" + reason + "\",source=\"orders\"}"),
              "0")
        << reason;
  }
  EXPECT_THAT(metrics.to_prometheus_text(), HasSubstr("keyrewind_build_info{version="));
}

TEST(AgentMetrics, LeaveOutWhatIsNotKnown) {
  const AgentMetrics metrics("orders");

  for (const std::string name :
       {"log_received_offset", "log_durable_offset", "log_durable_timestamp_seconds",
        "log_spool_bytes", "backup_last_attempt_success"}) {
    EXPECT_THAT(metrics.to_prometheus_text(), Not(HasSubstr("keyrewind_" + name))) << name;
  }
}

TEST(AgentMetrics, TellHowFarTheLogHasCome) {
  AgentMetrics metrics("orders");

  metrics.attached();
  metrics.received(100, 4'000'000'000'100);
  metrics.received(23, 4'000'000'000'123);
  metrics.durable(4'000'000'000'100, Timestamp(std::chrono::milliseconds(1'763'655'561'250)));
  metrics.spool(23, 2048);
  metrics.segment_stored(100, 40);
  metrics.segment_stored(10, 4);
  metrics.segments_merged();

  const std::string source = "{source=\"orders\"}";
  EXPECT_EQ(value_of(metrics, "keyrewind_log_attached" + source), "1");
  EXPECT_EQ(value_of(metrics, "keyrewind_log_received_bytes_total" + source), "123");
  EXPECT_EQ(value_of(metrics, "keyrewind_log_received_offset" + source), "4000000000123");
  EXPECT_EQ(value_of(metrics, "keyrewind_log_durable_offset" + source), "4000000000100");
  EXPECT_EQ(value_of(metrics, "keyrewind_log_durable_timestamp_seconds" + source), "1763655561.25");
  EXPECT_EQ(value_of(metrics, "keyrewind_log_spool_bytes" + source), "23");
  EXPECT_EQ(value_of(metrics, "keyrewind_log_spool_max_bytes" + source), "2048");
  EXPECT_EQ(value_of(metrics, "keyrewind_log_segments_total" + source), "2");
  EXPECT_EQ(value_of(metrics, "keyrewind_log_segment_bytes_total{kind=\"raw\",source=\"orders\"}"),
            "110");
  EXPECT_EQ(
      value_of(metrics, "keyrewind_log_segment_bytes_total{kind=\"stored\",source=\"orders\"}"),
      "44");
  EXPECT_EQ(value_of(metrics, "keyrewind_log_merges_total" + source), "1");
}

TEST(AgentMetrics, CountWhatHappens) {
  AgentMetrics metrics("orders");

  metrics.attached();
  metrics.detached(Detachment::spool_full);
  metrics.gap();
  metrics.hop();
  metrics.hop();
  metrics.failover();
  metrics.full_sync();
  metrics.full_sync_deferred(true);
  metrics.repository_failure();

  const std::string source = "{source=\"orders\"}";
  EXPECT_EQ(value_of(metrics, "keyrewind_log_attached" + source), "0");
  EXPECT_EQ(
      value_of(metrics, "keyrewind_log_detached_total{reason=\"spool_full\",source=\"orders\"}"),
      "1");
  EXPECT_EQ(value_of(metrics, "keyrewind_log_gaps_total" + source), "1");
  EXPECT_EQ(value_of(metrics, "keyrewind_log_hops_total" + source), "2");
  EXPECT_EQ(value_of(metrics, "keyrewind_failovers_total" + source), "1");
  EXPECT_EQ(value_of(metrics, "keyrewind_full_syncs_total" + source), "1");
  EXPECT_EQ(value_of(metrics, "keyrewind_full_sync_deferred" + source), "1");
  EXPECT_EQ(value_of(metrics, "keyrewind_repository_failures_total" + source), "1");
}

TEST(AgentMetrics, KeepTheLastGoodBackupWhenOneFails) {
  AgentMetrics metrics("orders");

  metrics.backup({.source = "ignored", .succeeded = true, .attempted = {}, .keys = 7});
  metrics.backup({.source = {}, .succeeded = false, .attempted = {}, .keys = 0});

  EXPECT_EQ(value_of(metrics, "keyrewind_backup_last_attempt_success{source=\"orders\"}"), "0");
  EXPECT_EQ(value_of(metrics, "keyrewind_backup_last_keys{source=\"orders\"}"), "7");
}

TEST(AgentMetrics, EscapeTheName) {
  EXPECT_THAT(AgentMetrics("a\"b\\c\n").to_prometheus_text(), HasSubstr(R"({source="a\"b\\c\n"})"));
}

TEST(AgentMetrics, HaveATypeAndHelpOnceEach) {
  AgentMetrics metrics("orders");
  metrics.received(1, 1);
  metrics.received(1, 2);

  std::set<std::string> seen;
  std::istringstream lines(metrics.to_prometheus_text());
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# ")) {
      EXPECT_TRUE(seen.insert(line).second) << line;
    }
  }
  EXPECT_TRUE(seen.contains("# TYPE keyrewind_log_received_bytes_total counter"));
  EXPECT_TRUE(seen.contains("# TYPE keyrewind_log_received_offset gauge"));
}

TEST(AgentMetrics, AreUpdatedFromSeveralThreads) {
  AgentMetrics metrics("orders");
  flow::Group group({});
  for (int thread = 0; thread < 4; ++thread) {
    group.spawn("writer", [&](const std::stop_token&) {
      for (int i = 0; i < 250; ++i) {
        metrics.received(1, i);
        metrics.hop();
      }
    });
  }
  group.spawn("reader", [&](const std::stop_token&) {
    for (int i = 0; i < 50; ++i) {
      EXPECT_THAT(metrics.to_prometheus_text(), HasSubstr("keyrewind_log_hops_total"));
    }
  });
  group.wait();

  EXPECT_EQ(value_of(metrics, "keyrewind_log_hops_total{source=\"orders\"}"), "1000");
  EXPECT_EQ(value_of(metrics, "keyrewind_log_received_bytes_total{source=\"orders\"}"), "1000");
}

}  // namespace
}  // namespace keyrewind::metrics
