// deploy/prometheus and deploy/grafana: what they ask for is there, and it says what it should.

#include "support/keyrewind.h"
#include "support/paths.h"
#include "support/process.h"
#include "support/temp_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>
#include <regex>
#include <set>
#include <string>
#include <vector>

namespace keyrewind::metrics {
namespace {

using testing::HasSubstr;

const std::filesystem::path kDeploy = test::source_dir() / "deploy";

std::vector<std::filesystem::path> files_in(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

std::set<std::string> stems_in(const std::filesystem::path& folder) {
  std::set<std::string> stems;
  for (const auto& file : files_in(folder)) {
    stems.insert(file.stem());
  }
  return stems;
}

/// All that `pattern` finds in `text`: its first group.
std::vector<std::string> find_all(const std::string& text, const std::string& pattern) {
  const std::regex regex(pattern);
  std::vector<std::string> found;
  for (std::sregex_iterator match(text.begin(), text.end(), regex), end; match != end; ++match) {
    found.push_back((*match)[1]);
  }
  return found;
}

/// The names that METRICS.md has, and those of the series of its histograms.
std::set<std::string> documented_series() {
  std::set<std::string> names;
  const std::string document = test::read_text(kDeploy / "prometheus" / "METRICS.md");
  for (const std::string& name : find_all(document, R"(\| `(\w+)`)")) {
    names.insert(name);
  }
  for (const std::string& name : find_all(document, R"(\| `(\w+)`[^|]*\| histogram)")) {
    names.insert({name + "_bucket", name + "_count", name + "_sum"});
  }
  return names;
}

void expect_documented(const std::string& text, const std::string& where) {
  static const std::set<std::string> known = documented_series();
  for (const std::string& name : find_all(text, R"(\b((?:keyrewind|process)_[a-z_]+)\b)")) {
    EXPECT_TRUE(known.contains(name)) << where << " asks for " << name;
  }
}

TEST(Alerts, StandInTheFileOfTheirName) {
  for (const auto& file : files_in(kDeploy / "prometheus" / "rules")) {
    const std::string rules = test::read_text(file);
    const std::vector<std::string> alerts = find_all(rules, R"(alert: (\w+))");
    const std::string name = file.stem();

    EXPECT_EQ(std::set<std::string>(alerts.begin(), alerts.end()), std::set<std::string>{name});
    for (const std::string key : {"summary", "description", "runbook_url", "severity"}) {
      EXPECT_EQ(find_all(rules, "(" + key + "):").size(), alerts.size()) << name << ": " << key;
    }
    for (const std::string& severity : find_all(rules, R"(severity: (\w+))")) {
      EXPECT_THAT(severity, testing::AnyOf("warning", "critical")) << name;
    }
    EXPECT_THAT(rules, HasSubstr("/runbooks/" + name + ".md"));
    expect_documented(rules, name);
  }
}

TEST(Alerts, HaveARunbookAndATestEach) {
  const std::set<std::string> alerts = stems_in(kDeploy / "prometheus" / "rules");
  ASSERT_GE(alerts.size(), 20U);

  EXPECT_EQ(stems_in(kDeploy / "prometheus" / "runbooks"), alerts);
  EXPECT_EQ(stems_in(test::source_dir() / "tests" / "prometheus"), alerts);
}

TEST(Alerts, FireWhenTheyShouldAndNotOtherwise) {
  std::vector<std::string> command{"promtool", "test", "rules"};
  for (const auto& file : files_in(test::source_dir() / "tests" / "prometheus")) {
    command.push_back(file);
    const std::string test = test::read_text(file);
    EXPECT_THAT(test, HasSubstr("exp_alerts: []")) << file << " never expects silence";
    EXPECT_THAT(test, HasSubstr("exp_labels")) << file << " never expects an alert";
    EXPECT_THAT(test, HasSubstr("rules/" + file.stem().string() + ".yaml]"));
  }

  const test::RunResult result = test::run(command);

  EXPECT_EQ(result.status, 0) << result.out << result.err;
}

TEST(Runbooks, SayWhatAnOperatorNeeds) {
  for (const auto& file : files_in(kDeploy / "prometheus" / "runbooks")) {
    const std::string page = test::read_text(file);

    EXPECT_EQ(
        find_all(page, "(?:^|\n)##? ([^\n]+)"),
        (std::vector<std::string>{file.stem(), "Meaning", "Impact", "Diagnosis", "Mitigation"}))
        << file;
    for (const std::string& alert : find_all(page, R"(\b(Keyrewind[A-Z]\w+)\b)")) {
      EXPECT_TRUE(std::filesystem::exists(file.parent_path() / (alert + ".md")))
          << file << " points to " << alert;
    }
    expect_documented(page, file);
  }
}

class Dashboard : public testing::Test {
 protected:
  /// Panels that show something, without the rows that group them.
  std::vector<nlohmann::json> panels() const {
    std::vector<nlohmann::json> panels;
    for (const nlohmann::json& panel : dashboard_["panels"]) {
      if (panel["type"] != "row") {
        panels.push_back(panel);
      }
    }
    return panels;
  }

  const nlohmann::json dashboard_ =
      nlohmann::json::parse(test::read_text(kDeploy / "grafana" / "keyrewind.json"));
};

TEST_F(Dashboard, AsksForWhatIsThereInWordsThatPrometheusUnderstands) {
  std::string rules = "groups:\n  - name: dashboard\n    rules:\n";
  int queries = 0;
  for (const nlohmann::json& panel : panels()) {
    for (const nlohmann::json& target : panel["targets"]) {
      std::string query = target["expr"];
      expect_documented(query, panel["title"]);
      query = std::regex_replace(query, std::regex(R"(\$__rate_interval)"), "5m");
      rules += "      - record: query:" + std::to_string(++queries) +
               "\n        expr: " + nlohmann::json(query).dump() + "\n";
    }
  }
  const test::TempDir folder;
  test::write_text(folder / "rules.yaml", rules);

  const test::RunResult result =
      test::run({"promtool", "check", "rules", (folder / "rules.yaml").string()});

  EXPECT_GT(queries, 20);
  EXPECT_EQ(result.status, 0) << result.out << result.err;
}

TEST_F(Dashboard, ExplainsEveryPanelAndNeverOverlapsTwo) {
  std::set<int> ids;
  std::set<std::pair<int, int>> taken;
  for (const nlohmann::json& panel : dashboard_["panels"]) {
    EXPECT_TRUE(ids.insert(panel["id"].get<int>()).second) << panel["title"];
    const nlohmann::json& place = panel["gridPos"];
    for (int x = place["x"]; x < place["x"].get<int>() + place["w"].get<int>(); ++x) {
      EXPECT_LT(x, 24);
      for (int y = place["y"]; y < place["y"].get<int>() + place["h"].get<int>(); ++y) {
        EXPECT_TRUE(taken.emplace(x, y).second) << panel["title"];
      }
    }
  }
  for (const nlohmann::json& panel : panels()) {
    EXPECT_GT(panel["description"].get<std::string>().size(), 20U) << panel["title"];
    EXPECT_EQ(panel["datasource"]["uid"], "${datasource}") << panel["title"];
  }
}

TEST_F(Dashboard, LetsOneChooseSourceAndPod) {
  std::vector<std::string> names;
  for (const nlohmann::json& variable : dashboard_["templating"]["list"]) {
    names.push_back(variable["name"]);
    if (variable.contains("definition")) {
      expect_documented(variable["definition"], variable["name"]);
    }
  }
  EXPECT_EQ(names, (std::vector<std::string>{"datasource", "namespace", "source", "pod"}));
}

}  // namespace
}  // namespace keyrewind::metrics
