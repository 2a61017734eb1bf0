// Restores that are interrupted and taken up again, without a server.

#include "base/error.h"
#include "base/log.h"
#include "restore/data_directory.h"
#include "restore/partial_snapshot.h"
#include "restore/server_data.h"
#include "store/memory_store.h"
#include "support/manual_clock.h"
#include "support/temp_dir.h"
#include "support/watched_store.h"
#include "unit/restore/log_writer.h"
#include "unit/restore/snapshot_sample.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace keyrewind::restore {
namespace {

namespace fs = std::filesystem;

using keyrewind::test::ManualClock;
using keyrewind::test::Range;
using keyrewind::test::TempDir;
using keyrewind::test::WatchedStore;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::string content_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write(const fs::path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    names.push_back(entry.path().filename().string());
  }
  std::ranges::sort(names);
  return names;
}

/// A backup in a store that fails from some byte of its snapshot on.
class ResumeRestore : public testing::Test {
 protected:
  ResumeRestore() {
    log::configure(log::Level::error, log::Format::text);
    memory_.create();
    manifest_.id = "base";
    manifest_.source = "orders";
    manifest_.snapshots = {stored_.snapshot};
    commit_.id = "base";
    plan_.target = folder_.path() / "data";
    plan_.layout = Layout::rdb;
    plan_.files = {"dump.rdb"};
  }

  /// The next restores find that the repository does not answer from byte `offset` on; nothing: it
  /// does again.
  void fail_from(std::optional<std::uint64_t> offset, ErrorKind kind = ErrorKind::unavailable) {
    store_.before_read([=](const Range& range) {
      if (offset && range.name == kObject && range.offset < 200'000 &&
          range.offset + range.bytes > *offset) {
        throw Error(kind == ErrorKind::cancelled ? Side::here : Side::repository, kind,
                    "no answer");
      }
    });
  }

  RestoreResult restore() {
    const RestorePoint point = point_ ? *point_ : own_moment(commit_, manifest_.snapshots.front());
    const ReadOptions options;
    Progress progress;
    const std::stop_token stop;
    return restore_to_directory({catalog_, manifest_, point, options, progress, stop}, plan_,
                                clock_);
  }

  Error failure() {
    try {
      restore();
    } catch (const Error& error) {
      return error;
    }
    ADD_FAILURE() << "the restore succeeded";
    return Error(ErrorKind::internal, "");
  }

  /// What was fetched of the snapshot's frames since `before` ranges.
  std::uint64_t fetched_since(std::size_t before) const {
    std::uint64_t bytes = 0;
    const std::vector<Range> ranges = store_.ranges();
    for (std::size_t i = before; i < ranges.size(); ++i) {
      const bool is_frames =
          ranges[i].name == kObject && ranges[i].offset < stored_.snapshot.index_offset;
      bytes += is_frames ? ranges[i].bytes : 0;
    }
    return bytes;
  }

  void expect_restored() const {
    EXPECT_TRUE(content_of(plan_.target / "dump.rdb") == stored_.rdb);
    EXPECT_THAT(names_in(plan_.target), ElementsAre(".keyrewind-restore.json", "dump.rdb"));
    EXPECT_EQ(fs::hard_link_count(plan_.target / "dump.rdb"), 1U);
    EXPECT_EQ(marker()["state"], "done");
    EXPECT_FALSE(marker().contains("names"));
  }

  nlohmann::json marker() const {
    return nlohmann::json::parse(content_of(plan_.target / ".keyrewind-restore.json"));
  }

  fs::path temporary() const { return temporary_folder(plan_.target); }
  std::uint64_t kept() const { return bytes_kept(temporary(), stored_.snapshot); }

  static constexpr const char* kObject = "sources/orders/snapshot.rdb.zst";

