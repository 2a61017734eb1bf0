// Retention as a user has it: what `prune`, `delete`, `lock` and `unlock` print, remove and leave.

#include "support/agent_run.h"
#include "support/keyrewind.h"
#include "support/paths.h"
#include "support/redis_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace keyrewind::test {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::UnorderedElementsAre;

const std::string kServer = "valkey-server-8.1";

/// Keeps the last two backups and nothing else.
const std::string kTwo =
    "retention: {keep_last: 2, keep_daily: 0, keep_weekly: 0, keep_monthly: 0, keep_within: 0s, "
    "recovery_window: 0s}\n";

class Prune : public testing::TestWithParam<RepositoryKind> {
 protected:
  void SetUp() override {
    require_server(kServer);
    if (GetParam() != RepositoryKind::file) {
      require_rgw();
    }
    if (IsSkipped() || HasFatalFailure()) {
      return;
    }
    source_.emplace(ServerOptions{.program = kServer});
    keyrewind_.emplace(source_->url(), kTwo, GetParam());
  }

  /// Writes something new, and backs it up.
  std::string back_up() {
    source_->cli({"SET", "count", std::to_string(++count_)});
    ids_.push_back(keyrewind().backup());
    return ids_.back();
  }

  std::vector<std::string> listed() const {
    std::vector<std::string> ids;
    const auto list = keyrewind().json({"list"});
    for (const auto& backup : list["backups"]) {
      ids.push_back(backup["id"]);
    }
    return ids;
  }

  /// Objects of the repository that a backup has written.
  std::vector<std::string> objects_of(const std::string& id) const {
    std::vector<std::string> objects = keyrewind().files();
    std::erase_if(objects,
                  [&](const std::string& name) { return name.find(id) == std::string::npos; });
    return objects;
  }

  RedisServer& source() { return *source_; }
  const Keyrewind& keyrewind() const { return *keyrewind_; }
  const std::vector<std::string>& ids() const { return ids_; }

 private:
  std::optional<RedisServer> source_;
  std::optional<Keyrewind> keyrewind_;
  std::vector<std::string> ids_;
  int count_ = 0;
};

TEST_P(Prune, ShowsWhatItWouldDoAndDoesItWithYes) {
  for (int i = 0; i < 4; ++i) {
    back_up();
  }
  const auto before = keyrewind().files();

  const RunResult shown = keyrewind().run({"prune"});

  EXPECT_EQ(shown.status, 0);
  EXPECT_THAT(shown.out, HasSubstr("keep 2 backups"));
  EXPECT_THAT(shown.out, HasSubstr("remove 2 backups"));
  EXPECT_THAT(shown.out, HasSubstr("last 2 of 2"));
  EXPECT_THAT(shown.out, HasSubstr("not among the last 2"));
  EXPECT_THAT(shown.out, HasSubstr("store calls"));
  EXPECT_THAT(shown.out, HasSubstr("'keyrewind prune --yes' does it"));
  EXPECT_EQ(keyrewind().run({"prune", "--dry-run"}).out.substr(0, 20), shown.out.substr(0, 20));
  EXPECT_EQ(keyrewind().files(), before);

  const auto done = keyrewind().json({"prune", "--yes"})["repositories"][0];

  EXPECT_EQ(done["repository"], "primary");
  EXPECT_EQ(done["removed_backups"], 2);
  EXPECT_GT(done["removed_bytes"], 0);
  EXPECT_GT(done["store_calls"], 0);
  EXPECT_EQ(done["backups"][0]["id"], ids()[0]);
  EXPECT_EQ(done["backups"][0]["action"], "remove");
  EXPECT_EQ(done["backups"][3]["action"], "keep");
  EXPECT_THAT(listed(), ElementsAre(ids()[2], ids()[3]));
  EXPECT_THAT(objects_of(ids()[0]), IsEmpty());
  EXPECT_THAT(objects_of(ids()[1]), IsEmpty());
  const fs::path target = keyrewind().folder() / "restored";
  ASSERT_EQ(keyrewind().run({"restore", "--target", target.string()}).status, 0);
  RedisServer restored({.program = kServer, .dir = target});
  EXPECT_EQ(restored.digest(), source().digest());
}

