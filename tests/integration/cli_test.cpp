// The command line as scripts and people see it.

#include "base/error.h"
#include "rdb/crc64.h"
#include "support/dataset.h"
#include "support/fake_server.h"
#include "support/keyrewind.h"
#include "support/paths.h"
#include "support/redis_server.h"
#include "support/tls_files.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

namespace keyrewind::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

class Cli : public testing::Test {
 protected:
  void SetUp() override {
    require_server("redis-server-7.0");
    if (IsSkipped() || HasFatalFailure()) {
      return;
    }
    server_.emplace();
    counts_ = fill(*server_, {.scale = 200});
    keyrewind_.emplace(server_->url());
  }

  RedisServer& server() { return *server_; }
  const Keyrewind& keyrewind() const { return *keyrewind_; }
  const DatasetCounts& counts() const { return counts_; }

 private:
  std::optional<RedisServer> server_;
  std::optional<Keyrewind> keyrewind_;
  DatasetCounts counts_;
};

TEST_F(Cli, PrintsResultsOnStdoutAndTheRestOnStderr) {
  const RunResult result = keyrewind().run({"backup", "-o", "json"});

  const auto json = nlohmann::json::parse(result.out);
  EXPECT_EQ(json["state"], "available");
  EXPECT_EQ(json["keys"], counts().keys);
  EXPECT_TRUE(json["raw_bytes"].is_number_unsigned());
  EXPECT_TRUE(json["stored_bytes"].is_number_unsigned());
  EXPECT_THAT(json["created"].get<std::string>(), testing::EndsWith("Z"));
  EXPECT_THAT(result.err, HasSubstr("backup finished"));
}

TEST_F(Cli, ListsNothingInAnEmptyFolder) {
  fs::create_directory(keyrewind().repository());

  EXPECT_EQ(keyrewind().json({"list"})["backups"].size(), 0);
  EXPECT_EQ(keyrewind().run({"list"}).status, 0);
}

TEST_F(Cli, ShowsWhatTheScannerCounted) {
  keyrewind().json({"backup", "--label", "why=test", "--label", "who=me"});

  const auto shown = keyrewind().json({"show"});

  EXPECT_EQ(shown["labels"]["why"], "test");
  EXPECT_EQ(shown["labels"]["who"], "me");
  EXPECT_EQ(shown["keys"], counts().keys);
  const std::string text = keyrewind().run({"show"}).out;
  for (const auto& [number, keys] : counts().keys_by_database) {
    EXPECT_THAT(text, testing::ContainsRegex(fmt::format("database {} +{} keys", number, keys)));
  }
}

TEST_F(Cli, RecordsTheServerWithoutItsSecrets) {
  server().cli({"ACL", "SETUSER", "alice", "on", ">her-password", "~*", "+@read"});
  server().cli({"CONFIG", "SET", "masterauth", "replication-secret"});
  server().cli({"CONFIG", "SET", "maxmemory-policy", "allkeys-lru"});
  keyrewind().backup();

  const std::string shown = keyrewind().json({"show"}).dump();

  EXPECT_THAT(shown, HasSubstr("\"maxmemory-policy\":\"allkeys-lru\""));
  EXPECT_THAT(shown, HasSubstr("user alice on"));
  EXPECT_THAT(shown, HasSubstr("masterauth"));
  for (const std::string& file : keyrewind().files()) {
    const std::string content = read_text(keyrewind().repository() / file);
    EXPECT_THAT(content, Not(HasSubstr("replication-secret"))) << file;
    // SHA-256 of her-password, as ACL LIST would show it.
    EXPECT_THAT(content, Not(testing::ContainsRegex("#[0-9a-f]{64}"))) << file;
  }
}

TEST_F(Cli, VerifiesAtEveryLevelAndAll) {
  keyrewind().backup();
  keyrewind().backup();
  const std::string program = find_server("redis-server-7.0")->string();

  for (const std::string level : {"checksum", "parse", "load"}) {
    const auto verified =
        keyrewind().json({"verify", "--all", "--level", level, "--server", program})["backups"];
    ASSERT_EQ(verified.size(), 2);
    EXPECT_EQ(verified[0]["ok"], true);
    EXPECT_EQ(verified[0]["keys"], level == "checksum" ? 0 : counts().keys);
  }
}

