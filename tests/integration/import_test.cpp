// RDBs that other tools and servers wrote become backups.

#include "support/agent_run.h"
#include "support/dataset.h"
#include "support/http_server.h"
#include "support/keyrewind.h"
#include "support/process.h"
#include "support/redis_server.h"
#include "support/s3_servers.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace keyrewind::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

/// A server's RDB, and what is in it.
struct Dump {
  fs::path file;
  std::string digest;
  std::uint64_t keys = 0;
};

Dump save(RedisServer& server) {
  server.cli({"SAVE"});
  return {server.dir() / "dump.rdb", server.digest(), server.dbsize()};
}

/// "valkey-cli-8.1" of "valkey-server-8.1", wherever that is.
std::string client_of(std::string server) {
  server.replace(server.find("server"), std::string("server").size(), "cli");
  return find_server(server).value_or(server).string();
}

/// Restores the newest backup into a fresh folder and lets a server of `program` load it.
std::string digest_of_latest(const Keyrewind& keyrewind, const std::string& program) {
  const TempDir target;
  keyrewind.json({"restore", "latest", "--target", (target / "data").string(), "--layout", "rdb"});
  RedisServer server({.program = program, .dir = target / "data"});
  return server.digest();
}

class ImportOf : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { require_server(GetParam()); }
};

TEST_P(ImportOf, SavedRdbIsRestoredAsItWas) {
  RedisServer server({.program = GetParam()});
  fill(server, {.scale = 50});
  const Dump dump = save(server);
  const Keyrewind keyrewind("unix:///no/server/is/asked");

  const auto imported = keyrewind.json({"import", "--rdb", dump.file.string()});

  EXPECT_EQ(imported["keys"], dump.keys);
  EXPECT_THAT(imported["warnings"], IsEmpty());
  EXPECT_EQ(imported["labels"]["imported_from"], dump.file.string());
  EXPECT_EQ(keyrewind.json({"list"})["backups"][0]["id"], imported["id"]);
  EXPECT_EQ(keyrewind.run({"verify"}).status, 0);
  EXPECT_EQ(digest_of_latest(keyrewind, GetParam()), dump.digest);
}

TEST_P(ImportOf, RdbOfTheClientIsRestoredAsItWas) {
  RedisServer server({.program = GetParam()});
  fill(server, {.scale = 20});
  if (GetParam() == "valkey-server-9.1") {
    // It gives a client that does not say its version no hashes whose fields expire.
    server.cli({"FLUSHALL"});
    server.cli({"DEBUG", "POPULATE", "2000", "key", "100"});
  }
  const Keyrewind keyrewind("unix:///no/server/is/asked");
  const fs::path file = keyrewind.folder() / "cli.rdb";
  const RunResult client =
      run({client_of(GetParam()), "-s", server.socket_path().string(), "--rdb", file.string()},
          std::chrono::seconds(60));
  ASSERT_EQ(client.status, 0) << client.err;

  keyrewind.json({"import", "--rdb", file.string()});

  EXPECT_EQ(digest_of_latest(keyrewind, GetParam()), server.digest());
}

INSTANTIATE_TEST_SUITE_P(Servers, ImportOf, testing::ValuesIn(all_servers()),
                         [](const auto& server) { return to_test_name(server.param); });

/// An RDB of a small dataset, and a program that knows no server.
class Import : public testing::Test {
 protected:
  void SetUp() override {
    require_server("valkey-server-8.1");
    if (IsSkipped() || HasFatalFailure()) {
      return;
    }
    server_.emplace(ServerOptions{.program = "valkey-server-8.1"});
    fill(*server_, {.scale = 5});
    dump_ = save(*server_);
    content_ = read_text(dump_.file);
    keyrewind_.emplace("unix:///no/server/is/asked");
  }

  RedisServer& server() { return *server_; }
  const Keyrewind& keyrewind() const { return *keyrewind_; }
  const Dump& dump() const { return dump_; }
  const std::string& content() const { return content_; }
  fs::path file() const { return keyrewind_->folder() / "given.rdb"; }

  RunResult import(const std::string& where) const {
    return keyrewind().run({"import", "--rdb", where});
  }

  RunResult import_content(const std::string& content) const {
    write_text(file(), content);
    return import(file().string());
  }

  /// Nothing is listed, and no object of a backup is left.
  void expect_nothing() const {
    if (!fs::exists(keyrewind().repository())) {
      return;
    }
    EXPECT_EQ(keyrewind().backups(), 0U);
    for (const std::string& name : keyrewind().files()) {
      EXPECT_THAT(name, Not(HasSubstr(".rdb"))) << name;
    }
  }

 private:
  std::optional<RedisServer> server_;
  std::optional<Keyrewind> keyrewind_;
  Dump dump_;
  std::string content_;
};

TEST_F(Import, RefusesWhatIsNoRdb) {
  for (const std::string& content :
       {std::string(), std::string("\x1f\x8b\x08\x00 gz"), std::string("hello"),
        std::string("*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n"), std::string("<html>"),
        std::string("REDIS")}) {
    const RunResult result = import_content(content);
    EXPECT_EQ(result.status, 8) << content;
    EXPECT_THAT(result.err, HasSubstr(file().string()));
  }
  expect_nothing();
}

TEST_F(Import, RefusesARealAppendOnlyFile) {
  server().cli({"CONFIG", "SET", "appendonly", "yes"});
  server().cli({"SET", "after", "it"});
  const std::string increment =
      (server().dir() / "appendonlydir/appendonly.aof.1.incr.aof").string();
  wait_until("the server to write its file", [&] { return fs::exists(increment); });

  const RunResult result = import(increment);

  EXPECT_EQ(result.status, 8);
  EXPECT_THAT(result.err, HasSubstr("append-only file"));
  expect_nothing();
}

