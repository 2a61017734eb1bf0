// deploy/prometheus/METRICS.md says what the program prints, no more and no less.

#include "metrics/agent_metrics.h"
#include "metrics/copy_metrics.h"
#include "metrics/gauges.h"
#include "metrics/storage_metrics.h"
#include "support/keyrewind.h"
#include "support/manual_clock.h"
#include "support/paths.h"
#include "support/process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <chrono>
#include <limits>
#include <map>
#include <ostream>
#include <regex>
#include <set>
#include <sstream>
#include <string>

namespace keyrewind::metrics {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct Metric {
  std::string type;
  std::set<std::string> labels;

  bool operator==(const Metric&) const = default;
  friend std::ostream& operator<<(std::ostream& out, const Metric& metric) {
    out << metric.type << " {";
    for (const std::string& label : metric.labels) {
      out << " " << label;
    }
    return out << " }";
  }
};
using Metrics = std::map<std::string, Metric>;

/// An agent with a copy and three schedules, to which all has happened that can be told.
class WholeAgent {
 public:
  WholeAgent() {
    tell_of_the_log();
    tell_of_backups();
    tell_of_repositories();
    auto& verifications = agent_.verifications();
    for (const VerifyLevel level : {VerifyLevel::checksum, VerifyLevel::parse, VerifyLevel::load}) {
      verifications.finished(level, VerifyResult::success, now(), milliseconds(20));
    }
    agent_.restores().last(now(), seconds(3), true);
    agent_.config().loaded(now());
    for (const char* handler :
         {"metrics", "healthy", "ready", "status", "backups", "timeline", "schedules", "tasks"}) {
      agent_.http().request(handler, 200, milliseconds(3));
    }
    agent_.http().request("other", 404, milliseconds(1));
  }

  std::string text() const { return agent_.to_prometheus_text() + copies_.to_prometheus_text(); }

 private:
  Timestamp now() const { return clock_.now(); }

  void tell_of_the_log() {
    agent_.source().up(true);
    agent_.source().node({.server = "valkey", .version = "8.1.0", .role = "replica"});
    agent_.source().dataset(1, 1);
    agent_.attached();
    agent_.received(10, 110);
    agent_.durable(100, now());
    agent_.spool(10, 1000);
  }

  void tell_of_backups() {
    const std::vector<std::string> schedules{"hourly", "nightly", "weekly"};
    agent_.backups().configure(schedules);
    agent_.schedules().configure(schedules);
    agent_.backups().begun(100);
    for (const std::string& schedule : schedules) {
      agent_.schedules().plan(schedule, seconds(3600), now());
    }
    for (const std::string& schedule : {schedules[0], schedules[1], schedules[2], kManualRuns}) {
      agent_.backups().finished({.source = {},
                                 .schedule = schedule,
                                 .result = RunResult::success,
                                 .attempted = now(),
                                 .last_success = now()});
    }
  }

  void tell_of_repositories() {
    copies_.add("dr");
    copies_.lacks_since("dr", now());
    copies_.success("dr");
    for (const char* repository : {"primary", "dr"}) {
      agent_.repositories().answered(repository, true);
      agent_.repositories().contents(repository, 1, 1);
      agent_.repositories().recoverable(repository, now(), now());
      agent_.repositories().retention_succeeded(repository, now(), 1);
    }
    agent_.repositories().limit("primary", 7);
    for (StorageMetrics* storage : {&primary_, &dr_}) {
      for (const char* operation : {"put", "get", "head", "list", "delete"}) {
        storage->request({.operation = operation, .result = "ok"});
      }
      storage->request({.operation = "put", .result = "slow_down", .retried = true});
      storage->request({.operation = "get", .result = "ok", .credentials_end = now()});
    }
  }

