#include "daemon/place.h"

#include "base/log.h"
#include "catalog/imports.h"
#include "catalog/repository.h"
#include "store/memory_store.h"
#include "support/faulty_store.h"
#include "support/manual_clock.h"
#include "unit/catalog/sample.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace keyrewind::daemon {
namespace {

using std::chrono::hours;
using testing::IsEmpty;
using testing::SizeIs;

const std::string kLineage(test::kSampleLineage);
const std::string kReplid(test::kSampleReplid);
constexpr std::int64_t kSnapshotOffset = 987654321;  // Of a sample manifest.

std::string lineage(char digit) {
  return std::string(40, digit);
}

class Places : public testing::Test {
 protected:
  Places() {
    log::configure(log::Level::error, log::Format::text);
    catalog::ensure_repository(store_, clock_, {});
  }

  std::vector<Place> find() const { return places_in_repository(catalog_, "0", {}); }

  /// A segment of `lineage` that ends at `end`; its id is `replid`.
  std::string add_segment(const std::string& lineage, std::int64_t begin, std::int64_t end,
                          Timestamp at, const std::string& replid = kReplid) {
    catalog::Segment segment = test::plain_segment("orders", begin, end, at, {});
    segment.lineage = lineage;
    segment.ids = {{begin, replid}};
    return test::put_segment(store_, segment).object;
  }

  std::string add_backup() {
    catalog::Writer writer(catalog_, clock_, {});
    return test::write_backup(catalog_, writer, clock_).id;
  }

  /// A backup that did not come from the source.
  void add_import() {
    catalog::Writer writer(catalog_, clock_, {});
    catalog::Manifest manifest = test::sample_manifest("orders", writer.new_id(), clock_.now());
    manifest.labels[catalog::kImportedFrom] = "/srv/dump.rdb";
    writer.commit(manifest, {});
  }

  void damage(const std::string& object) {
    std::string content = test::text_of(store_, object);
    content.back() = static_cast<char>(content.back() ^ 1);
    test::overwrite(store_, object, content);
  }

  test::ManualClock clock_{test::sample_time()};
  store::MemoryStore store_;
  catalog::Catalog catalog_{store_, "orders"};
};

TEST_F(Places, NoneInAnEmptyRepository) {
  EXPECT_THAT(find(), IsEmpty());
}

TEST_F(Places, NoneWhereThereIsNoRepository) {
  store::MemoryStore nothing;
  const catalog::Catalog catalog(nothing, "orders");
  EXPECT_THAT(places_in_repository(catalog, "0", {}), IsEmpty());
}

TEST_F(Places, WhereTheLogEnds) {
  add_segment(kLineage, 1000, 2000, test::sample_time());
  add_segment(kLineage, 2000, 5000, test::sample_time(), lineage('a'));

  const auto places = find();

  ASSERT_THAT(places, SizeIs(1));
  EXPECT_EQ(places[0].lineage, kLineage);
  EXPECT_EQ(places[0].position, (replica::Position{lineage('a'), 5000}));
  EXPECT_EQ(places[0].database, std::nullopt);
  EXPECT_FALSE(places[0].fresh);
  EXPECT_FALSE(places[0].has_base);
}

TEST_F(Places, TheNewestLogFirstAndNotTooMany) {
  for (int i = 1; i <= 6; ++i) {
    const std::string id = lineage(static_cast<char>('0' + i));
    add_segment(id, 100, 200, test::sample_time() + hours(i % 4 * 10 + i), id);
  }

  std::vector<std::string> found;
  for (const Place& place : find()) {
    found.push_back(place.lineage);
  }

  EXPECT_THAT(found, testing::ElementsAre(lineage('3'), lineage('6'), lineage('2'), lineage('5')));
}

TEST_F(Places, OfThisShardOnly) {
  catalog::Segment other = test::plain_segment("orders", 1, 2, test::sample_time(), {});
  other.shard = "1";
  test::put_segment(store_, other);
  catalog::Segment foreign = test::plain_segment("payments", 1, 2, test::sample_time(), {});
  test::put_segment(store_, foreign);
  EXPECT_THAT(find(), IsEmpty());
}

TEST_F(Places, TheSnapshotIfThereIsNoLog) {
  add_backup();

  const auto places = find();

  ASSERT_THAT(places, SizeIs(1));
  EXPECT_EQ(places[0].lineage, kLineage);
  EXPECT_EQ(places[0].position, (replica::Position{kReplid, kSnapshotOffset}));
  EXPECT_TRUE(places[0].fresh);
  EXPECT_TRUE(places[0].has_base);
}

TEST_F(Places, NoSnapshotFromWhichALogGoesOn) {
  add_backup();
  add_segment(kLineage, kSnapshotOffset - 5, kSnapshotOffset, test::sample_time());
  EXPECT_THAT(find(), SizeIs(1));
  EXPECT_FALSE(find()[0].fresh);
}

TEST_F(Places, NoSnapshotFromWhichALogOfItsIdGoesOn) {
  add_backup();
  add_segment(lineage('a'), kSnapshotOffset, kSnapshotOffset + 5, test::sample_time(), kReplid);
  EXPECT_THAT(find(), SizeIs(1));
}

TEST_F(Places, ASnapshotBehindTheLogBeginsALineageOfAnotherName) {
  add_backup();
  add_segment(kLineage, 1000, 5000, test::sample_time());

  const auto places = find();

  ASSERT_THAT(places, SizeIs(2));
  EXPECT_EQ(places[0].lineage, kLineage);
  EXPECT_EQ(places[0].position.offset, 5000);
  EXPECT_NE(places[1].lineage, kLineage);
  EXPECT_TRUE(catalog::names::is_valid_lineage(places[1].lineage));
  EXPECT_EQ(places[1].position, (replica::Position{kReplid, kSnapshotOffset}));
  EXPECT_TRUE(places[1].fresh);
  EXPECT_TRUE(places[1].has_base);
}

TEST_F(Places, ADamagedEndIsPassedOver) {
  const std::string object = add_segment(kLineage, 1000, 5000, test::sample_time());
  add_segment(lineage('a'), 10, 20, test::sample_time() - hours(9), lineage('a'));
  damage(object);

  const auto places = find();

  ASSERT_THAT(places, SizeIs(1));
  EXPECT_EQ(places[0].lineage, lineage('a'));
}

TEST_F(Places, ADamagedBackupIsPassedOver) {
  const std::string id = add_backup();
  damage(catalog::names::manifest("orders", id));
  add_segment(kLineage, 1000, 5000, test::sample_time());
  EXPECT_THAT(find(), SizeIs(1));
}

TEST_F(Places, ARepositoryThatCannotBeReadIsNoEmptyOne) {
  add_backup();
  add_segment(kLineage, 1000, 5000, test::sample_time());
  test::FaultyStore faulty(store_);
  const catalog::Catalog catalog(faulty, "orders");
  std::uint64_t failures = 0;
  for (std::uint64_t call = 1;; ++call) {
    faulty.set({.mode = test::Fault::Mode::fail_before, .call = call});
    try {
      places_in_repository(catalog, "0", {});
      break;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::unavailable);
      EXPECT_EQ(error.side(), Side::repository);
      ++failures;
    }
  }
  EXPECT_GT(failures, 4U);
}