TEST_F(Import, RefusesWhatGzipMade) {
  write_text(file(), content());
  ASSERT_EQ(run({"gzip", "-k", file().string()}, std::chrono::seconds(20)).status, 0);

  const RunResult result = import(file().string() + ".gz");

  EXPECT_EQ(result.status, 8);
  EXPECT_THAT(result.err, HasSubstr("gunzip"));
  expect_nothing();
}

TEST_F(Import, RefusesWhatIsCutShort) {
  for (const std::size_t part : {1U, 2U, 5U, 10U, 20U, 50U, 80U, 95U, 99U}) {
    EXPECT_EQ(import_content(content().substr(0, content().size() * part / 100)).status, 8) << part;
  }
  EXPECT_EQ(import_content(content().substr(0, content().size() - 1)).status, 8);
  EXPECT_EQ(import_content(content() + "x").status, 8);
  expect_nothing();
}

TEST_F(Import, RefusesFlippedBits) {
  std::mt19937 random(20261120);
  for (int i = 0; i < 12; ++i) {
    std::string damaged = content();
    const std::size_t at = random() % damaged.size();
    damaged[at] = static_cast<char>(damaged[at] ^ 1 << random() % 8);
    EXPECT_EQ(import_content(damaged).status, 8) << at;
  }
  expect_nothing();
}

TEST_F(Import, SaysThatAFileIsMissing) {
  const RunResult missing = import("/no/such/dump.rdb");
  EXPECT_EQ(missing.status, 1);
  EXPECT_THAT(missing.err, HasSubstr("/no/such/dump.rdb: No such file"));
  EXPECT_EQ(import(keyrewind().folder().string()).status, 2);
  EXPECT_EQ(import("ftp://h/dump.rdb").status, 2);
  EXPECT_EQ(keyrewind().run({"import"}).status, 2);
  EXPECT_EQ(keyrewind()
                .run({"import", "--rdb", dump().file.string(), "--label", "imported_from=x"})
                .status,
            2);
}

TEST_F(Import, ReadsFromAWebServerWithRanges) {
  HttpServer web([&](const HttpRequest& request) {
    const std::string range = request.header("range");
    const std::size_t first = std::stoul(range.substr(6));
    const std::size_t last =
        std::min(std::stoul(range.substr(range.find('-') + 1)), content().size() - 1);
    return HttpAnswer{.status = 206,
                      .body = content().substr(first, last - first + 1),
                      .headers = {{"Content-Range",
                                   fmt::format("bytes {}-{}/{}", first, last, content().size())}}};
  });

  const RunResult result = import(web.url() + "/dump.rdb?X-Amz-Signature=hunter2");

  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(keyrewind().json({"show"})["labels"]["imported_from"], web.url() + "/dump.rdb");
  EXPECT_THAT(result.out + result.err, Not(HasSubstr("hunter2")));
  EXPECT_EQ(digest_of_latest(keyrewind(), "valkey-server-8.1"), dump().digest);
}

TEST_F(Import, ReadsFromPythonsWebServer) {
  const std::uint16_t port = free_port();
  const Process web({.command = {"python3", "-m", "http.server", std::to_string(port), "--bind",
                                 "127.0.0.1", "--directory", dump().file.parent_path().string()}});
  const std::string url = fmt::format("http://127.0.0.1:{}/dump.rdb", port);

  // It is asked for again until the server listens.
  const RunResult result = import(url);

  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(digest_of_latest(keyrewind(), "valkey-server-8.1"), dump().digest);
}

TEST_F(Import, FailsAsTheSourceDoes) {
  HttpServer web([](const HttpRequest&) { return HttpAnswer{.status = 403}; });

  const RunResult result = import(web.url() + "/dump.rdb");

  EXPECT_EQ(result.status, 6);
  EXPECT_THAT(result.err, HasSubstr("the server refuses it (403)"));
  expect_nothing();
}

TEST_F(Import, ReadsAnObjectOfTheStore) {
  require_rgw();
  if (IsSkipped() || HasFatalFailure()) {
    return;
  }
  const S3Server& s3 = S3Server::rgw();
  const S3Bucket bucket = s3.new_bucket();
  bucket.client().put(bucket.name(), "exports/orders.rdb", content());
  write_text(keyrewind().folder() / "secret", s3.secret_key());
  keyrewind().configure(fmt::format(
      "version: 1\nsource: {{name: orders, address: 'unix:///no/server'}}\n"
      "repository: {{url: 's3://{}/prod', s3: {{endpoint: '{}', path_style: true, region: "
      "us-east-1, "
      "access_key_id: {}, secret_access_key_file: {}}}}}\n",
      bucket.name(), s3.endpoint(), s3.access_key(), (keyrewind().folder() / "secret").string()));
  const std::string url = "s3://" + bucket.name() + "/exports/orders.rdb";

  const auto imported = keyrewind().json({"import", "--rdb", url});

  EXPECT_EQ(imported["labels"]["imported_from"], url);
  EXPECT_EQ(digest_of_latest(keyrewind(), "valkey-server-8.1"), dump().digest);
  EXPECT_EQ(import(url + ".missing").status, 6);
  EXPECT_THAT(bucket.uploads(), IsEmpty());
}

TEST_F(Import, LeavesTheBackupsOfTheSourceAlone) {
  const Keyrewind keyrewind(server().url());
  const std::string own = keyrewind.backup();

  keyrewind.json({"import", "--rdb", dump().file.string()});

  EXPECT_EQ(keyrewind.backups(), 2U);
  EXPECT_EQ(keyrewind.run({"verify", own}).status, 0);
  EXPECT_EQ(keyrewind.run({"timeline"}).status, 0);
}

}  // namespace
}  // namespace keyrewind::test
