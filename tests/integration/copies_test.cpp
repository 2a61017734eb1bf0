// Copies: a repository that is lost is no lost backup, and a copy that was away catches up.

#include "support/agent_run.h"
#include "support/keyrewind.h"
#include "support/marks.h"
#include "support/redis_server.h"
#include "support/temp_dir.h"
#include "support/test_repository.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace keyrewind::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

const std::string kServer = "valkey-server-8.1";

/// A second repository of the same kind, and what a configuration says to have it as a copy.
class CopyPlace {
 public:
  explicit CopyPlace(RepositoryKind kind)
      : repository_(folder_.path(), kind == RepositoryKind::file ? kind : RepositoryKind::s3) {}

  std::string yaml() const {
    const auto& bucket = repository_.bucket();
    if (!bucket) {
      return fmt::format("copies: [{{name: dr, url: '{}'}}]\n", repository_.url());
    }
    return fmt::format(
        "copies: [{{name: dr, url: '{}', s3: {{endpoint: '{}', path_style: true, region: "
        "us-east-1, access_key_id: {}, secret_access_key_file: {}}}}}]\n",
        repository_.url(), bucket->client().endpoint(), bucket->client().keys().access_key,
        (folder_ / "s3-secret").string());
  }

  TestRepository& repository() noexcept { return repository_; }

 private:
  TempDir folder_;
  TestRepository repository_;
};

/// Up to which offset a repository has the newest history; -1 if it cannot be read.
std::int64_t reach(const AgentRun& run, const std::string& repository) {
  const RunResult result =
      run.user().run({"timeline", "--repository", repository, "-o", "json", "-q"});
  if (result.status != 0) {
    return -1;
  }
  const auto windows = nlohmann::json::parse(result.out)["windows"];
  return windows.empty() ? -1 : windows.back()["until_offset"].get<std::int64_t>();
}

RedisServer restored_from(const AgentRun& run, const std::string& repository,
                          const std::string& name) {
  const fs::path target = run.user().folder() / name;
  run.user().json({"restore", "--repository", repository, "--target", target.string(), "--layout",
                   "aof", "--at", "latest"});
  return RedisServer({.program = kServer,
                      .args = {"--appendonly", "yes", "--aof-load-truncated", "no"},
                      .tcp = true,
                      .dir = target});
}

void write_keys(RedisServer& server, const std::string& prefix, int count) {
  for (int i = 0; i < count; ++i) {
    server.cli({"SET", prefix + std::to_string(i), std::string(1000, 'v')});
  }
}

/// Removes all that a repository holds, and the place itself where it is a folder.
void lose(TestRepository& repository) {
  if (repository.bucket()) {
    repository.bucket()->lose();
    repository.bucket()->make_again();
  } else {
    fs::remove_all(repository.folder());
  }
}

class CopiesOf : public testing::TestWithParam<RepositoryKind> {
 protected:
  void SetUp() override {
    if (GetParam() != RepositoryKind::file) {
      require_rgw();
      if (IsSkipped() || HasFatalFailure()) {
        return;
      }
    }
    require_server(kServer);
  }
};

INSTANTIATE_TEST_SUITE_P(Kind, CopiesOf,
                         testing::Values(RepositoryKind::file, RepositoryKind::s3_age),
                         [](const auto& kind) {
                           return kind.param == RepositoryKind::file ? "Folders"
                                                                     : "EncryptedBuckets";
                         });

TEST_P(CopiesOf, MakeALostPrimaryNoLostBackup) {
  RedisServer source(quick_server(kServer));
  CopyPlace copy(GetParam());
  AgentRun run(source.url(), {.more = copy.yaml()}, GetParam());
  write_keys(source, "before:", 100);
  run.start();
  wait_until("a backup in the copy", [&] { return reach(run, "dr") >= 0; });
  write_keys(source, "after:", 100);
  source.cli({"FLUSHDB"});
  write_keys(source, "last:", 10);
  const Mark mark = take_mark(source);
  wait_until("the copy has all", [&] { return reach(run, "dr") >= mark.offset; });
  EXPECT_EQ(run.stop().code, 0) << run.log();
  EXPECT_THAT(run.log(), Not(HasSubstr("copy falls behind")));
  const auto backups = run.user().json({"list"})["backups"];
  EXPECT_EQ(run.user().json({"list", "--repository", "dr"})["backups"], backups);

  lose(run.store());
  EXPECT_NE(run.user().run({"restore", "--target", (run.user().folder() / "none").string()}).status,
            0);
  {
    RedisServer restored = restored_from(run, "dr", "from-copy");
    EXPECT_THAT(differences(mark, restored), IsEmpty());
  }
  EXPECT_EQ(run.user().run({"verify", "--repository", "dr", "--all"}).status, 0);

  const auto brought = run.user().json({"copy", "--from", "dr", "--to", "primary"})["copies"];
  ASSERT_THAT(brought, SizeIs(1));
  EXPECT_GT(brought[0]["objects"], 3);
  EXPECT_EQ(run.user().json({"list"})["backups"], backups);
  RedisServer again = restored_from(run, "primary", "from-primary");
  EXPECT_THAT(differences(mark, again), IsEmpty());
}