TEST_P(Prune, LocksKeepBackupsFromRetentionAndDeletion) {
  for (int i = 0; i < 4; ++i) {
    back_up();
  }
  const auto locked = keyrewind().json({"lock", ids()[0], "--for", "90d", "--note", "the audit"});
  EXPECT_EQ(locked["id"], ids()[0]);
  EXPECT_THAT(keyrewind().run({"list"}).out, HasSubstr("locked"));
  EXPECT_EQ(keyrewind().json({"list"})["backups"][0]["lock"]["reason"], "the audit");
  EXPECT_TRUE(keyrewind().json({"list"})["backups"][1]["lock"].is_null());
  EXPECT_THAT(keyrewind().run({"show", ids()[0]}).out, HasSubstr("the audit"));

  ASSERT_EQ(keyrewind().run({"prune", "--yes"}).status, 0);
  EXPECT_THAT(listed(), ElementsAre(ids()[0], ids()[2], ids()[3]));

  const RunResult refused = keyrewind().run({"delete", ids()[0], "--yes"});
  EXPECT_EQ(refused.status, 9);
  EXPECT_THAT(refused.err, HasSubstr("is locked until"));

  EXPECT_EQ(keyrewind().run({"unlock", ids()[0]}).status, 0);
  EXPECT_EQ(keyrewind().run({"delete", ids()[0]}).status, 0);
  EXPECT_THAT(listed(), Contains(ids()[0]));
  EXPECT_EQ(keyrewind().run({"delete", ids()[0], "--yes"}).status, 0);
  EXPECT_THAT(listed(), ElementsAre(ids()[2], ids()[3]));
  EXPECT_THAT(objects_of(ids()[0]), IsEmpty());

  EXPECT_EQ(keyrewind().run({"delete", ids()[2], ids()[3], "--yes"}).status, 9);
  EXPECT_EQ(keyrewind().run({"delete", ids()[2], ids()[3], "--yes", "--force"}).status, 0);
  EXPECT_THAT(listed(), IsEmpty());
}

TEST_P(Prune, RefusesWhatMakesNoSense) {
  const std::string id = back_up();

  EXPECT_EQ(keyrewind().run({"delete", "20010101", "--yes"}).status, 4);
  EXPECT_EQ(keyrewind().run({"lock", "20010101"}).status, 4);
  EXPECT_EQ(keyrewind().run({"unlock", "20010101"}).status, 4);
  EXPECT_EQ(keyrewind().run({"lock", id, "--until", "tomorrow"}).status, 2);
  EXPECT_EQ(keyrewind().run({"lock", id, "--until", "2001-01-01T00:00:00Z"}).status, 2);
  EXPECT_EQ(keyrewind().run({"lock", id, "--for", "0s"}).status, 2);
  EXPECT_EQ(keyrewind().run({"lock", id, "--for", "1d", "--until", "2099-01-01T00:00:00Z"}).status,
            2);
  EXPECT_EQ(keyrewind().run({"prune", "--dry-run", "--yes"}).status, 2);
  EXPECT_EQ(keyrewind().run({"prune", "--repository", "usb"}).status, 2);
  EXPECT_EQ(keyrewind().run({"delete"}).status, 2);
  EXPECT_THAT(keyrewind().run({"unlock", id}).out, HasSubstr("was not locked"));
}

