// Each bad input has its exit status and one clear line, and nothing is lost or half-written.

#include "support/dataset.h"
#include "support/keyrewind.h"
#include "support/paths.h"
#include "support/redis_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace keyrewind::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

/// The line on stderr that is no log line.
std::string message_of(const RunResult& result) {
  std::string found;
  std::istringstream lines(result.err);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("keyrewind: ")) {
      EXPECT_EQ(found, "") << "two messages: " << result.err;
      found = line;
    }
  }
  return found;
}

class BadInput : public testing::Test {
 protected:
  void SetUp() override { require_server("redis-server-7.0"); }

  static void expect(const RunResult& result, int status, const std::string& words) {
    EXPECT_EQ(result.status, status) << result.err;
    EXPECT_THAT(message_of(result), HasSubstr(words));
  }
};

TEST_F(BadInput, WrongPassword) {
  RedisServer server({.password = "right"});
  const Keyrewind keyrewind(server.url(), "  password_file: PASSWORD\n");
  write_text(keyrewind.folder() / "password", "wrong\n");
  keyrewind.configure(server.url(), keyrewind.repository(),
                      "  password_file: " + (keyrewind.folder() / "password").string() + "\n");

  const RunResult result = keyrewind.run({"backup"});

  expect(result, 6, "password");
  EXPECT_THAT(result.err, Not(HasSubstr("wrong\n")));
  EXPECT_EQ(keyrewind.backups(), 0);
}

TEST_F(BadInput, NoPassword) {
  RedisServer server({.password = "right"});
  expect(Keyrewind(server.url()).run({"backup"}), 6, "source.password_file");
}

TEST_F(BadInput, UserWithoutTheRight) {
  RedisServer server;
  server.cli({"ACL", "SETUSER", "weak", "on", ">secret", "+ping"});
  const Keyrewind keyrewind(server.url());
  write_text(keyrewind.folder() / "password", "secret");
  keyrewind.configure(
      server.url(), keyrewind.repository(),
      "  username: weak\n  password_file: " + (keyrewind.folder() / "password").string() + "\n");

  expect(keyrewind.run({"backup"}), 6, "+psync");
}

TEST_F(BadInput, LeastRightsSuffice) {
  RedisServer server;
  fill(server, {.scale = 100});
  server.cli({"ACL", "SETUSER", "backup", "on", ">secret", "+psync", "+replconf"});
  const Keyrewind keyrewind(server.url());
  write_text(keyrewind.folder() / "password", "secret");
  keyrewind.configure(
      server.url(), keyrewind.repository(),
      "  username: backup\n  password_file: " + (keyrewind.folder() / "password").string() + "\n");

  keyrewind.backup();

  keyrewind.json({"restore", "--target", (keyrewind.folder() / "data").string()});
  RedisServer fresh({.dir = keyrewind.folder() / "data"});
  EXPECT_EQ(fresh.digest(), server.digest());
}

TEST_F(BadInput, NobodyListens) {
  const TempDir folder;
  const Keyrewind keyrewind("unix://" + (folder / "none").string());
  expect(keyrewind.run({"backup"}), 6, (folder / "none").string());
}

TEST_F(BadInput, ServerIsLoading) {
  TempDir data;
  {
    RedisServer server({.dir = data.path()});
    server.cli({"DEBUG", "POPULATE", "20000"});
    server.cli({"SAVE"});
  }
  // It answers between its steps only: small ones, then.
  RedisServer loading(
      {.args = {"--key-load-delay", "1000", "--loading-process-events-interval-bytes", "1024"},
       .dir = data.path(),
       .wait = false});
  const Keyrewind keyrewind(loading.url());

  // Until it listens the message is another.
  RunResult result;
  do {
    result = keyrewind.run({"backup"});
  } while (result.status == 6 && message_of(result).find("loading") == std::string::npos);

  expect(result, 6, "loading");
}

TEST_F(BadInput, ServerKilledInTheMiddleOfTheRdb) {
  RedisServer server({.args = {"--rdb-key-save-delay", "100"}});
  server.cli({"DEBUG", "POPULATE", "200000", "key", "200"});
  const Keyrewind keyrewind(server.url());
  Process backup = keyrewind.start({"backup", "-v"});
  while (backup.err().find("snapshot started") == std::string::npos) {
    ASSERT_TRUE(backup.running()) << backup.err();
  }

  server.kill();

  EXPECT_EQ(backup.wait().code, 6) << backup.err();
  EXPECT_THAT(backup.err(), HasSubstr("closed the connection"));
  EXPECT_EQ(keyrewind.backups(), 0);
}

class BadRepository : public BadInput {
 protected:
  void SetUp() override {
    BadInput::SetUp();
    if (IsSkipped() || HasFatalFailure()) {
      return;
    }
    server_.emplace();
    fill(*server_, {.scale = 200});
    keyrewind_.emplace(server_->url());
  }