TEST_F(Cli, VerifyAllNamesTheDamagedAndGoesOn) {
  const std::string damaged = keyrewind().backup();
  const std::string sound = keyrewind().backup();
  for (const std::string& file : keyrewind().files()) {
    if (file.ends_with(damaged + ".rdb.zst")) {
      fs::resize_file(keyrewind().repository() / file, 100);
    }
  }

  const RunResult result = keyrewind().run({"verify", "--all", "-o", "json"});

  EXPECT_EQ(result.status, 8);
  const auto verified = nlohmann::json::parse(result.out)["backups"];
  EXPECT_EQ(verified[0]["ok"], false);
  EXPECT_EQ(verified[1]["id"], sound);
  EXPECT_EQ(verified[1]["ok"], true);
}

TEST_F(Cli, LoadNeedsAServerProgramThatThereIs) {
  keyrewind().backup();

  const RunResult missing =
      keyrewind().run({"verify", "--level", "load", "--server", "/no/such-server"});
  const RunResult other = keyrewind().run({"verify", "--level", "load", "--server", "/bin/true"});

  EXPECT_EQ(missing.status, 1);
  EXPECT_THAT(missing.err, HasSubstr("/no/such-server"));
  EXPECT_EQ(other.status, 1);
  EXPECT_THAT(other.err, HasSubstr("--server"));
}

TEST_F(Cli, LoadCountsKeysThatExpiredSince) {
  RedisServer source;
  fill(source, {.scale = 100, .expired = 20});
  keyrewind().configure(source.url(), keyrewind().repository());
  keyrewind().backup();

  const auto verified = keyrewind().json({"verify", "--level", "load", "--server",
                                          find_server("redis-server-7.0")->string()})["backups"];

  EXPECT_EQ(verified[0]["expired"], 20);
}

TEST_F(Cli, WritesMetricsOfSuccessAndFailure) {
  const fs::path file = keyrewind().folder() / "keyrewind.prom";
  ASSERT_EQ(keyrewind().run({"backup", "--metrics-file", file.string()}).status, 0);
  const std::string good = read_text(file);
  server().stop();

  const RunResult failed = keyrewind().run({"backup", "--metrics-file", file.string()});

  const std::string bad = read_text(file);
  EXPECT_EQ(failed.status, 6);
  EXPECT_THAT(good, HasSubstr("keyrewind_backup_last_attempt_success{schedule=\"manual\",source="
                              "\"orders\",type=\"snapshot\"} 1\n"));
  EXPECT_THAT(bad, HasSubstr("keyrewind_backup_last_attempt_success{schedule=\"manual\",source="
                             "\"orders\",type=\"snapshot\"} 0\n"));
  EXPECT_THAT(bad, HasSubstr("keyrewind_backup_last_success_timestamp_seconds"));
}

TEST_F(Cli, GoesByTheEnvironmentAlone) {
  const RunResult result =
      run({.command = {program_path(), "backup", "-o", "json"},
           .env = {{"KEYREWIND_SOURCE__NAME", "orders"},
                   {"KEYREWIND_SOURCE__ADDRESS", server().url()},
                   {"KEYREWIND_REPOSITORY__URL", "file://" + keyrewind().repository().string()}}});

  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(keyrewind().backups(), 1);
}

TEST_F(Cli, LogsJsonLinesIfConfigured) {
  keyrewind().configure(read_text(keyrewind().config_file()) + "logging: {format: json}\n");

  const RunResult result = keyrewind().run({"backup"});

  std::istringstream lines(result.err);
  for (std::string line; std::getline(lines, line);) {
    EXPECT_TRUE(nlohmann::json::accept(line)) << line;
  }
}

TEST_F(Cli, BacksUpOverTlsWithAClientCertificate) {
  const TlsFiles tls;
  RedisServer secure({.args = {"--tls-port", "0", "--tls-cert-file", tls.server_cert().string(),
                               "--tls-key-file", tls.server_key().string(), "--tls-ca-cert-file",
                               tls.ca_cert().string(), "--tls-auth-clients", "yes"},
                      .tcp = true});
  secure.cli({"CONFIG", "SET", "port", "0"});
  secure.cli({"CONFIG", "SET", "tls-port", std::to_string(secure.port())});
  fill(secure, {.scale = 100});
  const auto with = [&](const std::string& cert) {
    keyrewind().configure(fmt::format("rediss://127.0.0.1:{}", secure.port()),
                          keyrewind().repository(),
                          fmt::format("  tls: {{ca_file: {}, server_name: node.example{}}}\n",
                                      tls.ca_cert().string(), cert));
  };

  with("");
  const RunResult refused = keyrewind().run({"backup"});
  with(fmt::format(", cert_file: {}, key_file: {}", tls.client_cert().string(),
                   tls.client_key().string()));
  keyrewind().backup();

  EXPECT_EQ(refused.status, 6) << refused.err;
  keyrewind().json({"restore", "--target", (keyrewind().folder() / "data").string()});
  RedisServer fresh({.dir = keyrewind().folder() / "data"});
  EXPECT_EQ(fresh.digest(), secure.digest());
}

