#include "metrics/storage_metrics.h"

#include "flow/group.h"
#include "metrics/gauges.h"

#include <gmock/gmock.h>
#include <prometheus/registry.h>

#include <chrono>
#include <sstream>

namespace keyrewind::metrics {
namespace {

using testing::HasSubstr;
using testing::Not;

class StorageMetricsTest : public testing::Test {
 protected:
  /// The value of a series of keyrewind_storage_…, as it is printed.
  std::string value_of(const std::string& series) const {
    std::istringstream lines(to_text(registry_));
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("keyrewind_storage_" + series + " ")) {
        return line.substr(line.rfind(' ') + 1);
      }
    }
    return "absent";
  }

  prometheus::Registry registry_;
};

TEST_F(StorageMetricsTest, HaveTheirCountersFromTheBeginning) {
  const StorageMetrics storage(registry_, "primary");

  for (const std::string operation : {"put", "get", "head", "list", "delete", "copy"}) {
    EXPECT_EQ(value_of("operations_total{operation=\"" + operation + "\",repository=\"primary\"}"),
              "0")
        << operation;
  }
  EXPECT_EQ(value_of("transferred_bytes_total{direction=\"upload\",repository=\"primary\"}"), "0");
  EXPECT_EQ(value_of("transferred_bytes_total{direction=\"download\",repository=\"primary\"}"),
            "0");
}

TEST_F(StorageMetricsTest, CountRequestsAndWhatBecameOfThem) {
  StorageMetrics storage(registry_, "dr");
  const store::Observer observe = storage.observer();

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

  const std::string put = "{operation=\"put\",repository=\"dr\"}";
  EXPECT_EQ(value_of("operations_total" + put), "2");
  EXPECT_EQ(value_of("operation_retries_total" + put), "1");
  EXPECT_EQ(value_of("operation_duration_seconds_count" + put), "2");
  EXPECT_EQ(
      value_of("operation_duration_seconds_bucket{operation=\"put\",repository=\"dr\",le=\"0.1\"}"),
      "1");
  EXPECT_EQ(value_of("operation_errors_total{code=\"SlowDown\",operation=\"put\","
                     "repository=\"dr\"}"),
            "1");
  EXPECT_EQ(value_of("transferred_bytes_total{direction=\"upload\",repository=\"dr\"}"), "14");
  EXPECT_EQ(value_of("transferred_bytes_total{direction=\"download\",repository=\"dr\"}"), "100");
}

TEST_F(StorageMetricsTest, AreNoErrorsWhereTheAnswerIsNo) {
  StorageMetrics storage(registry_, "primary");

  storage.request({.operation = "head", .result = "missing"});
  storage.request({.operation = "put", .result = "conflict"});

  EXPECT_EQ(value_of("operations_total{operation=\"head\",repository=\"primary\"}"), "1");
  EXPECT_THAT(to_text(registry_), Not(HasSubstr("errors")));
}

struct Word {
  std::string from;
  std::string to;
};

class StorageOperation : public testing::TestWithParam<Word> {};

TEST_P(StorageOperation, IsOneOfSix) {
  prometheus::Registry registry;
  StorageMetrics storage(registry, "primary");

  storage.request({.operation = GetParam().from, .result = "ok"});

  EXPECT_THAT(to_text(registry), HasSubstr("keyrewind_storage_operations_total{operation=\"" +
                                           GetParam().to + "\",repository=\"primary\"} 1\n"));
}

INSTANTIATE_TEST_SUITE_P(
    Words, StorageOperation,
    testing::Values(Word{"put", "put"}, Word{"put_part", "put"}, Word{"create_upload", "put"},
                    Word{"complete_upload", "put"}, Word{"lock", "put"}, Word{"get", "get"},
                    Word{"head", "head"}, Word{"head_bucket", "head"}, Word{"list", "list"},
                    Word{"list_uploads", "list"}, Word{"delete", "delete"},
                    Word{"delete_many", "delete"}, Word{"abort_upload", "delete"},
                    Word{"copy", "copy"}, Word{"copy_part", "copy"}),
    [](const auto& one) { return one.param.from; });

class StorageErrorCode : public testing::TestWithParam<Word> {};

TEST_P(StorageErrorCode, IsOneOfFive) {
  prometheus::Registry registry;
  StorageMetrics storage(registry, "primary");

  storage.request({.operation = "get", .result = GetParam().from});

  EXPECT_THAT(to_text(registry),
              HasSubstr("keyrewind_storage_operation_errors_total{code=\"" + GetParam().to +
                        "\",operation=\"get\",repository=\"primary\"} 1\n"));
}

INSTANTIATE_TEST_SUITE_P(Words, StorageErrorCode,
                         testing::Values(Word{"denied", "AccessDenied"},
                                         Word{"slow_down", "SlowDown"},
                                         Word{"no_answer", "Timeout"}, Word{"server_error", "5xx"},
                                         Word{"failed", "other"}),
                         [](const auto& one) { return one.param.from; });

TEST_F(StorageMetricsTest, TellWhenTheCredentialsEndThatWereUsedLast) {
  StorageMetrics storage(registry_, "primary");
  const std::string expiry = "credentials_expiry_timestamp_seconds{repository=\"primary\"}";
  const auto request = [&](std::string_view result, std::optional<Timestamp> end) {
    storage.request({.operation = "get", .result = result, .credentials_end = end});
  };

  request("ok", std::nullopt);
  EXPECT_EQ(value_of(expiry), "absent");
  request("denied", Timestamp(std::chrono::seconds(1700)));
  EXPECT_EQ(value_of(expiry), "1700");
  request("ok", Timestamp(std::chrono::seconds(1800)));
  EXPECT_EQ(value_of(expiry), "1800");
  request("no_answer", std::nullopt);
  EXPECT_EQ(value_of(expiry), "1800") << "that there are no new ones is no reason to be silent";
  request("ok", std::nullopt);
  EXPECT_EQ(value_of(expiry), "absent") << "these have no end";
}

TEST_F(StorageMetricsTest, OfSeveralRepositoriesStandInOneRegistry) {
  StorageMetrics primary(registry_, "primary");
  StorageMetrics copy(registry_, "dr");

  primary.request({.operation = "get", .result = "ok"});

  EXPECT_EQ(value_of("operations_total{operation=\"get\",repository=\"primary\"}"), "1");
  EXPECT_EQ(value_of("operations_total{operation=\"get\",repository=\"dr\"}"), "0");
}

TEST_F(StorageMetricsTest, MayBeCalledFromAnyThread) {
  StorageMetrics storage(registry_, "primary");
  {
    flow::Group group({});
    for (int i = 0; i < 4; ++i) {
      group.spawn("requests", [&](const std::stop_token&) {
        for (int n = 0; n < 100; ++n) {
          storage.request({.operation = "get", .result = n % 2 == 0 ? "ok" : "missing", .sent = 1});
        }
      });
    }
    group.wait();
  }

  EXPECT_EQ(value_of("transferred_bytes_total{direction=\"upload\",repository=\"primary\"}"),
            "400");
}

}  // namespace
}  // namespace keyrewind::metrics
