#include "config/load.h"
#include "config/options.h"
#include "samples.h"
#include "support/paths.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <fstream>
#include <sstream>

namespace keyrewind::config {
namespace {

using testing::HasSubstr;
using testing::Not;

Config parse_well(std::string_view yaml, const Environment& environment = {}) {
  std::vector<Problem> problems;
  Config config = parse(yaml, "c.yaml", environment, problems);
  for (const Problem& problem : problems) {
    ADD_FAILURE() << problem.place << ": " << problem.message;
  }
  return config;
}

std::string reference_file() {
  std::ifstream file(test::source_dir() / "config/reference.yaml");
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST(ToYaml, ShowsEveryOption) {
  EXPECT_EQ(to_yaml(parse_well(kSmallest)),
            "version: 1\n"
            "source:\n"
            "  name: orders\n"
            "  address: valkey://127.0.0.1:6379\n"
            "  username: \"\"\n"
            "  password_file: \"\"\n"
            "  password: \"\"\n"
            "  read_from: replica_preferred\n"
            "  data_dir: \"\"\n"
            "  memory_limit: 0\n"
            "  tls:\n"
            "    ca_file: \"\"\n"
            "    cert_file: \"\"\n"
            "    key_file: \"\"\n"
            "    server_name: \"\"\n"
            "  sentinel:\n"
            "    master: \"\"\n"
            "    addresses: []\n"
            "repository:\n"
            "  url: file:///var/lib/keyrewind/repository\n"
            "  connections: 4\n"
            "  retry_time: 1m\n"
            "  s3:\n"
            "    endpoint: \"\"\n"
            "    region: \"\"\n"
            "    path_style: false\n"
            "    access_key_id: \"\"\n"
            "    secret_access_key: \"\"\n"
            "    secret_access_key_file: \"\"\n"
            "    session_token: \"\"\n"
            "    profile: \"\"\n"
            "    server_side_encryption: \"\"\n"
            "    kms_key_id: \"\"\n"
            "    customer_key_file: \"\"\n"
            "    storage_class: \"\"\n"
            "    tags: []\n"
            "    object_lock_mode: \"\"\n"
            "    object_lock_duration: 0s\n"
            "    ca_file: \"\"\n"
            "copies: []\n"
            "log:\n"
            "  enabled: true\n"
            "  segment_max_age: 10s\n"
            "  segment_max_size: 64MiB\n"
            "  spool:\n"
            "    dir: /var/lib/keyrewind/spool\n"
            "    max_size: 2GiB\n"
            "snapshots:\n"
            "  schedules: []\n"
            "  time_zone: UTC\n"
            "  jitter: 5m\n"
            "  catch_up: once\n"
            "  method: auto\n"
            "  min_free_memory: 20%\n"
            "compression:\n"
            "  level: 1\n"
            "encryption:\n"
            "  recipients: []\n"
            "  identity_file: \"\"\n"
            "  allow_plaintext: false\n"
            "retention:\n"
            "  keep_last: 7\n"
            "  keep_hourly: 0\n"
            "  keep_daily: 7\n"
            "  keep_weekly: 4\n"
            "  keep_monthly: 12\n"
            "  keep_yearly: 0\n"
            "  keep_within: 2d\n"
            "  recovery_window: 7d\n"
            "  keep_labels: []\n"
            "  min_backups: 1\n"
            "  enabled: true\n"
            "quotas:\n"
            "  manual_per_24h: 0\n"
            "  full_sync_min_interval: 10m\n"
            "  receive_rate: 0\n"
            "  upload_rate: 0\n"
            "  max_stored: 0\n"
            "drills:\n"
            "  schedule: \"\"\n"
            "  server: valkey-server\n"
            "compaction:\n"
            "  schedule: \"\"\n"
            "  server: valkey-server\n"
            "lease:\n"
            "  enabled: true\n"
            "  ttl: 30s\n"
            "http:\n"
            "  listen: \"0.0.0.0:8379\"\n"
            "  socket: /run/keyrewind/keyrewind.sock\n"
            "  tls:\n"
            "    cert_file: \"\"\n"
            "    key_file: \"\"\n"
            "  auth:\n"
            "    bearer_token_file: \"\"\n"
            "    basic_users_file: \"\"\n"
            "    anonymous: read\n"
            "notify:\n"
            "  heartbeat_url: \"\"\n"
            "  heartbeat_url_file: \"\"\n"
            "  webhooks: []\n"
            "logging:\n"
            "  level: info\n"
            "  format: text\n"
            "limits:\n"
            "  memory: 128MiB\n"
            "  cpu_threads: 2\n");
}

TEST(ToYaml, IsReadBackAsTheSameConfiguration) {
  for (const std::string text :
       {"plain", "no",  "NULL", "123", "1.5", "a: b",    "a #b", "- a", "*a",
        "&a",    "'",   "\"",   "\\",  "ä€",  "${HOME}", "$$",   "$",   " a ",
        "~",     "{a}", "a:",   "://", "%",   "@a",      "`",    "---", "0x1"}) {
    Config config = parse_well(kSmallest);
    config.source.username = text;
    config.source.password_file = text;

    const Config again = parse_well(to_yaml(config));

    EXPECT_EQ(again.source.username, text);
    EXPECT_EQ(to_yaml(again), to_yaml(config));
  }
}

TEST(ToYaml, WritesListsSoThatTheyAreReadBack) {
  Config config = parse_well(kSmallest);
  config.source.sentinel = {.master = "m", .addresses = {"10.0.0.1:26379", "[::1]:1", "a$b", "no"}};

  const Config again = parse_well(to_yaml(config));

  EXPECT_EQ(again.source.sentinel.addresses, config.source.sentinel.addresses);
  EXPECT_EQ(to_yaml(again), to_yaml(config));
}

TEST(ToYaml, WritesEntriesSoThatTheyAreReadBack) {
  const Config config = parse_well(std::string(kSmallest) +
                                   "copies:\n"
                                   "- {name: dr, url: 's3://backups-dr/prod', connections: 8,\n"
                                   "   s3: {region: us-west-2, tags: [a=b]}}\n"
                                   "- {name: folder, url: file:///srv/copy}\n");

  EXPECT_THAT(to_yaml(config), HasSubstr("copies:\n"
                                         "  - name: dr\n"
                                         "    url: s3://backups-dr/prod\n"
                                         "    connections: 8\n"
                                         "    retry_time: 1m\n"
                                         "    s3:\n"
                                         "      endpoint: \"\"\n"
                                         "      region: us-west-2\n"));
  EXPECT_THAT(to_yaml(config), HasSubstr("  - name: folder\n"
                                         "    url: file:///srv/copy\n"));
  const Config again = parse_well(to_yaml(config));
  ASSERT_EQ(again.copies.size(), 2U);
  EXPECT_EQ(again.copies[0].connections, 8U);
  EXPECT_EQ(to_yaml(again), to_yaml(config));
}

TEST(ToYaml, WritesListsWithinSectionsSoThatTheyAreReadBack) {
  const Config config =
      parse_well(std::string(kSmallest) +
                 "snapshots:\n"
                 "  schedules:\n"
                 "  - {name: nightly, cron: '0 3 * * *', labels: [tier=daily]}\n"
                 "  - {name: hourly, cron: '@hourly', time_zone: Europe/Berlin}\n"
                 "  jitter: 0s\n"
                 "notify: {webhooks: [{url_file: /chat, on: [gap, restored]}]}\n");

  EXPECT_THAT(to_yaml(config), HasSubstr("snapshots:\n"
                                         "  schedules:\n"
                                         "    - name: nightly\n"
                                         "      cron: \"0 3 * * *\"\n"
                                         "      time_zone: \"\"\n"
                                         "      labels: [\"tier=daily\"]\n"
                                         "    - name: hourly\n"
                                         "      cron: \"@hourly\"\n"
                                         "      time_zone: Europe/Berlin\n"
                                         "      labels: []\n"
                                         "  time_zone: UTC\n"
                                         "  jitter: 0s\n"));
  EXPECT_THAT(to_yaml(config), HasSubstr("  webhooks:\n"
                                         "    - url: \"\"\n"
                                         "      url_file: /chat\n"
                                         "      on: [\"gap\", \"restored\"]\n"
                                         "      format: json\n"
                                         "logging:\n"));
  EXPECT_EQ(to_yaml(parse_well(to_yaml(config))), to_yaml(config));
}

TEST(ToYaml, NeverShowsTheUrlOfAWebhookOrHeartbeat) {
  const Config config = parse_well(std::string(kSmallest) +
                                   "notify: {heartbeat_url: 'https://h/hunter2',\n"
                                   "         webhooks: [{url: 'https://h/hunter3'}]}\n");

  EXPECT_EQ(config.notify.heartbeat_url.reveal(), "https://h/hunter2");
  EXPECT_THAT(to_yaml(config), HasSubstr("  heartbeat_url: \"****\"\n"));
  EXPECT_THAT(to_yaml(config), HasSubstr("    - url: \"****\"\n"));
  EXPECT_THAT(to_yaml(config) + to_json(config), Not(HasSubstr("hunter")));
}

TEST(ToYaml, NeverShowsASecretOfACopy) {
  Config config = parse_well(kSmallest);
  config.copies.resize(1);
  config.copies[0].s3.secret_access_key = Secret("hunter2");
  config.repository.s3.session_token = Secret("hunter2");

  EXPECT_THAT(to_yaml(config), HasSubstr("      secret_access_key: \"****\"\n"));
  EXPECT_THAT(to_yaml(config), HasSubstr("    session_token: \"****\"\n"));
  EXPECT_THAT(to_yaml(config), Not(HasSubstr("hunter2")));
  EXPECT_THAT(to_json(config), Not(HasSubstr("hunter2")));
}

TEST(ToYaml, NeverShowsASecret) {
  Config config = parse_well(kSmallest);
  config.source.password = Secret("hunter2");

  EXPECT_THAT(to_yaml(config), HasSubstr("  password: \"****\"\n"));
  EXPECT_THAT(to_yaml(config), Not(HasSubstr("hunter2")));
  EXPECT_THAT(to_json(config), HasSubstr("\"password\": \"****\""));
  EXPECT_THAT(to_json(config), Not(HasSubstr("hunter2")));
}

TEST(ToJson, HasIntegersForBytesAndNothingMissing) {
  const auto json = nlohmann::json::parse(to_json(parse_well(kSmallest)));

  EXPECT_EQ(json["version"], 1);
  EXPECT_EQ(json["source"]["name"], "orders");
  EXPECT_EQ(json["limits"]["memory"], 134217728);
  EXPECT_EQ(json["logging"]["level"], "info");
  EXPECT_EQ(json["log"]["enabled"], true);
  EXPECT_EQ(json["log"]["segment_max_age"], "10s");
  EXPECT_EQ(json["source"]["sentinel"]["addresses"], nlohmann::json::array());
  EXPECT_EQ(json["copies"], nlohmann::json::array());
  EXPECT_EQ(json["quotas"]["upload_rate"], 0);
  for (const Option& option : options()) {
    std::string pointer = "/" + std::string(option.path);
    std::replace(pointer.begin(), pointer.end(), '.', '/');
    EXPECT_TRUE(json.contains(nlohmann::json::json_pointer(pointer))) << option.path;
  }
}

TEST(ToJson, HasTheEntriesOfLists) {
  const auto json = nlohmann::json::parse(
      to_json(parse_well(std::string(kSmallest) +
                         "copies: [{name: dr, url: 's3://bucket', s3: {path_style: true}}]\n"
                         "quotas: {upload_rate: 1MiB/s}\n")));

  EXPECT_EQ(json["quotas"]["upload_rate"], 1 << 20);
  ASSERT_EQ(json["copies"].size(), 1U);
  EXPECT_EQ(json["copies"][0]["name"], "dr");
  EXPECT_EQ(json["copies"][0]["connections"], 4);
  EXPECT_EQ(json["copies"][0]["s3"]["path_style"], true);
}

TEST(ToJson, TakesATextThatIsNoUtf8) {
  Config config;
  config.source.name = "\xff";

  EXPECT_NO_THROW(nlohmann::json::parse(to_json(config)));
}

TEST(Reference, IsWhatTheFileHolds) {
  EXPECT_EQ(reference_file(), reference()) << "write it anew: keyrewind config reference "
                                              "> config/reference.yaml";
}

TEST(Reference, HasTheDefaultsOfTheStructAndExamplesOfTheRest) {
  Config expected;
  expected.source.name = "orders";
  expected.source.address = "valkey://127.0.0.1:6379";
  expected.repository.url = "file:///var/lib/keyrewind/repository";

  EXPECT_EQ(to_yaml(parse_well(reference())), to_yaml(expected));
}

TEST(Reference, DescribesEveryOption) {
  const std::string text = reference();

  for (const Option& option : options()) {
    EXPECT_THAT(text, HasSubstr(std::string(leaf_of(option.path)) + ": ")) << option.path;
    EXPECT_THAT(text, HasSubstr(std::string(option.description.substr(0, 40)))) << option.path;
  }
}

TEST(Reference, FitsIntoAHundredColumns) {
  std::istringstream lines(reference());
  for (std::string line; std::getline(lines, line);) {
    EXPECT_LE(line.size(), 100U) << line;
    EXPECT_FALSE(line.ends_with(' ')) << line;
  }
}

}  // namespace
}  // namespace keyrewind::config