TEST_F(Cli, DisklessOrNotTheBackupIsTheSame) {
  for (const std::string diskless : {"yes", "no"}) {
    server().cli({"CONFIG", "SET", "repl-diskless-sync", diskless});
    const std::string id = keyrewind().backup();
    const fs::path target = keyrewind().folder() / diskless;
    keyrewind().json({"restore", id, "--target", target.string()});
    RedisServer fresh({.dir = target});
    EXPECT_EQ(fresh.digest(), server().digest());
  }
}

/// A bulk string as it goes over the wire.
std::string bulk(const std::string& text) {
  return fmt::format("${}\r\n{}\r\n", text.size(), text);
}

/// A server newer than this program: its snapshot holds a value type that nobody knows yet.
std::vector<Step> newer_server() {
  const std::string hello = "*6\r\n" + bulk("server") + bulk("redis") + bulk("version") +
                            bulk("99.0.0") + bulk("role") + bulk("master");
  std::string rdb = std::string("REDIS0099\xfe\x00\x63\x01k\x01v\xff", 17);
  const std::uint64_t crc = rdb::crc64(as_bytes(rdb));
  rdb.append(reinterpret_cast<const char*>(&crc), sizeof crc);
  const Step denied = send("-NOPERM no permission\r\n");
  const Step ok = send("+OK\r\n");
  return {expect(""),
          send(hello),
          expect("INFO memory"),
          denied,
          next_connection(),
          expect(""),
          send(hello),
          expect("INFO everything"),
          denied,
          expect("CONFIG GET *"),
          denied,
          expect("ACL LIST"),
          denied,
          next_connection(),
          expect(""),
          send(hello),
          expect(""),
          ok,
          expect(""),
          ok,
          expect(""),
          ok,
          expect("PSYNC ? -1"),
          send("+FULLRESYNC " + std::string(40, 'a') + " 7\r\n"),
          send(fmt::format("${}\r\n", rdb.size()) + rdb)};
}

TEST_F(Cli, TakesASnapshotOfAnUnknownTypeOpaquelyAndSaysSo) {
  FakeServer newer(newer_server());
  keyrewind().configure("unix://" + newer.socket_path().string(), keyrewind().repository());
  const fs::path metrics = keyrewind().folder() / "keyrewind.prom";

  const RunResult result =
      keyrewind().run({"backup", "-o", "json", "--metrics-file", metrics.string()});

  ASSERT_EQ(result.status, 3) << result.err << newer.finish();
  EXPECT_THAT(result.err, HasSubstr("snapshot stored without following its structure"));
  EXPECT_EQ(nlohmann::json::parse(result.out)["opaque"], true);
  EXPECT_THAT(keyrewind().json({"show"}).dump(), HasSubstr("type 99"));
  EXPECT_THAT(read_text(metrics), HasSubstr("keyrewind_backup_last_opaque{schedule=\"manual\","
                                            "source=\"orders\",type=\"snapshot\"} 1\n"));
  EXPECT_EQ(keyrewind().run({"verify", "--level", "parse"}).status, 0);
  EXPECT_EQ(keyrewind().run({"export", "--rdb", "-", "-q"}).out.substr(0, 9), "REDIS0099");
}

TEST(Documents, ReadmeHasEveryExitStatus) {
  const std::string readme = read_text(source_dir() / "README.md");
  for (const ExitStatus status :
       {ExitStatus::ok, ExitStatus::failure, ExitStatus::usage, ExitStatus::warnings,
        ExitStatus::no_backup, ExitStatus::repository, ExitStatus::source,
        ExitStatus::target_not_empty, ExitStatus::corrupt, ExitStatus::busy, ExitStatus::unhealthy,
        ExitStatus::interrupted}) {
    EXPECT_THAT(readme, HasSubstr(fmt::format("\n| {} | ", static_cast<int>(status))));
  }
}

}  // namespace
}  // namespace keyrewind::test
