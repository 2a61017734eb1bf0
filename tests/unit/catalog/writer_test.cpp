#include "base/error.h"
#include "catalog/catalog.h"
#include "catalog/names.h"
#include "catalog/repository.h"
#include "sample.h"
#include "support/faulty_store.h"
#include "support/manual_clock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace keyrewind::catalog {
namespace {

using test::failure_of;
using test::Fault;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class WriterTest : public testing::TestWithParam<test::PlaceFactory> {
 protected:
  store::ObjectStore& store() { return *place_.store; }
  Catalog& catalog() { return catalog_; }
  test::ManualClock& clock() { return clock_; }

  Commit write_backup() {
    Writer writer(catalog_, clock_, {});
    return test::write_backup(catalog_, writer, clock_);
  }

  void plant(const std::string& name) { store().put_if_absent(name, as_bytes("planted"), {}); }
  bool is_there(const std::string& name) { return store().head(name, {}).has_value(); }

  /// What a run that never came to its commit leaves.
  std::string snapshot_of(const std::string& id) {
    return names::snapshot("orders", "0", std::string(test::kSampleLineage), 1, id, false);
  }

 private:
  test::Place place_ = GetParam().make();
  Catalog catalog_{*place_.store, "orders"};
  test::ManualClock clock_{test::sample_time()};
};

INSTANTIATE_TEST_SUITE_P(Stores, WriterTest,
                         testing::Values(test::PlaceFactory{"memory", test::make_memory},
                                         test::PlaceFactory{"file", test::make_folder}),
                         [](const auto& factory) { return std::string(factory.param.name); });

TEST_P(WriterTest, MakesARepositoryOfAnEmptyPlace) {
  const Writer writer(catalog(), clock(), {});

  EXPECT_THAT(test::names_in(store()), ElementsAre("keyrewind.json"));
  EXPECT_THAT(test::text_of(store(), "keyrewind.json"),
              testing::MatchesRegex("\\{\n"
                                    "  \"format\": 1,\n"
                                    "  \"kind\": \"keyrewind-repository\",\n"
                                    "  \"id\": \"[0-9a-f]*\",\n"
                                    "  \"created\": \"2026-11-20T13:02:21.123Z\"\n"
                                    "\\}\n"));
  EXPECT_FALSE(catalog().ever_backed_up({}));
}

TEST_P(WriterTest, KeepsTheRepositoryThatIsThere) {
  write_backup();
  const std::string marker = test::text_of(store(), "keyrewind.json");

  write_backup();

  EXPECT_EQ(test::text_of(store(), "keyrewind.json"), marker);
}

TEST_P(WriterTest, WritesWhatTheFormatSays) {
  const Commit commit = write_backup();

  EXPECT_THAT(
      test::names_in(store()),
      ElementsAre("keyrewind.json", commit.manifest.name, names::commit("orders", 1, commit.id),
                  catalog().manifest(commit, {}).snapshots.front().object.name,
                  "sources/orders/source.json"));
  EXPECT_EQ(test::text_of(store(), "sources/orders/source.json"),
            "{\n"
            "  \"format\": 1,\n"
            "  \"kind\": \"keyrewind-source\",\n"
            "  \"source\": \"orders\",\n"
            "  \"created\": \"2026-11-20T13:02:21.123Z\"\n"
            "}\n");
}

TEST_P(WriterTest, GivesIdsThatSortByTimeAndNeverRepeat) {
  const Writer writer(catalog(), clock(), {});

  EXPECT_THAT(writer.new_id(), testing::MatchesRegex("20261120T130221Z-......"));
  EXPECT_NE(writer.new_id(), writer.new_id());
}

TEST_P(WriterTest, IsAloneInItsSource) {
  std::optional<Writer> writer(std::in_place, catalog(), clock(), std::stop_token{});
  Catalog other(store(), "users");

  const Error error = failure_of([&] { Writer(catalog(), clock(), {}); });

  EXPECT_EQ(error.kind(), ErrorKind::busy);
  EXPECT_EQ(error.side(), Side::repository);
  EXPECT_STREQ(error.what(), "another backup of 'orders' is running; wait for it or stop it");
  EXPECT_NO_THROW(Writer(other, clock(), {}));
  writer.reset();
  EXPECT_NO_THROW(Writer(catalog(), clock(), {}));
}

TEST_P(WriterTest, WaitsForWhoHasTheLockForAMoment) {
  ensure_repository(store(), clock(), {});
  auto prune = store().try_lock(names::writer_lock("orders"), {});
  ASSERT_TRUE(prune);
  constexpr std::uint64_t kLaterTry = 6;  // The first one comes after the marker was looked at.
  test::FaultyStore watched(store());
  watched.meanwhile(kLaterTry, [&] { prune.reset(); });
  Catalog through(watched, "orders");

  EXPECT_NO_THROW(Writer(through, clock(), {}));
  EXPECT_EQ(prune, nullptr);
}

TEST_P(WriterTest, RemovesNothingThatARunningWriterHasNotCommitted) {
  const Writer writer(catalog(), clock(), {});
  plant(snapshot_of(writer.new_id()));
  const auto upload = store().upload(snapshot_of(writer.new_id()), {});
  Catalog other(store(), "users");

  EXPECT_THROW(Writer(catalog(), clock(), {}), Error);
  EXPECT_EQ(Writer(other, clock(), {}).removed_leftovers(), 0U);

  EXPECT_THAT(test::names_in(store()), SizeIs(2));
  EXPECT_NO_THROW(upload->complete());
}

TEST_P(WriterTest, RemovesWhatNoBackupNames) {
  const Commit kept = write_backup();
  plant(snapshot_of("20261121T000000Z-aaaaaa"));
  plant(snapshot_of("20261122T000000Z-bbbbbb"));
  plant(names::manifest("orders", "20261121T000000Z-aaaaaa"));
  const auto before = store().list("", {}).size();

  const Writer writer(catalog(), clock(), {});

  EXPECT_EQ(writer.removed_leftovers(), 3U);
  EXPECT_EQ(store().list("", {}).size(), before - 3);
  EXPECT_FALSE(is_there(snapshot_of("20261121T000000Z-aaaaaa")));
  EXPECT_THAT(catalog().list({}), ElementsAre(kept));
  EXPECT_TRUE(is_there(catalog().manifest(kept, {}).snapshots.front().object.name));
}

TEST_P(WriterTest, KeepsASnapshotThatAnotherBackupNames) {
  const std::string shared = snapshot_of("20261119T000000Z-cccccc");
  const std::string leftover = snapshot_of("20261121T000000Z-aaaaaa");
  {
    Writer writer(catalog(), clock(), {});
    Manifest manifest = test::sample_manifest("orders", writer.new_id());
    manifest.snapshots.front().object.name = shared;
    plant(shared);
    plant(leftover);
    writer.commit(manifest, {});
  }

  EXPECT_EQ(Writer(catalog(), clock(), {}).removed_leftovers(), 1U);

  EXPECT_TRUE(is_there(shared));
  EXPECT_FALSE(is_there(leftover));
}

TEST_P(WriterTest, KeepsWhatLaterVersionsMayHaveWritten) {
  write_backup();
  const std::string lineage =
      names::shards("orders") + "0/lineages/" + std::string(test::kSampleLineage);
  const std::vector<std::string> later = {
      lineage + "/log/00000000000000000001-00000000000000000100.aof.zst",
      lineage + "/events/00000000000000000001.json",
      lineage + "/snapshots/00000000000000000001-20261121T000000Z-aaaaaa.rdb.zst.gpg",
      names::backups("orders") + "20261121T000000Z-aaaaaa/drill.json",
      "sources/orders/leases/0.json",
      "sources/users/shards/0/lineages/x/snapshots/00000000000000000001-id.rdb.zst",
      "policies.json",
  };
  for (const std::string& name : later) {
    plant(name);
  }

  const Writer writer(catalog(), clock(), {});

  EXPECT_EQ(writer.removed_leftovers(), 0U);
  for (const std::string& name : later) {
    EXPECT_TRUE(is_there(name)) << name;
  }
}

TEST_P(WriterTest, KeepsLeftoversWhileACommitIsDamaged) {
  const Commit damaged = write_backup();
  const std::string leftover = snapshot_of("20261121T000000Z-aaaaaa");
  plant(leftover);
  test::overwrite(store(), names::commit("orders", 1, damaged.id), "garbage");

  const Commit next = write_backup();

  EXPECT_TRUE(is_there(leftover));
  EXPECT_TRUE(is_there(damaged.manifest.name));
  EXPECT_EQ(next.sequence, 2U);
}

TEST_P(WriterTest, KeepsLeftoversWhileAManifestIsDamagedOrMissing) {
  const Commit damaged = write_backup();
  const std::string leftover = snapshot_of("20261121T000000Z-aaaaaa");
  plant(leftover);

  test::overwrite(store(), damaged.manifest.name, "garbage");
  EXPECT_EQ(Writer(catalog(), clock(), {}).removed_leftovers(), 0U);
  store().remove(damaged.manifest.name, {});
  EXPECT_EQ(Writer(catalog(), clock(), {}).removed_leftovers(), 0U);

  EXPECT_TRUE(is_there(leftover));
}

TEST_P(WriterTest, CountsOnFromTheLastSequence) {
  EXPECT_EQ(write_backup().sequence, 1U);
  EXPECT_EQ(write_backup().sequence, 2U);
  Writer writer(catalog(), clock(), {});
  EXPECT_EQ(test::write_backup(catalog(), writer, clock()).sequence, 3U);
  EXPECT_EQ(test::write_backup(catalog(), writer, clock()).sequence, 4U);
}

TEST_P(WriterTest, SaysThatTheClockIsBehind) {
  write_backup();
  EXPECT_EQ(Writer(catalog(), clock(), {}).clock_behind(), std::nullopt);

  clock().advance(-std::chrono::minutes(90));

  EXPECT_EQ(Writer(catalog(), clock(), {}).clock_behind(), std::chrono::minutes(90));
}

TEST_P(WriterTest, RepairsAMissingSourceRecord) {
  write_backup();
  store().remove(names::source_record("orders"), {});

  const Writer writer(catalog(), clock(), {});

  EXPECT_TRUE(is_there(names::source_record("orders")));
}

TEST_P(WriterTest, CommitsNoIdTwice) {
  Writer writer(catalog(), clock(), {});
  Manifest manifest = test::sample_manifest("orders", writer.new_id());
  writer.commit(manifest, {});
  manifest.warnings.emplace_back("something else");

  EXPECT_EQ(failure_of([&] { writer.commit(manifest, {}); }).kind(), ErrorKind::failed);

  EXPECT_THAT(catalog().list({}), SizeIs(1));
}

// A retry below us may find that its first attempt had succeeded after all.
TEST_P(WriterTest, TakesItsOwnObjectForASuccess) {
  Writer writer(catalog(), clock(), {});
  const Manifest manifest = test::sample_manifest("orders", writer.new_id());
  store().put_if_absent(names::manifest("orders", manifest.id), as_bytes(encode(manifest)), {});

  EXPECT_NO_THROW(writer.commit(manifest, {}));

  EXPECT_THAT(catalog().list({}), SizeIs(1));
}

TEST_P(WriterTest, CommitsNothingOfAnotherSource) {
  Writer writer(catalog(), clock(), {});

  EXPECT_EQ(failure_of([&] { writer.commit(test::sample_manifest("users", "id00"), {}); }).kind(),
            ErrorKind::internal);
}

TEST_P(WriterTest, CommitsNothingOnceStopped) {
  Writer writer(catalog(), clock(), {});
  std::stop_source stopped;
  stopped.request_stop();

  const Error error = failure_of([&] {
    writer.commit(test::sample_manifest("orders", writer.new_id()), stopped.get_token());
  });

  EXPECT_EQ(error.kind(), ErrorKind::cancelled);
  EXPECT_THAT(catalog().list({}), IsEmpty());
}

TEST_P(WriterTest, GoesOnCountingWhereANameIsTaken) {
  Writer writer(catalog(), clock(), {});
  const std::string id = writer.new_id();
  plant(names::commit("orders", 1, id));

  const Commit commit = writer.commit(test::sample_manifest("orders", id), {});

  EXPECT_EQ(commit.sequence, 2U);
  EXPECT_EQ(test::text_of(store(), names::commit("orders", 1, id)), "planted");
}

/// A backup whose store fails at one call, and what that one call is.
class FaultyWriterTest : public WriterTest {
 protected:
  test::FaultyStore& faulty() { return faulty_; }
  Catalog& faulty_catalog() { return faulty_catalog_; }

