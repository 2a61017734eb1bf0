#include "metrics/store_metrics.h"

#include "flow/group.h"
#include "metrics/agent_metrics.h"

#include <gmock/gmock.h>

#include <chrono>
#include <sstream>

namespace keyrewind::metrics {
namespace {

/// The value of a series, as it is printed.
std::string value_of(const AgentMetrics& metrics, const std::string& series) {
  std::istringstream lines(metrics.to_prometheus_text());
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("keyrewind_store_" + series + " ")) {
      return line.substr(line.rfind(' ') + 1);
    }
  }
  return "absent";
}

TEST(StoreMetrics, StandBesideTheAgents) {
  AgentMetrics agent("orders");
  const StoreMetrics store(agent.registry(), "orders", "primary");

  EXPECT_EQ(value_of(agent, "sent_bytes_total{repository=\"primary\",source=\"orders\"}"), "0");
  EXPECT_EQ(value_of(agent, "received_bytes_total{repository=\"primary\",source=\"orders\"}"), "0");
}

TEST(StoreMetrics, CountRequestsByWhatBecameOfThem) {
  AgentMetrics agent("orders");
  StoreMetrics store(agent.registry(), "orders", "dr");
  const store::Observer observe = store.observer();

  observe({.operation = "put",
           .result = "slow_down",
           .retried = true,
           .duration = std::chrono::milliseconds(200),
           .sent = 7});
  observe(
      {.operation = "put", .result = "ok", .duration = std::chrono::milliseconds(20), .sent = 7});
  observe({.operation = "get",
           .result = "ok",
           .duration = std::chrono::milliseconds(2),
           .received = 100});

  const std::string labels = "repository=\"dr\",";
  EXPECT_EQ(value_of(agent, "requests_total{operation=\"put\"," + labels +
                                "result=\"slow_down\",source=\"orders\"}"),
            "1");
  EXPECT_EQ(value_of(agent, "requests_total{operation=\"put\"," + labels +
                                "result=\"ok\",source=\"orders\"}"),
            "1");
  const std::string put = "{operation=\"put\"," + labels + "source=\"orders\"}";
  EXPECT_EQ(value_of(agent, "request_retries_total" + put), "1");
  EXPECT_EQ(value_of(agent, "request_duration_seconds_count" + put), "2");
  EXPECT_EQ(value_of(agent, "request_duration_seconds_bucket{operation=\"put\"," + labels +
                                "source=\"orders\",le=\"0.025\"}"),
            "1");
  EXPECT_EQ(value_of(agent, "sent_bytes_total{" + labels + "source=\"orders\"}"), "14");
  EXPECT_EQ(value_of(agent, "received_bytes_total{" + labels + "source=\"orders\"}"), "100");
}

TEST(StoreMetrics, OfSeveralRepositoriesStandInOneRegistry) {
  AgentMetrics agent("orders");
  StoreMetrics primary(agent.registry(), "orders", "primary");
  StoreMetrics copy(agent.registry(), "orders", "dr");

  primary.request({.operation = "get", .result = "ok", .received = 1});
  copy.request({.operation = "get", .result = "ok", .received = 2});

  EXPECT_EQ(value_of(agent, "received_bytes_total{repository=\"primary\",source=\"orders\"}"), "1");
  EXPECT_EQ(value_of(agent, "received_bytes_total{repository=\"dr\",source=\"orders\"}"), "2");
}

TEST(StoreMetrics, MayBeCalledFromAnyThread) {
  AgentMetrics agent("orders");
  StoreMetrics store(agent.registry(), "orders", "primary");
  {
    flow::Group group({});
    for (int i = 0; i < 4; ++i) {
      group.spawn("requests", [&](const std::stop_token&) {
        for (int n = 0; n < 100; ++n) {
          store.request({.operation = "get", .result = n % 2 == 0 ? "ok" : "missing", .sent = 1});
        }
      });
    }
    group.wait();
  }

  EXPECT_EQ(value_of(agent, "sent_bytes_total{repository=\"primary\",source=\"orders\"}"), "400");
}

}  // namespace
}  // namespace keyrewind::metrics
