#include "catalog/catalog.h"

#include "base/error.h"
#include "catalog/names.h"
#include "sample.h"
#include "support/manual_clock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

namespace keyrewind::catalog {
namespace {

using test::failure_of;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class CatalogTest : public testing::TestWithParam<test::PlaceFactory> {
 protected:
  store::ObjectStore& store() { return *place_.store; }
  Catalog& catalog() { return catalog_; }
  test::ManualClock& clock() { return clock_; }

  Commit write_backup() {
    Writer writer(catalog_, clock_, {});
    return test::write_backup(catalog_, writer, clock_);
  }

  std::string find(const std::string& id) { return catalog_.find(id, {}).id; }

  std::vector<std::string> ids() {
    std::vector<std::string> ids;
    for (const Commit& commit : catalog_.list({})) {
      ids.push_back(commit.id);
    }
    return ids;
  }

  /// Writes a commit object as if a run with this id had.
  void plant_commit(std::uint64_t sequence, const std::string& id) {
    Commit commit;
    commit.id = id;
    commit.sequence = sequence;
    commit.source = "orders";
    commit.manifest = {names::manifest("orders", id), 1, std::string(64, '0')};
    store().put_if_absent(names::commit("orders", sequence, id), as_bytes(encode(commit)), {});
  }

  static std::string commit_name(const Commit& commit) {
    return names::commit(commit.source, commit.sequence, commit.id);
  }

 private:
  test::Place place_ = GetParam().make();
  Catalog catalog_{*place_.store, "orders"};
  test::ManualClock clock_{test::sample_time()};
};

INSTANTIATE_TEST_SUITE_P(Stores, CatalogTest,
                         testing::Values(test::PlaceFactory{"memory", test::make_memory},
                                         test::PlaceFactory{"file", test::make_folder}),
                         [](const auto& factory) { return std::string(factory.param.name); });

TEST_P(CatalogTest, OfAnEmptyPlaceHasNoBackups) {
  EXPECT_THAT(ids(), IsEmpty());
  EXPECT_FALSE(catalog().ever_backed_up({}));

  const Error error = failure_of([&] { (void)find("latest"); });

  EXPECT_EQ(error.kind(), ErrorKind::no_backup);
  EXPECT_EQ(error.what(), "no backup of 'orders' in " + store().url() + " yet");
}

TEST_P(CatalogTest, ChangesNothingByReading) {
  (void)ids();
  (void)failure_of([&] { (void)find("latest"); });

  EXPECT_TRUE(store().empty({}));
}

TEST_P(CatalogTest, RefusesAPlaceWithForeignThings) {
  store().put_if_absent("photos/cat.jpg", as_bytes("meow"), {});

  for (const Error& error :
       {failure_of([&] { (void)ids(); }), failure_of([&] { (void)find("latest"); }),
        failure_of([&] { (void)catalog().ever_backed_up({}); }),
        failure_of([&] { write_backup(); })}) {
    EXPECT_EQ(error.kind(), ErrorKind::unavailable);
    EXPECT_EQ(error.side(), Side::repository);
    EXPECT_EQ(error.what(), store().url() +
                                " is not a Keyrewind repository: it holds other files "
                                "but no keyrewind.json; check repository.url");
  }
  EXPECT_THAT(test::names_in(store()), ElementsAre("photos/cat.jpg"));
}

TEST_P(CatalogTest, RefusesARepositoryThatLostItsMarker) {
  write_backup();
  store().remove(names::repository(), {});

  EXPECT_EQ(failure_of([&] { (void)ids(); }).kind(), ErrorKind::unavailable);
}

TEST_P(CatalogTest, RefusesADamagedMarker) {
  write_backup();
  for (const char* marker :
       {"", "garbage", "{}", R"({"format":1})", R"({"format":1,"kind":"keyrewind-manifest"})",
        R"({"format":1,"kind":"keyrewind-repository","id":"short"})",
        R"({"format":0,"kind":"keyrewind-repository"})"}) {
    test::overwrite(store(), names::repository(), marker);

    const Error error = failure_of([&] { (void)ids(); });
    EXPECT_EQ(error.kind(), ErrorKind::corrupt) << marker;
    EXPECT_THAT(error.what(),
                testing::StartsWith("keyrewind.json of " + store().url() + " is damaged: "));
    EXPECT_EQ(failure_of([&] { write_backup(); }).kind(), ErrorKind::corrupt);
  }
}

TEST_P(CatalogTest, LeavesANewerRepositoryAlone) {
  test::overwrite(store(), names::repository(), R"({"format":2,"kind":"keyrewind-repository"})");

  for (const Error& error :
       {failure_of([&] { (void)ids(); }), failure_of([&] { write_backup(); })}) {
    EXPECT_EQ(error.kind(), ErrorKind::incompatible);
    EXPECT_EQ(error.what(), "keyrewind.json of " + store().url() +
                                " was written in format 2, this Keyrewind reads up to 1; use a "
                                "newer one");
  }
  EXPECT_THAT(test::names_in(store()), ElementsAre("keyrewind.json"));
}

TEST_P(CatalogTest, ListsWhatWasCommitted) {
  const Commit commit = write_backup();

  EXPECT_THAT(catalog().list({}), ElementsAre(commit));
  EXPECT_EQ(commit.sequence, 1U);
  EXPECT_EQ(commit.source, "orders");
  EXPECT_EQ(commit.created, test::sample_time());
  EXPECT_EQ(commit.keys, 9U);
  EXPECT_EQ(commit.raw_bytes, 123456U);
  EXPECT_EQ(commit.stored_bytes, test::kSampleSnapshot.size());
  EXPECT_EQ(commit.server, "Valkey 8.1.1");
  EXPECT_FALSE(commit.opaque);
  EXPECT_EQ(commit.labels.at("ticket"), "OPS-1");
}

TEST_P(CatalogTest, ListsOldestFirstWhateverTheClockSays) {
  const std::string first = write_backup().id;
  clock().advance(-std::chrono::hours(48));
  const std::string second = write_backup().id;
  clock().advance(std::chrono::hours(100));
  const std::string third = write_backup().id;

  EXPECT_THAT(ids(), ElementsAre(first, second, third));
  EXPECT_EQ(find("latest"), third);
}

TEST_P(CatalogTest, KnowsOneSourceOnly) {
  write_backup();
  Catalog other(store(), "users");

  EXPECT_THAT(other.list({}), IsEmpty());
  EXPECT_FALSE(other.ever_backed_up({}));
}

TEST_P(CatalogTest, FindsABackupByTheBeginningOfItsId) {
  write_backup();
  plant_commit(2, "20301120T130221Z-aaaaaa");
  plant_commit(3, "20301120T130221Z-aabbbb");

  EXPECT_EQ(find("20301120T130221Z-aaaaaa"), "20301120T130221Z-aaaaaa");
  EXPECT_EQ(find("20301120T130221Z-aaa"), "20301120T130221Z-aaaaaa");
  EXPECT_EQ(find("2026"), ids().front());
  EXPECT_EQ(find("latest"), "20301120T130221Z-aabbbb");

  const Error ambiguous = failure_of([&] { (void)find("20301120T130221Z-aa"); });
  EXPECT_EQ(ambiguous.kind(), ErrorKind::no_backup);
  EXPECT_STREQ(ambiguous.what(),
               "several backups of 'orders' begin with '20301120T130221Z-aa'; give more of the id");
}

TEST_P(CatalogTest, FindsABackupWhoseIdIsTheBeginningOfAnother) {
  write_backup();
  plant_commit(2, "abcd");
  plant_commit(3, "abcdef");

  EXPECT_EQ(find("abcd"), "abcd");
}

TEST_P(CatalogTest, SaysThatThereIsNoSuchBackup) {
  write_backup();

  for (const std::string id : {"abc", "202", "20991120T130221Z-aaaaaa", ""}) {
    const Error error = failure_of([&] { (void)find(id); });
    EXPECT_EQ(error.kind(), ErrorKind::no_backup);
    EXPECT_EQ(error.what(),
              "no backup '" + id + "' of 'orders'; 'keyrewind list' shows those there are");
  }
}

TEST_P(CatalogTest, SaysThatAllBackupsAreGone) {
  store().remove(commit_name(write_backup()), {});

  EXPECT_TRUE(catalog().ever_backed_up({}));
  EXPECT_THAT(ids(), IsEmpty());
  for (const char* id : {"latest", "2026"}) {
    const Error error = failure_of([&] { (void)find(id); });
    EXPECT_EQ(error.kind(), ErrorKind::no_backup);
    EXPECT_THAT(error.what(), HasSubstr("'orders' has been backed up here before, but no backup "
                                        "is left"));
  }
}

TEST_P(CatalogTest, ListsNothingBesideADamagedCommit) {
  const Commit commit = write_backup();
  for (const std::string& content :
       {std::string("garbage"), encode(commit).substr(0, 100), std::string(2U << 20, ' ')}) {
    test::overwrite(store(), commit_name(commit), content);

    const Error error = failure_of([&] { (void)ids(); });
    EXPECT_EQ(error.kind(), ErrorKind::corrupt);
    EXPECT_THAT(error.what(), HasSubstr(commit_name(commit)));
  }
}

TEST_P(CatalogTest, FindsTheOthersBesideADamagedCommit) {
  const Commit damaged = write_backup();
  const Commit sound = write_backup();
  test::overwrite(store(), commit_name(damaged), "garbage");

  EXPECT_EQ(find("latest"), sound.id);
  EXPECT_EQ(find(sound.id), sound.id);
  EXPECT_EQ(failure_of([&] { (void)find(damaged.id); }).kind(), ErrorKind::corrupt);
}

TEST_P(CatalogTest, BelievesNoCommitUnderAnotherName) {
  const Commit commit = write_backup();
  store().put_if_absent(names::commit("orders", 2, commit.id), as_bytes(encode(commit)), {});

  const Error error = failure_of([&] { (void)ids(); });

  EXPECT_EQ(error.kind(), ErrorKind::corrupt);
  EXPECT_THAT(error.what(), HasSubstr("does not fit its name"));
}

TEST_P(CatalogTest, PassesOverWhatIsNoCommit) {
  const Commit commit = write_backup();
  store().put_if_absent("sources/orders/commits/README", as_bytes("hands off"), {});

  EXPECT_THAT(ids(), ElementsAre(commit.id));
}

TEST_P(CatalogTest, GivesTheManifestThatWasCommitted) {
  const Commit commit = write_backup();

  const Manifest manifest = catalog().manifest(commit, {});

  EXPECT_EQ(encode(manifest), encode(test::sample_manifest("orders", commit.id)));
}

TEST_P(CatalogTest, GivesNoManifestThatIsMissing) {
  const Commit commit = write_backup();
  store().remove(commit.manifest.name, {});

  const Error error = failure_of([&] { (void)catalog().manifest(commit, {}); });

  EXPECT_EQ(error.kind(), ErrorKind::corrupt);
  EXPECT_EQ(error.what(), "the manifest of backup " + commit.id + " is missing");
}

TEST_P(CatalogTest, GivesNoManifestWithAFlippedBit) {
  const Commit commit = write_backup();
  const std::string sound = test::text_of(store(), commit.manifest.name);
  for (std::size_t bit = 0; bit < 8 * sound.size(); bit += 997) {
    std::string damaged = sound;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    test::overwrite(store(), commit.manifest.name, damaged);

    EXPECT_EQ(failure_of([&] { (void)catalog().manifest(commit, {}); }).kind(), ErrorKind::corrupt)
        << "bit " << bit;
  }
}

TEST_P(CatalogTest, GivesNoManifestOfAnotherBackup) {
  Commit first = write_backup();
  const Commit second = write_backup();
  first.manifest = second.manifest;

  const Error error = failure_of([&] { (void)catalog().manifest(first, {}); });

  EXPECT_EQ(error.kind(), ErrorKind::corrupt);
  EXPECT_THAT(error.what(), HasSubstr("is that of another backup"));
}

TEST(Catalog, OfAMissingFolderIsUnavailable) {
  const test::TempDir folder;
  store::FileStore store(folder / "missing");
  const Catalog catalog(store, "orders");

  for (const Error& error : {failure_of([&] { (void)catalog.list({}); }),
                             failure_of([&] { (void)catalog.find("latest", {}); }),
                             failure_of([&] { (void)catalog.ever_backed_up({}); })}) {
    EXPECT_EQ(error.kind(), ErrorKind::unavailable);
    EXPECT_EQ(error.side(), Side::repository);
  }
}

TEST(Catalog, TakesNoSourceThatCanBeNoName) {
  store::MemoryStore store;

  EXPECT_EQ(failure_of([&] { Catalog(store, "../orders"); }).kind(), ErrorKind::config);
}

}  // namespace
}  // namespace keyrewind::catalog