TEST_F(Places, ForeignThingsAreNoRepository) {
  store::MemoryStore foreign;
  foreign.put_if_absent("photos/1.jpg", as_bytes("x"), {});
  const catalog::Catalog catalog(foreign, "orders");
  const Error error = test::failure_of([&] { places_in_repository(catalog, "0", {}); });
  EXPECT_EQ(error.side(), Side::repository);
}

TEST_F(Places, NoImportedSnapshot) {
  add_import();
  EXPECT_THAT(find(), IsEmpty());

  add_backup();
  add_import();
  EXPECT_THAT(find(), SizeIs(1));
}

TEST_F(Places, LastBackupIsNoImportedOne) {
  add_import();
  EXPECT_EQ(last_backup(catalog_, {}), std::nullopt);

  add_backup();
  const auto last = last_backup(catalog_, {});
  clock_.advance(hours(1));
  add_import();
  EXPECT_EQ(last_backup(catalog_, {}), last);
}

TEST_F(Places, HasSnapshotKnowsTheLineage) {
  EXPECT_FALSE(has_snapshot(catalog_, "0", kLineage, {}));

  add_backup();

  EXPECT_TRUE(has_snapshot(catalog_, "0", kLineage, {}));
  EXPECT_FALSE(has_snapshot(catalog_, "0", lineage('a'), {}));
  EXPECT_FALSE(has_snapshot(catalog_, "1", kLineage, {}));
}

TEST_F(Places, HasSnapshotWantsACommit) {
  const std::string id = add_backup();
  for (const std::string& name : test::names_in(store_)) {
    if (name.starts_with(catalog::names::commits("orders"))) {
      store_.remove(name, {});
    }
  }
  EXPECT_FALSE(has_snapshot(catalog_, "0", kLineage, {})) << id;
}

TEST_F(Places, HasSnapshotIsNotFooledByALog) {
  add_segment(kLineage, 1000, 5000, test::sample_time());
  EXPECT_FALSE(has_snapshot(catalog_, "0", kLineage, {}));
}

TEST_F(Places, LastBackupIsTheNewest) {
  EXPECT_EQ(last_backup(catalog_, {}), std::nullopt);
  add_backup();
  clock_.advance(hours(3));
  add_backup();
  EXPECT_EQ(last_backup(catalog_, {}), test::sample_time() + hours(3));
}

}  // namespace
}  // namespace keyrewind::daemon
