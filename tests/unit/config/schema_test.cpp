#include "config/load.h"
#include "config/options.h"
#include "samples.h"
#include "support/process.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cstdlib>

namespace keyrewind::config {
namespace {

using nlohmann::json;

/// Reads {"schema": …, "samples": […]} and prints for each sample whether it is valid.
constexpr const char* kValidate = R"(
import json, sys
from jsonschema import Draft202012Validator
given = json.load(sys.stdin)
Draft202012Validator.check_schema(given["schema"])
validator = Draft202012Validator(given["schema"])
print(json.dumps([validator.is_valid(sample) for sample in given["samples"]]))
)";

/// As an editor understands YAML: unquoted digits are a number.
json to_json_value(const YAML::Node& node) {
  if (node.IsMap()) {
    json map = json::object();
    for (const auto& entry : node) {
      map[entry.first.Scalar()] = to_json_value(entry.second);
    }
    return map;
  }
  if (node.IsSequence()) {
    json list = json::array();
    for (const auto& entry : node) {
      list.push_back(to_json_value(entry));
    }
    return list;
  }
  if (!node.IsScalar()) {
    return nullptr;
  }
  const std::string& text = node.Scalar();
  if (node.Tag() == "?" && (text == "true" || text == "false")) {
    return text == "true";
  }
  const bool is_number = node.Tag() == "?" && !text.empty() &&
                         text.find_first_not_of("0123456789") == std::string::npos;
  return is_number ? json(std::stoull(text)) : json(text);
}

bool is_valid_to_us(const std::string& yaml) {
  std::vector<Problem> problems;
  parse(yaml, "c.yaml",
        {{"X", "1"},
         {"NAME", "a"},
         {"SIZE", "1GiB"},
         {"WORD", "info"},
         {"TIME", "1m"},
         {"ON", "true"}},
        problems);
  return problems.empty();
}

/// The schema of an option, found by its path.
json schema_of(const json& schema, std::string_view path) {
  const std::string_view parent = parent_of(path);
  const json& map = parent.empty() ? schema : schema_of(schema, parent);
  return map.at("properties").at(std::string(leaf_of(path)));
}

TEST(Schema, KnowsEveryOption) {
  const json schema = json::parse(keyrewind::config::schema());
  const json defaults = json::parse(to_json(Config()));

  for (const Option& option : options()) {
    const json one = schema_of(schema, option.path);
    EXPECT_EQ(one.at("description"), option.description) << option.path;
    EXPECT_EQ(one.contains("default"), !option.required) << option.path;
    const json map =
        parent_of(option.path).empty() ? schema : schema_of(schema, parent_of(option.path));
    const json required = map.value("required", json::array());
    EXPECT_EQ(std::count(required.begin(), required.end(), json(leaf_of(option.path))),
              option.required ? 1 : 0)
        << option.path;
    if (!option.required && option.kind != Kind::size) {
      std::string pointer = "/" + std::string(option.path);
      std::replace(pointer.begin(), pointer.end(), '.', '/');
      EXPECT_EQ(one.at("default"), defaults.at(json::json_pointer(pointer))) << option.path;
    }
  }
}

TEST(Schema, AllowsNothingElseAnywhere) {
  const json schema = json::parse(keyrewind::config::schema());

  EXPECT_EQ(schema.at("$schema"), "https://json-schema.org/draft/2020-12/schema");
  EXPECT_EQ(schema.at("additionalProperties"), false);
  for (const Section& section : sections()) {
    EXPECT_EQ(schema_of(schema, section.path).at("additionalProperties"), false) << section.path;
  }
}

TEST(Schema, AgreesWithTheParser) {
  const auto can_validate =
      test::Process({.command = {"python3", "-c", "import jsonschema"}}).wait();
  if (can_validate.code != 0) {
    const char* required = std::getenv("KEYREWIND_REQUIRE_SERVERS");
    ASSERT_STRNE(required == nullptr ? "" : required, "1") << "python3-jsonschema is not installed";
    GTEST_SKIP() << "python3-jsonschema is not installed";
  }
  const std::string source = "version: 1\nrepository: {url: 'file:///r'}\nsource: ";
  const std::vector<std::string> samples{
      reference(),
      kSmallest,
      source + "{name: a, address: 'valkey://h', tls: }\n",
      source + "{name: '${NAME}', address: 'valkey://h', password: '${X}'}\n",
      source + "{name: 'a b', address: 'valkey://h'}\n",
      source + "{name: A.b_c-9, address: 'valkey://h'}\n",
      source + "{name: .a, address: 'valkey://h'}\n",
      source + "{name: '-a', address: 'valkey://h'}\n",
      source + "{name: a/b, address: 'valkey://h'}\n",
      source + "{name: ä, address: 'valkey://h'}\n",
      source + "{name: " + std::string(63, 'a') + ", address: 'valkey://h'}\n",
      source + "{name: " + std::string(64, 'a') + ", address: 'valkey://h'}\n",
      source + "{name: [a], address: 'valkey://h'}\n",
      source + "{name: a, address: ''}\n",
      source + "{name: a, address: 'valkey://h', password: hunter2}\n",
      source + "{name: a, address: 'valkey://h', password: ''}\n",
      source + "{name: a, address: 'valkey://h', user: x}\n",
      source + "{name: a, address: 'valkey://h', tls: {cafile: x}}\n",
      source + "{name: a}\n",
      source + "\n",
      std::string(kSmallest) + "limits:\n",
      std::string(kSmallest) + "limits: {memory: 1GiB, cpu_threads: 64}\n",
      std::string(kSmallest) + "limits: {memory: 67108864}\n",
      std::string(kSmallest) + "limits: {memory: 67108863}\n",
      std::string(kSmallest) + "limits: {memory: 1.5GiB}\n",
      std::string(kSmallest) + "limits: {memory: '${SIZE}', cpu_threads: '${X}'}\n",
      std::string(kSmallest) + "limits: {cpu_threads: 65}\n",
      std::string(kSmallest) + "limits: {cpu_threads: '2'}\n",
      std::string(kSmallest) + "limits: [1]\n",
      std::string(kSmallest) + "compression: {level: 0}\n",
      std::string(kSmallest) + "compression: {level: 19}\n",
      std::string(kSmallest) + "logging: {level: warning}\n",
      std::string(kSmallest) + "logging: {level: warn, format: json}\n",
      std::string(kSmallest) + "logging: {level: '${WORD}'}\n",
      std::string(kSmallest) + "log: {segment_max_age: 1m30s, enabled: false}\n",
      std::string(kSmallest) + "log: {segment_max_age: 30s1m}\n",
      std::string(kSmallest) + "log: {segment_max_age: '60'}\n",
      std::string(kSmallest) + "log: {segment_max_age: ''}\n",
      std::string(kSmallest) + "log: {segment_max_age: 60}\n",
      std::string(kSmallest) + "log: {segment_max_age: 200ms}\n",
      std::string(kSmallest) + "log: {segment_max_age: '${TIME}', enabled: '${ON}'}\n",
      std::string(kSmallest) + "log: {enabled: 'true'}\n",
      std::string(kSmallest) + "log: {enabled: 1}\n",
      std::string(kSmallest) + "log: {segment_max_size: 2147483648}\n",
      source + "{name: a, address: 'valkey://h', sentinel: {master: m, addresses: [a, 'b:1']}}\n",
      source + "{name: a, address: 'valkey://h', sentinel: {master: m, addresses: ['']}}\n",
      source + "{name: a, address: 'valkey://h', sentinel: {master: m, addresses: a}}\n",
      source + "{name: a, address: 'valkey://h', sentinel: {master: m, addresses: [[a]]}}\n",
      source + "{name: a, address: 'valkey://h', sentinel: {master: m, addresses: '${NAME}'}}\n",
      std::string(kSmallest) + "quotas: {upload_rate: 50MiB/s, receive_rate: 0}\n",
      std::string(kSmallest) + "quotas: {upload_rate: 50MiB}\n",
      std::string(kSmallest) + "quotas: {upload_rate: 52428800}\n",
      std::string(kSmallest) + "quotas: {upload_rate: '0'}\n",
      std::string(kSmallest) + "quotas: {upload_rate: 20000/s}\n",
      std::string(kSmallest) + "quotas: {upload_rate: 20000B/s}\n",
      std::string(kSmallest) + "copies:\n",
      std::string(kSmallest) + "copies: []\n",
      std::string(kSmallest) + "copies: {}\n",
      std::string(kSmallest) + "copies: [{name: dr, url: 's3://bucket', s3: {region: r}}]\n",
      std::string(kSmallest) + "copies: [{name: dr}]\n",
      std::string(kSmallest) + "copies: [{url: 's3://bucket'}]\n",
      std::string(kSmallest) + "copies: [{name: dr, url: 's3://bucket', s3: }]\n",
      std::string(kSmallest) + "copies: [{name: dr, url: 's3://bucket', x: 1}]\n",
      std::string(kSmallest) + "copies: [{name: 'd r', url: 's3://bucket'}]\n",
      std::string(kSmallest) + "copies: [dr]\n",
      std::string(kSmallest) + "copies: [~]\n",
      std::string(kSmallest) +
          "copies: [{name: dr, url: 's3://bucket', s3: {secret_access_key: hunter2}}]\n",
      std::string(kSmallest) +
          "copies: [{name: dr, url: 's3://bucket', s3: {server_side_encryption: AES256}}]\n",
      std::string(kSmallest) +
          "copies: [{name: dr, url: 's3://bucket', s3: {server_side_encryption: ''}}]\n",
      std::string(kSmallest) +
          "copies: [{name: dr, url: 's3://bucket', s3: {server_side_encryption: aes256}}]\n",
      std::string(kSmallest) + "lease: {enabled: false, ttl: 1m}\n",
      std::string(kSmallest) + "encryption: {recipients: [" + kRecipient + "]}\n",
      std::string(kSmallest) + "encryption: {recipients: " + kRecipient + "}\n",
      std::string(kSmallest) + "retention: {keep_last: 7}\n",
      std::string(kSmallest) + "retention: {keep_last: -1}\n",
      std::string(kSmallest) + "retention: {keep_within: 14d, min_backups: 0}\n",
      std::string(kSmallest) + "snapshots: {min_free_memory: 35%, jitter: 0s}\n",
      std::string(kSmallest) + "snapshots: {min_free_memory: 35}\n",
      std::string(kSmallest) + "snapshots: {min_free_memory: '035%'}\n",
      std::string(kSmallest) + "snapshots: {method: scan}\n",
      std::string(kSmallest) + "snapshots: {schedules: [{name: a, cron: '@daily'}]}\n",
      std::string(kSmallest) + "snapshots: {schedules: [{name: a}]}\n",
      std::string(kSmallest) + "snapshots: {schedules: [{name: a, cron: '@daily', at: 3}]}\n",
      std::string(kSmallest) + "quotas: {max_stored: 0, manual_per_24h: 0}\n",
      std::string(kSmallest) + "quotas: {manual_per_24h: -1}\n",
      std::string(kSmallest) + "http: {auth: {anonymous: write}}\n",
      std::string(kSmallest) + "notify: {heartbeat_url: 'https://h/x'}\n",
      std::string(kSmallest) + "notify: {webhooks: [{url: 'https://h/x', on: [gap]}]}\n",
      "source: {name: a, address: 'valkey://h'}\nrepository: {url: 'file:///r'}\n",
      "version: 2\nsource: {name: a, address: 'valkey://h'}\nrepository: {url: 'file:///r'}\n",
      "[]",
  };
  json given{{"schema", json::parse(keyrewind::config::schema())}, {"samples", json::array()}};
  for (const std::string& sample : samples) {
    given["samples"].push_back(to_json_value(YAML::Load(sample)));
  }

  test::Process validator({.command = {"python3", "-c", kValidate}, .input = given.dump()});
  ASSERT_EQ(validator.wait().code, 0) << validator.err();
  const json verdicts = json::parse(validator.out());

  ASSERT_EQ(verdicts.size(), samples.size());
  for (std::size_t i = 0; i < samples.size(); ++i) {
    EXPECT_EQ(verdicts[i].get<bool>(), is_valid_to_us(samples[i])) << samples[i];
  }
}

}  // namespace
}  // namespace keyrewind::config
