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
       {"replication_link_up", "replication_received_bytes_total", "log_segments_total",
        "log_merges_total", "log_gaps_total", "log_hops_total", "failovers_total",
        "full_sync_deferred", "log_unprotected", "repository_failures_total", "spool_full",
        "source_up", "restore_pending"}) {
    EXPECT_EQ(value_of(metrics, "keyrewind_" + name + "{source=\"orders\"}"), "0") << name;
  }
  for (const std::string reason :
       {"spool_full", "spool_failed", "spool_slow", "link_lost", "hop", "bad_stream", "stopped"}) {
    EXPECT_EQ(value_of(metrics,
                       "keyrewind_log_detached_total{reason=\"" + reason + "\",source=\"orders\"}"),
              "0")
        << reason;
  }
  for (const std::string kind : {"full", "partial"}) {
    EXPECT_EQ(value_of(metrics, "keyrewind_replication_resyncs_total{kind=\"" + kind +
                                    "\",source=\"orders\"}"),
              "0")
        << kind;
  }
  EXPECT_THAT(metrics.to_prometheus_text(), HasSubstr("keyrewind_build_info{compiler="));
}

TEST(AgentMetrics, LeaveOutWhatIsNotKnown) {
  const AgentMetrics metrics("orders");

  for (const std::string name :
       {"log_received_offset", "log_durable_offset", "log_durable_timestamp_seconds",
        "spool_used_bytes", "backup_last_attempt_success", "replication_lag_bytes",
        "recoverable_until_timestamp_seconds"}) {
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
  EXPECT_EQ(value_of(metrics, "keyrewind_replication_link_up" + source), "1");
  EXPECT_EQ(value_of(metrics, "keyrewind_replication_received_bytes_total" + source), "123");
  EXPECT_EQ(value_of(metrics, "keyrewind_log_received_offset" + source), "4000000000123");
  EXPECT_EQ(value_of(metrics, "keyrewind_log_durable_offset" + source), "4000000000100");
  EXPECT_EQ(value_of(metrics, "keyrewind_log_durable_timestamp_seconds" + source), "1763655561.25");
  EXPECT_EQ(value_of(metrics, "keyrewind_spool_used_bytes" + source), "23");
  EXPECT_EQ(value_of(metrics, "keyrewind_spool_limit_bytes" + source), "2048");
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
  metrics.unprotected(true);
  metrics.decided(SnapshotDecision::wait);
  metrics.repository_failure();

  const std::string source = "{source=\"orders\"}";
  EXPECT_EQ(value_of(metrics, "keyrewind_replication_link_up" + source), "0");
  EXPECT_EQ(
      value_of(metrics, "keyrewind_log_detached_total{reason=\"spool_full\",source=\"orders\"}"),
      "1");
  EXPECT_EQ(value_of(metrics, "keyrewind_log_gaps_total" + source), "1");
  EXPECT_EQ(value_of(metrics, "keyrewind_log_hops_total" + source), "2");
  EXPECT_EQ(value_of(metrics, "keyrewind_failovers_total" + source), "1");
  EXPECT_EQ(
      value_of(metrics, "keyrewind_replication_resyncs_total{kind=\"full\",source=\"orders\"}"),
      "1");
  EXPECT_EQ(
      value_of(metrics, "keyrewind_replication_resyncs_total{kind=\"partial\",source=\"orders\"}"),
      "1");
  EXPECT_EQ(
      value_of(metrics, "keyrewind_snapshot_decisions_total{decision=\"wait\",source=\"orders\"}"),
      "1");
  EXPECT_EQ(value_of(metrics, "keyrewind_full_sync_deferred" + source), "1");
  EXPECT_EQ(value_of(metrics, "keyrewind_log_unprotected" + source), "1");
  EXPECT_EQ(value_of(metrics, "keyrewind_repository_failures_total" + source), "1");
}

TEST(AgentMetrics, TellWhatTheRepositoryLacks) {
  AgentMetrics metrics("orders");
  const auto lag = [&] {
    return value_of(metrics, "keyrewind_replication_lag_bytes{source=\"orders\"}");
  };

  metrics.received(10, 110);
  EXPECT_EQ(lag(), "absent") << "nobody knows what is durable";
  metrics.durable(100, Timestamp(std::chrono::seconds(1)));
  EXPECT_EQ(lag(), "10");
  metrics.server_offset(150);
  EXPECT_EQ(lag(), "50");
  metrics.server_offset(120);
  EXPECT_EQ(lag(), "50") << "an offset never goes back";
  metrics.durable(160, Timestamp(std::chrono::seconds(2)));
  EXPECT_EQ(lag(), "0");

  metrics.forget_offsets();
  metrics.received(1, 7);
  metrics.durable(5, Timestamp(std::chrono::seconds(3)));
  EXPECT_EQ(lag(), "2") << "another history";
}

TEST(AgentMetrics, SayThatTheSpoolIsFullUntilTheLogGoesOn) {
  AgentMetrics metrics("orders");
  const auto full = [&] { return value_of(metrics, "keyrewind_spool_full{source=\"orders\"}"); };

  metrics.detached(Detachment::link_lost);
  EXPECT_EQ(full(), "0");
  metrics.detached(Detachment::spool_full);
  EXPECT_EQ(full(), "1");
  metrics.attached();
  EXPECT_EQ(full(), "0");
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
  EXPECT_TRUE(seen.contains("# TYPE keyrewind_replication_received_bytes_total counter"));
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
  EXPECT_EQ(value_of(metrics, "keyrewind_replication_received_bytes_total{source=\"orders\"}"),
            "1000");
}

}  // namespace
}  // namespace keyrewind::metrics