  /// A whole run through the faulty store.
  Commit run() {
    Writer writer(faulty_catalog_, clock(), {});
    return test::write_backup(faulty_catalog_, writer, clock());
  }

 private:
  test::FaultyStore faulty_{store()};
  Catalog faulty_catalog_{faulty_, "orders"};
};

INSTANTIATE_TEST_SUITE_P(Stores, FaultyWriterTest,
                         testing::Values(test::PlaceFactory{"memory", test::make_memory},
                                         test::PlaceFactory{"file", test::make_folder},
                                         test::PlaceFactory{"encrypted", test::make_encrypted}),
                         [](const auto& factory) { return std::string(factory.param.name); });

TEST_P(FaultyWriterTest, LeavesAWholeBackupOrNoneWhicheverCallFails) {
  for (const Fault::Mode mode : {Fault::Mode::fail_before, Fault::Mode::fail_after}) {
    bool succeeded = false;
    for (std::uint64_t call = 1; !succeeded; ++call) {
      SCOPED_TRACE("call " + std::to_string(call) +
                   (mode == Fault::Mode::fail_before ? " before" : " after"));
      ASSERT_LT(call, 100U);
      const std::vector<Commit> before = catalog().list({});
      faulty().set({.mode = mode, .call = call});
      std::optional<Commit> commit;
      const Error error = failure_of([&] { commit = run(); });
      succeeded = faulty().calls() < call;

      const std::vector<Commit> after = catalog().list({});
      EXPECT_EQ(after.size(), before.size() + (commit ? 1 : 0)) << error.what();
      for (const Commit& listed : after) {
        const Manifest manifest = catalog().manifest(listed, {});
        EXPECT_EQ(test::text_of(store(), manifest.snapshots.front().object.name),
                  test::kSampleSnapshot);
      }

      const Commit next = write_backup();
      EXPECT_EQ(catalog().list({}).back(), next);
      // A marker, a note of the source, and three or four objects for each backup: no leftover.
      const std::size_t of_each = store().encrypts() ? 4 : 3;
      EXPECT_EQ(store().list("", {}).size(), 2 + of_each * catalog().list({}).size());
    }
  }
}

TEST_P(FaultyWriterTest, IsCommittedEvenIfTheAnswerWasLost) {
  int committed = 0;
  // Until no call is left to fail: a run has more of them when the one before left something.
  for (std::uint64_t call = 1; call == 1 || faulty().calls() >= call - 1; ++call) {
    ASSERT_LT(call, 100U);
    faulty().set({.mode = Fault::Mode::fail_after, .call = call});
    const std::size_t before = catalog().list({}).size();

    const Error error = failure_of([&] { run(); });

    const bool threw = error.kind() != ErrorKind::internal;
    EXPECT_EQ(catalog().list({}).size(), before + (threw ? 0 : 1)) << "call " << call;
    committed += threw ? 0 : 1;
  }
  EXPECT_GE(committed, 3);  // The manifest's and the commit's put, and the run without a failure.
}

TEST(Writer, CommitsNothingOnceItsLockIsLost) {
  store::MemoryStore store;
  test::FaultyStore faulty(store);
  Catalog catalog(faulty, "orders");
  const test::ManualClock clock(test::sample_time());
  Writer writer(catalog, clock, {});
  faulty.lose_locks();
  EXPECT_EQ(failure_of([&] { test::write_backup(catalog, writer, clock); }).kind(),
            ErrorKind::busy);
  EXPECT_THAT(catalog.list({}), IsEmpty());
}

TEST_P(FaultyWriterTest, ThrowsWhatHappenedIfTheOutcomeStaysUnknown) {
  Writer writer(faulty_catalog(), clock(), {});
  faulty().set({.mode = Fault::Mode::fail_before, .call = 0, .kind = ErrorKind::denied});

  const Error error = failure_of([&] {
    writer.commit(
        test::sample_manifest("orders", writer.new_id(), test::sample_time(), store().encrypts()),
        {});
  });

  EXPECT_EQ(error.kind(), ErrorKind::denied);
  EXPECT_THAT(catalog().list({}), IsEmpty());
}

TEST_P(FaultyWriterTest, ReadsNothingFromBytesThatChangedOnTheWay) {
  const Commit commit = write_backup();
  for (const Fault::Mode mode : {Fault::Mode::flip_bit, Fault::Mode::truncate}) {
    faulty().set({.mode = mode, .call = 1});
    EXPECT_EQ(failure_of([&] { (void)faulty_catalog().manifest(commit, {}); }).kind(),
              ErrorKind::corrupt);
  }
}

TEST(Writer, ClearsAwayWhatAKilledFirstRunLeft) {
  const test::TempDir folder;
  std::ofstream(folder / "keyrewind.json.0123456789abcdef.partial") << "{";
  store::FileStore store(folder.path());
  Catalog catalog(store, "orders");
  const test::ManualClock clock(test::sample_time());

  const Writer writer(catalog, clock, {});

  EXPECT_FALSE(std::filesystem::exists(folder / "keyrewind.json.0123456789abcdef.partial"));
  EXPECT_TRUE(std::filesystem::exists(folder / "keyrewind.json"));
}

TEST(Writer, ClearsAwayPartialUploadsOfItsSource) {
  const test::TempDir folder;
  store::FileStore store(folder.path());
  Catalog catalog(store, "orders");
  const test::ManualClock clock(test::sample_time());
  const auto plant = [&](const std::string& name) {
    std::filesystem::create_directories((folder / name).parent_path());
    std::ofstream(folder / name) << "half";
    return folder / name;
  };
  const auto own = plant("sources/orders/shards/0/lineages/x/snapshots/1-a.rdb.zst.0f.partial");
  const auto log = plant("sources/orders/shards/0/lineages/x/log/1-2.aof.zst.0f.partial");
  const auto event = plant("sources/orders/shards/0/lineages/x/events/1.json.0f.partial");
  const auto foreign = plant("sources/users/shards/0/lineages/x/snapshots/1-a.rdb.zst.0f.partial");
  std::ofstream(folder / "keyrewind.json")
      << R"({"format":1,"kind":"keyrewind-repository","id":"0123456789abcdef0123456789abcdef"})";

  EXPECT_EQ(Writer(catalog, clock, {}).removed_leftovers(), 1U);

  EXPECT_FALSE(std::filesystem::exists(own));
  EXPECT_FALSE(std::filesystem::exists(own.parent_path()));
  EXPECT_TRUE(std::filesystem::exists(log));
  EXPECT_TRUE(std::filesystem::exists(event));
  EXPECT_TRUE(std::filesystem::exists(foreign));
}

TEST(Writer, MakesTheLastFolderOfItsRepository) {
  const test::TempDir folder;
  store::FileStore store(folder / "repository");
  Catalog catalog(store, "orders");
  const test::ManualClock clock(test::sample_time());

  Writer writer(catalog, clock, {});
  test::write_backup(catalog, writer, clock);

  EXPECT_THAT(catalog.list({}), SizeIs(1));
}

}  // namespace
}  // namespace keyrewind::catalog