class Copies : public testing::Test {
 protected:
  void SetUp() override { require_server(kServer); }
};

TEST_F(Copies, CatchUpWhenTheyComeBack) {
  RedisServer source(quick_server(kServer));
  CopyPlace copy(RepositoryKind::file);
  AgentRun run(source.url(), {.more = copy.yaml()}, RepositoryKind::file);
  run.start();
  wait_until("a backup in the copy", [&] { return reach(run, "dr") >= 0; });
  const std::string lag = "keyrewind_copy_lag_seconds{repository=\"dr\",source=\"orders\"}";
  wait_until("no lag", [&] { return run.metric(lag) == 0.0; });

  const fs::path place = copy.repository().folder();
  const fs::path away = place.parent_path() / "away";
  fs::rename(place, away);
  write_keys(source, "meanwhile:", 50);
  const Mark first = take_mark(source);
  run.wait_for(first.offset);
  wait_until("a lag", [&] { return run.metric(lag) > 1.0; });
  const double before = *run.metric(lag);
  wait_until("a larger lag", [&] { return run.metric(lag) > before + 1.0; });
  EXPECT_GT(run.user().json({"status"})["repositories"][1]["lag_seconds"], 1.0);
  EXPECT_FALSE(fs::exists(place)) << "a copy that was there must not be made anew";

  fs::rename(away, place);
  wait_until("the copy has all", [&] { return reach(run, "dr") >= first.offset; });
  wait_until("no lag", [&] { return run.metric(lag) < 1.0; });
  EXPECT_THAT(run.log(), HasSubstr("copy falls behind"));
  EXPECT_THAT(run.log(), HasSubstr("copy has caught up"));
  write_keys(source, "later:", 10);
  const Mark last = take_mark(source);
  run.wait_for(last.offset);
  EXPECT_EQ(run.stop().code, 0) << run.log();
  RedisServer restored = restored_from(run, "dr", "from-copy");
  EXPECT_THAT(differences(last, restored), IsEmpty());
}

TEST_F(Copies, AreOnlyAsOldAsTheLastSecondsWhenTheAgentIsKilled) {
  RedisServer source(quick_server(kServer));
  CopyPlace copy(RepositoryKind::file);
  AgentRun run(source.url(), {.more = copy.yaml()}, RepositoryKind::file);
  run.start();
  wait_until("a backup in the copy", [&] { return reach(run, "dr") >= 0; });
  for (int round = 0; round < 3; ++round) {
    write_keys(source, "round:", 20);
    run.kill();
    EXPECT_EQ(run.user().run({"verify", "--repository", "dr", "--all"}).status, 0);
    run.start();
  }
  const Mark mark = take_mark(source);
  wait_until("the copy has all", [&] { return reach(run, "dr") >= mark.offset; });
  EXPECT_EQ(run.stop().code, 0) << run.log();
  RedisServer restored = restored_from(run, "dr", "from-copy");
  EXPECT_THAT(differences(mark, restored), IsEmpty());
}

/// `keyrewind copy` without an agent.
class CopyCommand : public Copies {
 protected:
  void SetUp() override {
    Copies::SetUp();
    if (IsSkipped() || HasFatalFailure()) {
      return;
    }
    source_.emplace(ServerOptions{.program = kServer});
    source_->cli({"SET", "a", "1"});
    user_.emplace(source_->url(), "", RepositoryKind::file);
    configure({"dr", "far"});
  }

  void configure(const std::vector<std::string>& copies) {
    std::string yaml = fmt::format("version: 1\nsource: {{name: orders, address: '{}'}}\n{}",
                                   source_->url(), user_->store().yaml());
    yaml += copies.empty() ? "" : "copies:\n";
    for (const std::string& name : copies) {
      yaml += fmt::format("  - {{name: {}, url: 'file://{}'}}\n", name, place(name).string());
    }
    user_->configure(yaml);
  }

  fs::path place(const std::string& name) const { return user_->folder() / name; }
  const Keyrewind& user() const { return *user_; }

  void expect_usage(const std::vector<std::string>& words, const std::string& message) const {
    const RunResult result = user().run(words);
    EXPECT_EQ(result.status, 2) << result.err;
    EXPECT_THAT(result.err, HasSubstr(message));
  }

 private:
  std::optional<RedisServer> source_;
  std::optional<Keyrewind> user_;
};