  RedisServer& server() { return *server_; }
  const Keyrewind& keyrewind() const { return *keyrewind_; }

  /// Restores the newest backup and compares the digest.
  void expect_restorable() {
    const fs::path target = keyrewind().folder() / "restored";
    keyrewind().json({"restore", "--target", target.string()});
    RedisServer fresh({.dir = target});
    EXPECT_EQ(fresh.digest(), server().digest());
  }

 private:
  std::optional<RedisServer> server_;
  std::optional<Keyrewind> keyrewind_;
};

TEST_F(BadRepository, NotThere) {
  expect(keyrewind().run({"list"}), 5, "is not there");
  expect(keyrewind().run({"restore", "--target", "/tmp/never-made"}), 5, "is not there");
}

TEST_F(BadRepository, ParentNotThere) {
  keyrewind().configure(server().url(), keyrewind().folder() / "no" / "such");
  expect(keyrewind().run({"backup"}), 5, "parent");
}

TEST_F(BadRepository, NotWritable) {
  keyrewind().configure(server().url(), "/proc/keyrewind");
  expect(keyrewind().run({"backup"}), 5, "/proc/keyrewind");
}

TEST_F(BadRepository, ForeignFiles) {
  fs::create_directory(keyrewind().repository());
  write_text(keyrewind().repository() / "holiday.jpg", "x");
  expect(keyrewind().run({"list"}), 5, "not a Keyrewind repository");
  expect(keyrewind().run({"backup"}), 5, "not a Keyrewind repository");
  EXPECT_EQ(keyrewind().files(), std::vector<std::string>{"holiday.jpg"});
}

TEST_F(BadRepository, GarbageInsteadOfTheMarker) {
  keyrewind().backup();
  write_text(keyrewind().repository() / "keyrewind.json", "garbage");
  expect(keyrewind().run({"list"}), 8, "keyrewind.json");
}

TEST_F(BadRepository, NewerFormat) {
  keyrewind().backup();
  write_text(keyrewind().repository() / "keyrewind.json",
             R"({"format": 99, "kind": "keyrewind-repository"})");
  expect(keyrewind().run({"list"}), 8, "99");
}

TEST_F(BadRepository, OneFlippedBitAnywhereInTheSnapshotIsFound) {
  const std::string id = keyrewind().backup();
  const fs::path object = keyrewind().file(".rdb.zst");
  const std::string good = read_text(object);
  const std::size_t step = std::max<std::size_t>(1, good.size() / 20);
  fs::permissions(object, fs::perms{0640});

  for (std::size_t at = 0; at < good.size(); at += step) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 4);
    write_text(object, bad);
    for (const std::string level : {"checksum", "parse"}) {
      expect(keyrewind().run({"verify", "--level", level}), 8, object.filename().string());
    }
    const fs::path target = keyrewind().folder() / "data";
    expect(keyrewind().run({"restore", "--target", target.string()}), 8, "damaged");
    EXPECT_TRUE(!fs::exists(target) || fs::is_empty(target)) << "at byte " << at;
  }
  write_text(object, good);
  EXPECT_EQ(keyrewind().run({"verify", id, "--level", "parse"}).status, 0);
}

TEST_F(BadRepository, SnapshotCutShortOrGone) {
  keyrewind().backup();
  const fs::path object = keyrewind().file(".rdb.zst");
  fs::resize_file(object, fs::file_size(object) / 2);
  expect(keyrewind().run({"verify"}), 8, "bytes");
  fs::remove(object);
  expect(keyrewind().run({"verify"}), 8, "missing");
}

TEST_F(BadRepository, ManifestOrCommitDamaged) {
  keyrewind().backup();
  const fs::path manifest = keyrewind().file("manifest.json");
  const std::string good = read_text(manifest);
  write_text(manifest, good.substr(0, good.size() / 2));
  expect(keyrewind().run({"show"}), 8, "manifest");
  write_text(manifest, good);
  for (const auto& entry :
       fs::directory_iterator(keyrewind().repository() / "sources/orders/commits")) {
    write_text(entry.path(), "{}");
  }
  expect(keyrewind().run({"list"}), 8, "commits");
}

TEST_F(BadRepository, TwoRunsAtOnceEndWithOneRefused) {
  // For longer than a run waits for a lock that is only held for a moment.
  server().cli({"CONFIG", "SET", "rdb-key-save-delay", "40000"});
  Process first = keyrewind().start({"backup", "-v"});
  while (first.err().find("snapshot started") == std::string::npos) {
    ASSERT_TRUE(first.running()) << first.err();
  }

  expect(keyrewind().run({"backup"}), 9, "another backup");

  EXPECT_EQ(first.wait().code, 0) << first.err();
  EXPECT_EQ(keyrewind().backups(), 1);
  expect_restorable();
}