/// Somebody reads a backup, slowly, while retention wants it away.
TEST_P(Prune, LeavesWhatIsBeingReadUntilItIsRead) {
  for (int i = 0; i < 20; ++i) {
    source().cli({"SETRANGE", "large:" + std::to_string(i), "1000000", std::to_string(i)});
  }
  const std::string old = back_up();
  const std::string digest = source().digest();
  back_up();
  back_up();
  // The program writes to a pipe that nobody reads before there is a file called "go".
  const fs::path out = keyrewind().folder() / "out.rdb";
  const fs::path go = keyrewind().folder() / "go";
  Process reader({.command = {"sh", "-c",
                              "\"$0\" -c \"$1\" export \"$2\" --rdb - | { until [ -e \"$3\" ]; do "
                              "sleep 0.1; done; cat > \"$4\"; }",
                              program_path(), keyrewind().config_file().string(), old, go.string(),
                              out.string()}});
  wait_until("a hold", [&] {
    return std::ranges::any_of(keyrewind().files(), [](const std::string& name) {
      return name.find("/holds/") != std::string::npos;
    });
  });

  const auto kept = keyrewind().json({"prune", "--yes"})["repositories"][0];
  EXPECT_EQ(kept["removed_backups"], 0);
  EXPECT_THAT(kept["backups"][0]["reasons"].dump(), HasSubstr("read by export on "));
  EXPECT_EQ(keyrewind().run({"delete", old, "--yes"}).status, 9);

  write_text(go, "");
  ASSERT_EQ(reader.wait().code, 0);
  const fs::path data = keyrewind().folder() / "data";
  fs::create_directory(data);
  fs::rename(out, data / "dump.rdb");
  RedisServer restored({.program = kServer, .dir = data});
  EXPECT_EQ(restored.digest(), digest);
  EXPECT_EQ(keyrewind().json({"prune", "--yes"})["repositories"][0]["removed_backups"], 1);
  EXPECT_THAT(listed(), Not(Contains(old)));
}

TEST_P(Prune, KeepsWhatHasALabelThatIsToBeKept) {
  const auto back_up_with = [&](const std::string& label) {
    source().cli({"SET", "label", label});
    return keyrewind().json({"backup", "--label", label})["id"].get<std::string>();
  };
  const std::string released = back_up_with("release=1.2");
  const std::string monthly = back_up_with("tier=monthly");
  const std::string daily = back_up_with("tier=daily");
  const std::string newest = back_up();
  keyrewind().configure(
      "version: 1\nsource: {name: orders, address: '" + source().url() + "'}\n" +
      "retention: {keep_last: 1, keep_daily: 0, keep_weekly: 0, keep_monthly: 0, keep_within: 0s, "
      "recovery_window: 0s, keep_labels: [release, tier=monthly]}\n" +
      keyrewind().store().yaml());

  const std::string plan = keyrewind().run({"prune", "--dry-run"}).out;

  EXPECT_THAT(plan, HasSubstr("label release"));
  EXPECT_THAT(plan, HasSubstr("label tier=monthly"));
  EXPECT_EQ(keyrewind().json({"prune", "--yes"})["repositories"][0]["removed_backups"], 1);
  EXPECT_THAT(listed(), UnorderedElementsAre(released, monthly, newest));
}

TEST_P(Prune, DoesNothingWhereRetentionIsOff) {
  back_up();
  back_up();
  back_up();
  keyrewind().configure("version: 1\nsource: {name: orders, address: '" + source().url() + "'}\n" +
                        "retention: {keep_last: 1, keep_within: 0s, enabled: false}\n" +
                        keyrewind().store().yaml());

  EXPECT_EQ(keyrewind().run({"prune", "--yes"}).status, 2);
  EXPECT_THAT(keyrewind().run({"prune"}).out, HasSubstr("retention.enabled is false"));
  EXPECT_THAT(listed(), SizeIs(3));
}

INSTANTIATE_TEST_SUITE_P(Repositories, Prune,
                         testing::Values(RepositoryKind::file, RepositoryKind::s3),
                         [](const auto& kind) {
                           return kind.param == RepositoryKind::file ? "file" : "s3";
                         });

}  // namespace
}  // namespace keyrewind::test