TEST_F(CopyCommand, BringsEveryCopyUpToDate) {
  const std::string id = user().backup();
  const auto first = user().json({"copy"})["copies"];
  ASSERT_THAT(first, SizeIs(2));
  EXPECT_EQ(first[0]["repository"], "dr");
  EXPECT_EQ(first[1]["repository"], "far");
  for (const auto& row : first) {
    EXPECT_EQ(row["from"], "primary");
    EXPECT_EQ(row["ok"], true);
    EXPECT_EQ(row["objects"], 4);  // Snapshot, manifest, commit, source record.
    EXPECT_GT(row["bytes"], 100);
    EXPECT_THAT(row["problems"], IsEmpty());
  }
  EXPECT_EQ(user().json({"show", "--repository", "far"})["id"], id);
  const RunResult second = user().run({"copy", "--all"});
  EXPECT_EQ(second.status, 0) << second.err;
  EXPECT_EQ(second.out,
            "dr: 0 objects copied, 0 B; it has everything\n"
            "far: 0 objects copied, 0 B; it has everything\n");
}

TEST_F(CopyCommand, GoesToTheOneThatIsNamed) {
  user().backup();
  EXPECT_EQ(user().run({"copy", "--to", "far"}).status, 0);
  EXPECT_FALSE(fs::exists(place("dr")));
  EXPECT_EQ(user().run({"copy", "--from", "far", "--all"}).status, 0);
  EXPECT_EQ(user().json({"list", "--repository", "dr"})["backups"],
            user().json({"list"})["backups"]);
}

TEST_F(CopyCommand, WantsToKnowWhereTo) {
  expect_usage({"copy", "--to", "usb"}, "there are: primary, dr, far");
  expect_usage({"copy", "--from", "usb"}, "there are: primary, dr, far");
  expect_usage({"copy", "--from", "dr"}, "--to primary");
  expect_usage({"copy", "--to", "primary"}, "both name primary");
  expect_usage({"copy", "--to", "dr", "--all"}, "--all");
  configure({});
  expect_usage({"copy"}, "under copies");
}

TEST_F(CopyCommand, SaysThatThereIsNothingToCopy) {
  EXPECT_EQ(user().run({"copy"}).status, 5) << "where there is no place nobody knows";
  fs::create_directory(user().repository());
  const RunResult result = user().run({"copy"});
  EXPECT_EQ(result.status, 4) << result.err;
  EXPECT_THAT(result.err, HasSubstr("there is nothing of 'orders'"));
  EXPECT_FALSE(fs::exists(place("dr")));
}

TEST_F(CopyCommand, RefusesAPlaceWithForeignFilesAndServesTheOthers) {
  user().backup();
  fs::create_directory(place("dr"));
  write_text(place("dr") / "holiday.jpg", "pixels");
  const RunResult result = user().run({"copy", "-o", "json"});
  EXPECT_EQ(result.status, 5) << result.err;
  EXPECT_THAT(result.err, HasSubstr("not a Keyrewind repository"));
  const auto rows = nlohmann::json::parse(result.out)["copies"];
  EXPECT_EQ(rows[0]["ok"], false);
  EXPECT_EQ(rows[1]["ok"], true);
  EXPECT_EQ(user().run({"copy", "--to", "dr"}).status, 5);
}

TEST_F(CopyCommand, CopiesWhatIsSoundAndNamesWhatIsNot) {
  user().backup();
  const fs::path snapshot = user().file(".rdb.zst");
  const std::string good = user().backup();
  std::string content = read_text(snapshot);
  content[content.size() / 2] = static_cast<char>(content[content.size() / 2] ^ 1);
  write_text(snapshot, content);
  const RunResult result = user().run({"copy", "--to", "dr", "-o", "json"});
  EXPECT_EQ(result.status, 8) << result.err;
  const auto row = nlohmann::json::parse(result.out)["copies"][0];
  EXPECT_EQ(row["ok"], false);
  ASSERT_THAT(row["problems"], SizeIs(1));
  EXPECT_THAT(row["problems"][0].get<std::string>(), HasSubstr(snapshot.filename().string()));
  const auto there = user().json({"list", "--repository", "dr"})["backups"];
  ASSERT_THAT(there, SizeIs(1));
  EXPECT_EQ(there[0]["id"], good);
}

TEST_F(CopyCommand, WarnsWhenThePrimaryHasLostWhatTheCopyHas) {
  user().backup();
  user().backup();
  EXPECT_EQ(user().run({"copy"}).status, 0);
  fs::remove_all(user().repository());
  user().backup();
  const RunResult result = user().run({"copy", "--to", "dr"});
  EXPECT_EQ(result.status, 3) << result.err;
  EXPECT_THAT(result.err, HasSubstr("newer backup than the primary"));
  EXPECT_THAT(user().json({"list", "--repository", "dr"})["backups"], SizeIs(3));
}

}  // namespace
}  // namespace keyrewind::test