  const TempDir folder_;
  store::MemoryStore memory_;
  WatchedStore store_{memory_};
  const catalog::Catalog catalog_{store_, "orders"};
  test::StoredSnapshot stored_ = test::store_snapshot(memory_, kObject, test::make_rdb(200'000));
  catalog::Manifest manifest_;
  catalog::Commit commit_;
  std::optional<RestorePoint> point_;
  RestorePlan plan_;
  ManualClock clock_{*from_rfc3339("2026-11-20T13:02:21Z")};
};

TEST_F(ResumeRestore, LeavesNothingBesideTheDataWhenAllIsWell) {
  restore();

  expect_restored();
}

TEST_F(ResumeRestore, FetchesOnlyWhatIsMissingAfterTheRepositoryFailed) {
  fail_from(120'000);
  const Error error = failure();
  EXPECT_EQ(error.kind(), ErrorKind::unavailable);
  EXPECT_EQ(error.side(), Side::repository);
  EXPECT_THAT(error.what(), HasSubstr("no answer; run the same command again to go on"));
  EXPECT_EQ(marker()["state"], "interrupted");
  const std::uint64_t kept = this->kept();
  EXPECT_GT(kept, 50'000U);
  EXPECT_LE(kept, 120'000U);

  fail_from(std::nullopt);
  const std::size_t before = store_.ranges().size();
  EXPECT_TRUE(clear_unfinished_restore(plan_.target));
  restore();

  expect_restored();
  EXPECT_LE(fetched_since(before), 200'000 + 1000 - kept + 10'000);
}

TEST_F(ResumeRestore, LeavesNothingThatAServerWouldTakeForData) {
  fail_from(120'000);
  static_cast<void>(failure());

  EXPECT_THAT(names_in(plan_.target), ElementsAre(".keyrewind-restore.json", ".keyrewind-tmp"));
  EXPECT_THAT(names_in(temporary()), ElementsAre("snapshot.json", "snapshot.partial"));
  EXPECT_THAT(find_server_data(plan_.target, {}), IsEmpty());
}

TEST_F(ResumeRestore, GoesOnAgainAndAgain) {
  std::uint64_t kept = 0;
  for (const std::uint64_t from : {40'000U, 90'000U, 140'000U, 190'000U}) {
    fail_from(from);
    static_cast<void>(failure());
    EXPECT_GE(this->kept(), kept);
    kept = this->kept();
    clear_unfinished_restore(plan_.target);
  }
  EXPECT_GT(kept, 100'000U);

  fail_from(std::nullopt);
  restore();

  expect_restored();
}

TEST_F(ResumeRestore, KeepsWhatIsThereWhenItIsStoppedOrRefused) {
  for (const ErrorKind kind : {ErrorKind::cancelled, ErrorKind::denied}) {
    fail_from(150'000, kind);
    EXPECT_EQ(failure().kind(), kind);
    EXPECT_GT(kept(), 50'000U);
    fs::remove_all(plan_.target);
  }
}

TEST_F(ResumeRestore, RemovesEverythingIfNothingHadCome) {
  fail_from(0);
  const Error error = failure();

  EXPECT_THAT(error.what(), Not(HasSubstr("to go on")));
  EXPECT_THAT(names_in(plan_.target), IsEmpty());
}

TEST_F(ResumeRestore, RemovesEverythingAfterDamage) {
  Bytes object = *memory_.get(kObject, 1U << 24U, {});
  object[150'000] ^= std::byte{1};
  memory_.remove(kObject, {});
  memory_.put_if_absent(kObject, object, {});

  EXPECT_EQ(failure().kind(), ErrorKind::corrupt);
  EXPECT_THAT(names_in(plan_.target), IsEmpty());
}

TEST_F(ResumeRestore, RemovesEverythingIfTheTargetFails) {
  fail_from(120'000);
  static_cast<void>(failure());
  ASSERT_GT(kept(), 0U);
  fail_from(std::nullopt);
  plan_.server_config.dbfilename = "no-such-folder/dump.rdb";

  EXPECT_EQ(failure().kind(), ErrorKind::failed);
  EXPECT_THAT(names_in(plan_.target), IsEmpty());
}

TEST_F(ResumeRestore, TakesUpOnlyWhatIsOnTheDiskForSure) {
  fail_from(120'000);
  static_cast<void>(failure());
  // What was written after the last note may be anything after a power cut.
  const std::uint64_t kept = this->kept();
  std::ofstream(temporary() / "snapshot.partial", std::ios::binary | std::ios::app)
      << std::string(300'000, 'x');
  fail_from(std::nullopt);

  restore();

  expect_restored();
  EXPECT_GT(kept, 0U);
}

TEST_F(ResumeRestore, FetchesAllIfWhatIsThereIsDamaged) {
  fail_from(120'000);
  static_cast<void>(failure());
  std::string partial = content_of(temporary() / "snapshot.partial");
  partial[20'000] ^= 4;
  write(temporary() / "snapshot.partial", partial);
  fail_from(std::nullopt);

  restore();

  expect_restored();
}

TEST_F(ResumeRestore, FetchesAllIfTheNoteIsUnreadableOrOfSomethingElse) {
  using Change = std::function<void(nlohmann::json&)>;
  const std::vector<Change> changes{
      [](nlohmann::json& note) { note["object"] = "sources/orders/other.rdb.zst"; },
      [](nlohmann::json& note) { note["sha256"] = std::string(64, '0'); },
      [](nlohmann::json& note) { note["bytes"] = 1'000'000'000; },
      [](nlohmann::json& note) { note["bytes"] = "many"; },
      [](nlohmann::json& note) { note["kind"] = "else"; },
      [](nlohmann::json& note) { note = nlohmann::json::array(); },
      [](nlohmann::json& note) { note = "{"; },
  };
  for (const Change& change : changes) {
    fail_from(120'000);
    static_cast<void>(failure());
    nlohmann::json note = nlohmann::json::parse(content_of(temporary() / "snapshot.json"));
    change(note);
    write(temporary() / "snapshot.json", note.dump());
    EXPECT_EQ(kept(), 0U);
    fail_from(std::nullopt);

    restore();

    expect_restored();
    fs::remove_all(plan_.target);
  }
}

TEST_F(ResumeRestore, OfASnapshotWithoutDigestsBeginsAnew) {
  fail_from(120'000);
  manifest_.snapshots.front().digests_known = false;
  static_cast<void>(failure());

  EXPECT_THAT(names_in(plan_.target), IsEmpty());
}

TEST_F(ResumeRestore, OfAMomentFetchesTheSnapshotOnceIfTheLogFails) {
  test::LogWriter log(memory_, "orders", stored_.snapshot.lineage, stored_.snapshot.replid, 1000);
  log.seal("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n", clock_.now());
  point_ = own_moment(commit_, stored_.snapshot);
  point_->window = log.window(clock_.now());
  point_->offset = log.end();
  plan_.layout = Layout::aof;
  store_.before_read([&](const Range& range) {
    if (range.name == log.objects().front().object) {
      throw Error(Side::repository, ErrorKind::unavailable, "no answer");
    }
  });
  EXPECT_THAT(failure().what(), HasSubstr("run the same command again to go on"));
  EXPECT_EQ(kept(), stored_.rdb.size());
  EXPECT_THAT(names_in(temporary()), ElementsAre("snapshot.json", "snapshot.partial"));

  fail_from(std::nullopt);
  const std::size_t before = store_.ranges().size();
  clear_unfinished_restore(plan_.target);
  restore();

  EXPECT_EQ(fetched_since(before), 0U);
  const aof::Names names;
  EXPECT_TRUE(content_of(plan_.target / names.folder / names.base_file()) == stored_.rdb);
  EXPECT_THAT(content_of(plan_.target / names.folder / names.increment_file()), HasSubstr("SET"));
  EXPECT_FALSE(fs::exists(temporary()));
}

TEST_F(ResumeRestore, GoesOnInAnotherLayout) {
  fail_from(120'000);
  static_cast<void>(failure());
  fail_from(std::nullopt);
  plan_.layout = Layout::both;

  restore();

  const aof::Names names;
  EXPECT_TRUE(content_of(plan_.target / "dump.rdb") == stored_.rdb);
  EXPECT_TRUE(content_of(plan_.target / names.folder / names.base_file()) == stored_.rdb);
}

TEST_F(ResumeRestore, IsForgottenWhenDataHasComeToTheTargetMeanwhile) {
  fail_from(120'000);
  static_cast<void>(failure());
  write(plan_.target / "dump.rdb", "a server's own");

  EXPECT_TRUE(clear_unfinished_restore(plan_.target));

  EXPECT_THAT(names_in(plan_.target), ElementsAre("dump.rdb"));
}

TEST_F(ResumeRestore, GoesOnOverOldDataThatWasThereBefore) {
  fs::create_directory(plan_.target);
  write(plan_.target / "dump.rdb", "old");
  plan_.old_data = {"dump.rdb"};
  fail_from(120'000);
  static_cast<void>(failure());
  EXPECT_EQ(content_of(plan_.target / "dump.rdb"), "old");

  clear_unfinished_restore(plan_.target);
  EXPECT_GT(kept(), 0U);
  fail_from(std::nullopt);
  const RestoreResult result = restore();

  EXPECT_TRUE(content_of(plan_.target / "dump.rdb") == stored_.rdb);
  ASSERT_TRUE(result.moved_aside);
  EXPECT_EQ(content_of(*result.moved_aside / "dump.rdb"), "old");
}

TEST_F(ResumeRestore, OfAnotherBackupRemovesWhatIsThere) {
  fail_from(120'000);
  static_cast<void>(failure());
  clear_unfinished_restore(plan_.target);
  const std::string rdb = test::make_rdb(50'000, 8);
  const auto other = test::store_snapshot(memory_, "sources/orders/other.rdb.zst", rdb);
  manifest_.snapshots = {other.snapshot};

  restore();

  EXPECT_TRUE(content_of(plan_.target / "dump.rdb") == rdb);
  EXPECT_FALSE(fs::exists(temporary()));
}

TEST_F(ResumeRestore, IsKnownToThePlan) {
  fail_from(120'000);
  static_cast<void>(failure());
  RestoreRequest request;
  request.target = plan_.target;

  const RestorePlan plan = plan_restore(request, manifest_, own_moment(commit_, stored_.snapshot));

  EXPECT_THAT(plan.notes, testing::Contains(HasSubstr("goes on from an interrupted restore")));
}

/// A partial snapshot by itself.
class Partial : public ResumeRestore {};

TEST_F(Partial, LosesWhatWasNotNoted) {
  fs::create_directories(temporary());
  {
    PartialSnapshot partial(temporary(), stored_.snapshot);
    partial.append(as_bytes(std::string_view(stored_.rdb).substr(0, 1000)));
    EXPECT_EQ(partial.bytes(), 1000U);
  }
  EXPECT_EQ(kept(), 0U);
  EXPECT_FALSE(clear_but_kept(temporary()));
  EXPECT_FALSE(fs::exists(temporary()));
}

TEST_F(Partial, IsNotedByItselfWhileItGrows) {
  fs::create_directories(temporary());
  stored_.snapshot.rdb.bytes = 10 * PartialSnapshot::kNoteBytes;
  const Bytes piece(1U << 20U);
  PartialSnapshot partial(temporary(), stored_.snapshot);
  for (std::uint64_t done = 0; done < PartialSnapshot::kNoteBytes; done += piece.size()) {
    partial.append(piece);
  }

  // Its thread syncs as fast as the disk does.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(2);
  while (kept() == 0 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::yield();
  }

  EXPECT_EQ(kept(), PartialSnapshot::kNoteBytes);
}

TEST_F(Partial, KeepsTheModeOfDataFiles) {
  fs::create_directories(temporary());
  const PartialSnapshot partial(temporary(), stored_.snapshot);

  const fs::perms mode = fs::status(temporary() / "snapshot.partial").permissions();
  EXPECT_EQ(mode & (fs::perms::others_all | fs::perms::group_write), fs::perms::none);
}

TEST_F(Partial, LeavesNothingElseInItsFolder) {
  fs::create_directories(temporary() / "appendonlydir");
  write(temporary() / "dump.rdb", "half");
  {
    PartialSnapshot partial(temporary(), stored_.snapshot);
    partial.append(as_bytes(std::string_view(stored_.rdb).substr(0, 1000)));
    partial.keep();
  }

  EXPECT_TRUE(clear_but_kept(temporary()));

  EXPECT_THAT(names_in(temporary()), ElementsAre("snapshot.json", "snapshot.partial"));
  EXPECT_EQ(kept(), 1000U);
}

}  // namespace
}  // namespace keyrewind::restore