TEST_F(BadRepository, RunsAfterOneAnotherKeepTheirOrder) {
  const std::string first = keyrewind().backup();
  const std::string second = keyrewind().backup();

  const auto backups = keyrewind().json({"list"})["backups"];

  ASSERT_EQ(backups.size(), 2);
  EXPECT_EQ(backups[0]["id"], first);
  EXPECT_EQ(backups[1]["id"], second);
  EXPECT_EQ(keyrewind().json({"show", "latest"})["id"], second);
}

TEST_F(BadRepository, NoSuchBackup) {
  keyrewind().backup();
  expect(keyrewind().run({"show", "nonesuch"}), 4, "nonesuch");
}

/// 8 MiB that nothing can compress.
std::string noise() {
  std::string bytes(8 << 20, '\0');
  std::uint32_t state = 1;
  std::ranges::generate(bytes, [&] {
    state = state * 1664525 + 1013904223;
    return static_cast<char>(state >> 24);
  });
  return bytes;
}

/// Starts a shell script in a mount name space of its own.
RunResult run_in_name_space(const std::string& script) {
  std::vector<std::string> command{"unshare", "--mount"};
  if (geteuid() != 0) {
    command.insert(command.end(), {"--user", "--map-root-user"});
  }
  command.insert(command.end(), {"sh", "-c", script});
  return run(command);
}

/// Runs the program with a file system of 3 MiB at `mount_point`.
RunResult run_on_small_disk(const Keyrewind& keyrewind, const std::string& mount_point,
                            const std::vector<std::string>& words) {
  std::string script = "mount -t tmpfs -o size=3m none " + mount_point + " && exec " +
                       program_path() + " -c " + keyrewind.config_file().string();
  for (const std::string& word : words) {
    script += " " + word;
  }
  return run_in_name_space(script);
}

/// Only a container without rights refuses this, and no package changes that.
bool may_mount() {
  return run_in_name_space("mount -t tmpfs -o size=1m none /mnt").status == 0;
}

TEST_F(BadRepository, DiskFullInTheRepository) {
  if (!may_mount()) {
    GTEST_SKIP() << "mounting a file system is not allowed here";
  }
  server().cli({"SET", "noise", noise()});
  const fs::path disk = keyrewind().folder() / "disk";
  fs::create_directory(disk);
  keyrewind().configure(server().url(), disk / "repository");

  expect(run_on_small_disk(keyrewind(), disk.string(), {"backup"}), 5, "No space left");
}

TEST_F(BadRepository, DiskFullInTheTarget) {
  if (!may_mount()) {
    GTEST_SKIP() << "mounting a file system is not allowed here";
  }
  server().cli({"SET", "noise", noise()});
  keyrewind().backup();
  const fs::path disk = keyrewind().folder() / "disk";
  fs::create_directory(disk);
  const std::string target = (disk / "data").string();

  expect(run_on_small_disk(keyrewind(), disk.string(), {"restore", "--target", target}), 8, "free");
  expect(run_on_small_disk(keyrewind(), disk.string(), {"restore", "--force", "--target", target}),
         1, "No space left");
}

TEST_F(BadInput, ConfigurationMistakesAreNamedWithLineColumnAndSuggestion) {
  const Keyrewind keyrewind("unix:///tmp/none");
  keyrewind.configure(
      "version: 1\nsource:\n  name: a\n  adress: unix:///x\nrepository: {url: file:///x}\n");

  const RunResult result = keyrewind.run({"list"});

  EXPECT_EQ(result.status, 2);
  EXPECT_THAT(result.err, HasSubstr(":4:3"));
  EXPECT_THAT(result.err, HasSubstr("'address'"));
}

TEST_F(BadInput, UsageMistakesEndWithTwo) {
  const Keyrewind keyrewind("unix:///tmp/none");
  EXPECT_EQ(keyrewind.run({}).status, 2);
  EXPECT_EQ(keyrewind.run({"bakcup"}).status, 2);
  EXPECT_EQ(keyrewind.run({"restore"}).status, 2);
  EXPECT_EQ(keyrewind.run({"verify", "--level", "deep"}).status, 2);
  EXPECT_EQ(keyrewind.run({"backup", "--label", "novalue"}).status, 2);
  EXPECT_EQ(keyrewind.run({"--help"}).status, 0);
}

TEST_F(BadInput, ErrorsAreOneJsonLineIfAskedFor) {
  const Keyrewind keyrewind("unix:///tmp/none");

  const RunResult result = keyrewind.run({"list", "-o", "json"});

  const auto line = nlohmann::json::parse(result.err);
  EXPECT_EQ(line["type"], "error");
  EXPECT_EQ(line["code"], 5);
}

}  // namespace
}  // namespace keyrewind::test