  test::ManualClock clock_{Timestamp(milliseconds(1795179741123))};
  AgentMetrics agent_{"orders"};
  CopyMetrics copies_{"orders", clock_};
  StorageMetrics primary_{agent_.registry(), "primary"};
  StorageMetrics dr_{agent_.registry(), "dr"};
};

/// The name that the document has for a series: that of its histogram for one of a histogram.
std::string documented_name(const std::string& series, const Metrics& known) {
  for (const std::string ending : {"_bucket", "_sum", "_count"}) {
    const std::string name =
        series.ends_with(ending) ? series.substr(0, series.size() - ending.size()) : "";
    if (known.contains(name) && known.at(name).type == "histogram") {
      return name;
    }
  }
  return series;
}

Metrics printed(const std::string& text) {
  static const std::regex type("# TYPE (\\S+) (\\S+)");
  static const std::regex label("([a-z_]+)=\"");
  Metrics metrics;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (std::smatch match; std::regex_match(line, match, type)) {
      metrics[match[1]].type = match[2];
    } else if (!line.starts_with("#")) {
      Metric& metric = metrics[documented_name(line.substr(0, line.find_first_of("{ ")), metrics)];
      for (std::sregex_iterator found(line.begin(), line.end(), label), end; found != end;
           ++found) {
        if ((*found)[1] != "le") {
          metric.labels.insert((*found)[1]);
        }
      }
    }
  }
  return metrics;
}

Metrics documented() {
  static const std::regex row(R"(\| `(\w+)`(?: †)? \| (\w+) \| ([\w, ]*)\|.*)");
  static const std::regex word("\\w+");
  Metrics metrics;
  std::istringstream lines(test::read_text(test::source_dir() / "deploy/prometheus/METRICS.md"));
  for (std::string line; std::getline(lines, line);) {
    if (std::smatch match; std::regex_match(line, match, row)) {
      Metric metric{.type = match[2], .labels = {}};
      const std::string labels = match[3];
      for (std::sregex_iterator found(labels.begin(), labels.end(), word), end; found != end;
           ++found) {
        metric.labels.insert(found->str());
      }
      EXPECT_TRUE(metrics.emplace(match[1], metric).second) << match[1] << " stands there twice";
    }
  }
  return metrics;
}

TEST(MetricsDocument, SaysWhatIsPrinted) {
  const Metrics in_program = printed(WholeAgent().text());
  const Metrics in_document = documented();

  for (const auto& [name, metric] : in_program) {
    ASSERT_TRUE(in_document.contains(name)) << name << " is not in METRICS.md";
    EXPECT_EQ(in_document.at(name), metric) << name;
  }
  for (const auto& [name, metric] : in_document) {
    EXPECT_TRUE(in_program.contains(name)) << name << " is only in METRICS.md";
  }
}

TEST(MetricsDocument, MarksWhatABackupWritesToAFile) {
  const Metrics of_backup = printed(to_prometheus_text(BackupRun{
      .source = "orders", .result = RunResult::success, .last_success = Timestamp(seconds(1))}));
  const std::string document = test::read_text(test::source_dir() / "deploy/prometheus/METRICS.md");

  for (const auto& [name, metric] : documented()) {
    const bool marked = document.find("| `" + name + "` † |") != std::string::npos;
    EXPECT_EQ(marked, of_backup.contains(name)) << name;
  }
}

TEST(Metrics, AreFewerThanThreeHundredSeries) {
  std::istringstream lines(WholeAgent().text());
  int series = 0;
  for (std::string line; std::getline(lines, line);) {
    series += line.starts_with("#") ? 0 : 1;
    EXPECT_EQ(line.find("Nan"), std::string::npos) << line;
  }
  EXPECT_LT(series, 300) << WholeAgent().text();
  EXPECT_GT(series, 100);
}

TEST(Metrics, AreNeverNaN) {
  prometheus::Registry registry;
  set_gauge(registry, "keyrewind_test_ratio", "No number.", {},
            std::numeric_limits<double>::quiet_NaN());
  observe(registry, "keyrewind_test_seconds", "No number.", {}, {1},
          std::numeric_limits<double>::infinity());

  EXPECT_EQ(to_text(registry), "");
}

TEST(Metrics, PassPromtool) {
  const test::RunResult result =
      test::run({.command = {"promtool", "check", "metrics"}, .input = WholeAgent().text()});

  EXPECT_EQ(result.status, 0);
  EXPECT_EQ(result.out + result.err, "");
}

}  // namespace
}  // namespace keyrewind::metrics
