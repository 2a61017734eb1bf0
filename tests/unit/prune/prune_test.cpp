#include "prune/prune.h"

#include "catalog/backup_lock.h"
#include "catalog/commits.h"
#include "catalog/hold.h"
#include "catalog/timeline.h"
#include "prune/lock_backups.h"
#include "sample.h"
#include "store/memory_store.h"
#include "support/faulty_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace keyrewind::prune {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using test::failure_of;
using test::Fault;
using test::FaultyStore;
using test::names_in;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

const std::string kOld(40, 'a');
const std::string kRunning(40, 'b');

/// Of the snapshot before the last hour.
constexpr std::int64_t kBase = 1000 + 18 * 100;

/// Keeps the last two backups, and the moments of the last hour.
policy::RetentionRules rules() {
  policy::RetentionRules rules{};
  rules.keep_last = 2;
  rules.keep_daily = rules.keep_weekly = rules.keep_monthly = 0;
  rules.keep_within = {};
  rules.recovery_window = hours(1);
  return rules;
}

/// A repository with an old lineage of one hour, 30 days ago, and a running one of three hours.
/// Each has a segment of 100 bytes every five minutes and a backup every half an hour.
class PruneTest : public testing::Test {
 protected:
  void SetUp() override {
    catalog::ensure_repository(store_, clock_, {});
    write_lineage(kOld, test::prune_time() - days(30), 12);
    write_lineage(kRunning, test::prune_time() - hours(3), 36);
    clock_.set(test::prune_time());
  }

  void write_lineage(const std::string& lineage, Timestamp from, int count) {
    test::LineageWriter log(store_, lineage, 1000);
    for (int segment = 0; segment < count; ++segment) {
      clock_.set(from + minutes(5 * segment));
      if (segment % 6 == 0) {
        ids_.push_back(test::take_backup(catalog_, clock_, lineage, log.end()).id);
      }
      log.write(100, from + minutes(5 * segment + 5));
    }
  }

  PruneReport prune_it(bool dry_run = false) {
    return prune::prune(catalog_, {.rules = rules(), .dry_run = dry_run}, clock_, {});
  }

  std::vector<std::string> backups() {
    std::vector<std::string> ids;
    for (const catalog::Commit& commit : catalog_.list({})) {
      ids.push_back(commit.id);
    }
    return ids;
  }

  void copy_to(store::ObjectStore& copy) {
    for (const std::string& name : names_in(store_)) {
      copy.put_if_absent(name, *store_.get(name, 1U << 20U, {}), {});
    }
  }

  catalog::Timeline timeline() { return catalog::read_timeline(catalog_, {}); }

  std::size_t segments_of(const std::string& lineage) {
    return names_in(store_, "sources/orders/shards/0/lineages/" + lineage + "/log/").size();
  }

  store::MemoryStore& store() { return store_; }
  catalog::Catalog& catalog() { return catalog_; }
  test::ManualClock& clock() { return clock_; }
  const std::vector<std::string>& ids() const { return ids_; }

 private:
  store::MemoryStore store_;
  test::ManualClock clock_{test::prune_time()};
  catalog::Catalog catalog_{store_, "orders"};
  std::vector<std::string> ids_;
};

TEST_F(PruneTest, RemovesWhatNoRuleKeepsAndTheLogThatNothingNeeds) {
  const PruneReport report = prune_it();

  // The last two, and the one before the last hour.
  EXPECT_THAT(backups(), ElementsAre(ids()[5], ids()[6], ids()[7]));
  EXPECT_EQ(report.kept_backups, 3U);
  EXPECT_EQ(report.removed_backups, 5U);
  EXPECT_EQ(segments_of(kOld), 0U);
  // From that one on, and the one that ends there.
  EXPECT_EQ(segments_of(kRunning), 19U);
  const auto windows = timeline().windows;
  ASSERT_THAT(windows, SizeIs(1));
  EXPECT_EQ(windows[0].begin, kBase);
  EXPECT_EQ(windows[0].until, test::prune_time());
  EXPECT_THAT(timeline().problems, IsEmpty());
  for (const std::string& name : names_in(store(), "sources/orders/shards/")) {
    EXPECT_THAT(name, Not(HasSubstr(kOld)));
  }
}

TEST_F(PruneTest, SaysWhyEachBackupStaysOrGoes) {
  const PruneReport report = prune_it(true);

  ASSERT_THAT(report.backups, SizeIs(8));
  EXPECT_FALSE(report.backups[0].keep);
  EXPECT_THAT(report.backups[0].reasons, ElementsAre("not among the last 2"));
  EXPECT_TRUE(report.backups[6].keep);
  EXPECT_THAT(report.backups[5].reasons, ElementsAre("recovery window"));
  EXPECT_THAT(report.backups[6].reasons, ElementsAre("last 2 of 2"));
  EXPECT_THAT(report.backups[7].reasons,
              ElementsAre("last good backup", "last 1 of 2", "the running log"));
  ASSERT_THAT(report.logs, SizeIs(2));
  EXPECT_EQ(report.logs[0].keep_from, std::nullopt);
  EXPECT_EQ(report.logs[0].removed_segments, 12U);
  EXPECT_EQ(report.logs[1].keep_from, kBase);
  EXPECT_EQ(report.logs[1].removed_segments, 17U);
  EXPECT_EQ(report.logs[1].kept_segments, 19U);
}

TEST_F(PruneTest, DryRunChangesNothingAndTakesNoLock) {
  const auto before = names_in(store());
  const auto lock = take_prune_lock(catalog(), {});

  const PruneReport report = prune_it(true);

  EXPECT_EQ(report.removed_backups, 5U);
  EXPECT_EQ(report.removed_objects, 0U);
  EXPECT_EQ(names_in(store()), before);
}

TEST_F(PruneTest, ASecondRunFindsNothingToDo) {
  prune_it();
  const auto before = names_in(store());

  const PruneReport report = prune_it();

  EXPECT_EQ(report.removed_backups, 0U);
  EXPECT_EQ(report.removed_objects, 0U);
  EXPECT_EQ(names_in(store()), before);
}

TEST_F(PruneTest, ASecondPrunerIsRefused) {
  const auto lock = take_prune_lock(catalog(), {});

  EXPECT_EQ(failure_of([&] { prune_it(); }).kind(), ErrorKind::busy);
  EXPECT_THAT(backups(), SizeIs(8));
}

TEST_F(PruneTest, StopsWhenItsLockIsLost) {
  FaultyStore faulty(store());
  catalog::Catalog through(faulty, "orders");
  faulty.lose_locks();

  const Error error =
      failure_of([&] { prune::prune(through, {.rules = rules(), .dry_run = false}, clock(), {}); });

  EXPECT_EQ(error.kind(), ErrorKind::busy);
  EXPECT_THAT(backups(), SizeIs(8));
}

TEST_F(PruneTest, LeavesAloneWhatIsNotOurs) {
  const std::vector<std::string> strange{
      "README.txt",
      "sources/orders/backups/notes.txt",
      "sources/orders/backups/" + ids()[0] + "/invoice.pdf",
      "sources/orders/commits/0000000001-a.json.bak",
      "sources/orders/locks/a.json",
      "sources/orders/holds/b/c.json",
      "sources/orders/shards/0/lineages/" + kOld + "/log/notes",
      "sources/orders/shards/0/lineages/" + kOld + "/snapshots/copy.rdb",
      "sources/orders/shards/0/lineages/" + kOld + "/trims/x.json",
      "sources/orders/shards/1/lineages/" + kOld + "/log/other",
      "sources/payments/commits/0000000001-20261120T130221Z-0a1b2c.json"};
  for (const std::string& name : strange) {
    store().put_if_absent(name, as_bytes("not ours"), {});
  }

  prune_it();

  for (const std::string& name : strange) {
    EXPECT_TRUE(store().head(name, {})) << name;
  }
}

TEST_F(PruneTest, LockedBackupsStay) {
  lock_backup(catalog(), ids()[0], {{}, test::prune_time() + days(1), "audit", clock().now()}, {});

  const PruneReport report = prune_it();

  EXPECT_THAT(backups(), ElementsAre(ids()[0], ids()[5], ids()[6], ids()[7]));
  EXPECT_THAT(report.backups[0].reasons, ElementsAre(HasSubstr("locked until 2026-12-01")));
  // Its own moment does, the log behind it does not; and the timeline says so.
  const auto found = timeline();
  ASSERT_THAT(found.windows, SizeIs(2));
  EXPECT_EQ(found.windows[0].begin, found.windows[0].end);
  ASSERT_THAT(found.gaps, SizeIs(1));
  EXPECT_EQ(found.gaps[0].reason, "retention removed the log behind it");

  unlock_backup(catalog(), ids()[0], {});
  prune_it();
  EXPECT_THAT(backups(), ElementsAre(ids()[5], ids()[6], ids()[7]));
  EXPECT_THAT(names_in(store(), "sources/orders/locks/"), IsEmpty());
}

TEST_F(PruneTest, ALockThatHasEndedGoesWithItsBackup) {
  lock_backup(catalog(), ids()[0], {{}, clock().now() + hours(1), "", clock().now()}, {});
  clock().advance(hours(2));

  prune_it();

  EXPECT_THAT(backups(), Not(Contains(ids()[0])));
  EXPECT_THAT(names_in(store(), "sources/orders/locks/"), IsEmpty());
}

TEST_F(PruneTest, ALockThatNobodyCanReadLocks) {
  store().put_if_absent("sources/orders/locks/" + ids()[0] + "/x.json", as_bytes("{"), {});

  prune_it();

  EXPECT_THAT(backups(), Contains(ids()[0]));
}

TEST_F(PruneTest, WhatIsBeingReadStaysUntilItIsRead) {
  const catalog::Commit old = catalog().list({}).front();
  {
    const catalog::ReadHold hold(
        catalog(), {.by = "restore", .backup = old, .lineage = kOld, .offset = 1000}, clock(), {});
    ASSERT_TRUE(hold.held());

    const PruneReport report = prune_it();

    EXPECT_THAT(backups(), Contains(old.id));
    EXPECT_THAT(report.backups[0].reasons, ElementsAre(HasSubstr("read by restore on ")));
    EXPECT_EQ(segments_of(kOld), 12U);
  }
  EXPECT_THAT(names_in(store(), "sources/orders/holds/"), IsEmpty());

  prune_it();

  EXPECT_THAT(backups(), Not(Contains(old.id)));
  EXPECT_EQ(segments_of(kOld), 0U);
}

TEST_F(PruneTest, AHoldOfEverythingKeepsEverything) {
  const catalog::ReadHold hold(catalog(), {.by = "verify"}, clock(), {});

  prune_it();

  EXPECT_THAT(backups(), SizeIs(8));
  EXPECT_EQ(segments_of(kOld) + segments_of(kRunning), 48U);
}

TEST_F(PruneTest, AHoldWhoseHolderDiedEnds) {
  const catalog::Hold hold{.id = "20261130T120000Z-000001",
                           .by = "restore on orders-0",
                           .everything = true,
                           .backup = {},
                           .lineage = {},
                           .offset = 0,
                           .until = clock().now() + catalog::kHoldTime};
  store().put_if_absent("sources/orders/holds/" + hold.id + ".json",
                        as_bytes(catalog::encode(hold)), {});

  clock().advance(catalog::kHoldTime + catalog::kHoldGrace - minutes(1));
  prune_it();
  EXPECT_THAT(backups(), SizeIs(8));

  clock().advance(minutes(2));
  prune_it();
  EXPECT_THAT(backups(), ElementsAre(ids()[5], ids()[6], ids()[7]));
  EXPECT_THAT(names_in(store(), "sources/orders/holds/"), IsEmpty());
}

TEST_F(PruneTest, AHoldThatComesTooLateIsTold) {
  const catalog::Commit old = catalog().list({}).front();
  prune_it();

  const Error gone = failure_of(
      [&] { catalog::ReadHold(catalog(), {.by = "restore", .backup = old}, clock(), {}); });
  EXPECT_EQ(gone.kind(), ErrorKind::no_backup);

  const catalog::Commit newest = catalog().list({}).back();
  const Error trimmed = failure_of([&] {
    catalog::ReadHold(catalog(),
                      {.by = "restore", .backup = newest, .lineage = kRunning, .offset = 1000},
                      clock(), {});
  });
  EXPECT_EQ(trimmed.kind(), ErrorKind::no_backup);
  EXPECT_THAT(names_in(store(), "sources/orders/holds/"), IsEmpty());
}

/// Somebody begins to read between each two calls of a run: either he is told that it is gone, or
/// everything that he reads is still there when the run is over.
TEST_F(PruneTest, AReaderAtAnyMomentIsSafeOrTold) {
  const catalog::Commit old = catalog().list({}).front();
  const auto manifest = catalog().manifest(old, {});
  std::size_t safe = 0;
  std::size_t told = 0;
  for (std::uint64_t call = 1;; ++call) {
    store::MemoryStore copy;
    copy_to(copy);
    catalog::Catalog reader(copy, "orders");
    FaultyStore racing(copy);
    catalog::Catalog pruner(racing, "orders");
    std::optional<catalog::ReadHold> hold;
    bool was_told = false;
    racing.meanwhile(call, [&] {
      try {
        hold.emplace(
            reader,
            catalog::HoldRequest{.by = "restore", .backup = old, .lineage = kOld, .offset = 1000},
            clock(), std::stop_token());
      } catch (const Error& error) {
        was_told = error.kind() == ErrorKind::no_backup;
      }
    });
    prune::prune(pruner, {.rules = rules(), .dry_run = false}, clock(), {});
    if (racing.calls() < call) {
      break;
    }

    ASSERT_NE(hold.has_value(), was_told);
    if (hold) {
      ++safe;
      ASSERT_TRUE(copy.head(manifest.snapshots.front().object.name, {})) << call;
      ASSERT_TRUE(copy.head(old.manifest.name, {})) << call;
      ASSERT_THAT(names_in(copy, "sources/orders/shards/0/lineages/" + kOld + "/log/"), SizeIs(12))
          << call;
    }
    told += was_told ? 1U : 0U;
  }
  EXPECT_GT(safe, 0U);
  EXPECT_GT(told, 0U);
}

TEST_F(PruneTest, GoesOnWithoutAHoldWhereItMayNotWrite) {
  const catalog::Commit newest = catalog().list({}).back();
  FaultyStore faulty(
      store(),
      {.mode = Fault::Mode::fail_before, .call = 2, .every = 0, .kind = ErrorKind::denied});
  catalog::Catalog through(faulty, "orders");

  const catalog::ReadHold hold(through, {.by = "restore", .backup = newest}, clock(), {});

  EXPECT_FALSE(hold.held());
}

TEST_F(PruneTest, NothingGoesWhileABackupIsDamaged) {
  const catalog::Commit commit = catalog().list({})[3];
  store().remove(commit.manifest.name, {});
  const auto before = names_in(store());

  const PruneReport report = prune_it();

  EXPECT_THAT(report.problems, ElementsAre(HasSubstr(commit.id)));
  EXPECT_EQ(report.removed_backups, 0U);
  EXPECT_EQ(names_in(store()), before);
}

TEST_F(PruneTest, NothingGoesWhileASnapshotIsMissing) {
  const catalog::Commit commit = catalog().list({}).back();
  store().remove(catalog().manifest(commit, {}).snapshots.front().object.name, {});
  const auto before = names_in(store());

  const PruneReport report = prune_it();

  EXPECT_THAT(report.problems, ElementsAre(HasSubstr(commit.id)));
  EXPECT_EQ(names_in(store()), before);
}

/// A store that does not let go of some objects: they are locked.
class LockingStore final : public store::ObjectStore {
 public:
  LockingStore(store::ObjectStore& inner, std::string locked)
      : inner_(inner), locked_(std::move(locked)) {}

  void let_go() { locked_ = "nothing at all"; }

  std::string url() const override { return inner_.url(); }
  void create() override { inner_.create(); }
  bool put_if_absent(const std::string& name, ByteView content, std::stop_token stop) override {
    return inner_.put_if_absent(name, content, std::move(stop));
  }
  std::unique_ptr<store::Upload> upload(const std::string& name, std::stop_token stop) override {
    return inner_.upload(name, std::move(stop));
  }
  std::optional<Bytes> get(const std::string& name, std::uint64_t max_bytes,
                           std::stop_token stop) const override {
    return inner_.get(name, max_bytes, std::move(stop));
  }
  void read(const std::string& name, std::uint64_t offset, std::span<std::byte> into,
            std::stop_token stop) const override {
    inner_.read(name, offset, into, std::move(stop));
  }
  std::optional<store::ObjectInfo> head(const std::string& name,
                                        std::stop_token stop) const override {
    return inner_.head(name, std::move(stop));
  }
  std::vector<store::ObjectInfo> list(const std::string& prefix,
                                      std::stop_token stop) const override {
    return inner_.list(prefix, std::move(stop));
  }
  bool empty(std::stop_token stop) const override { return inner_.empty(std::move(stop)); }
  void remove(const std::string& name, std::stop_token stop) override {
    if (name.find(locked_) != std::string::npos) {
      throw Error(Side::repository, ErrorKind::denied, "remove " + name + ": AccessDenied");
    }
    inner_.remove(name, std::move(stop));
  }
  std::optional<store::Record> read_record(const std::string& name,
                                           std::stop_token stop) const override {
    return inner_.read_record(name, std::move(stop));
  }
  std::optional<std::string> swap_record(const std::string& name, ByteView content,
                                         const std::optional<std::string>& expected,
                                         std::stop_token stop) override {
    return inner_.swap_record(name, content, expected, std::move(stop));
  }
  std::size_t remove_abandoned_uploads(const std::string& prefix, const store::WhichNames& which,
                                       std::stop_token stop) override {
    return inner_.remove_abandoned_uploads(prefix, which, std::move(stop));
  }
  std::unique_ptr<store::StoreLock> try_lock(const std::string& name,
                                             std::stop_token stop) override {
    return inner_.try_lock(name, std::move(stop));
  }

 private:
  store::ObjectStore& inner_;
  std::string locked_;
};

TEST_F(PruneTest, WhatTheStoreDoesNotLetGoOfIsReportedAndTriedAgain) {
  const PruneOptions options{.rules = rules(), .dry_run = false};
  for (const std::string locked : {"commits/0000000001", "/snapshots/", "/log/", "manifest.json"}) {
    store::MemoryStore copy;
    copy_to(copy);
    LockingStore locking(copy, locked);
    catalog::Catalog through(locking, "orders");

    const PruneReport report = prune::prune(through, options, clock(), {});

    EXPECT_THAT(report.refused, Not(IsEmpty())) << locked;
    for (const Refusal& refusal : report.refused) {
      EXPECT_THAT(refusal.object, HasSubstr(locked));
      EXPECT_THAT(refusal.reason, HasSubstr("AccessDenied"));
    }
    EXPECT_THAT(catalog::read_timeline(through, {}).problems, IsEmpty()) << locked;
    EXPECT_THAT(through.list({}), SizeIs(locked == "commits/0000000001" ? 4 : 3)) << locked;

    locking.let_go();
    EXPECT_THAT(prune::prune(through, options, clock(), {}).refused, IsEmpty()) << locked;
    EXPECT_THAT(names_in(copy, "sources/orders/shards/0/lineages/" + kOld), IsEmpty()) << locked;
    EXPECT_THAT(through.list({}), SizeIs(3)) << locked;
  }
}

TEST_F(PruneTest, FailsWhereNothingMayBeRemoved) {
  LockingStore locking(store(), "sources/");
  catalog::Catalog through(locking, "orders");

  const Error error =
      failure_of([&] { prune::prune(through, {.rules = rules(), .dry_run = false}, clock(), {}); });

  EXPECT_EQ(error.kind(), ErrorKind::denied);
  EXPECT_THAT(backups(), SizeIs(8));
}

TEST_F(PruneTest, OldEventsGoWithTheirLog) {
  const auto put = [&](const std::string& lineage, const std::string& id, std::int64_t offset,
                       Timestamp at) {
    const catalog::Event event{id, "gap", lineage, offset, at, "a word"};
    store().put_if_absent(catalog::names::event("orders", "0", lineage, id),
                          as_bytes(catalog::encode(event)), {});
  };
  put(kOld, "20261031T130000Z-000001", 2200, test::prune_time() - days(30));
  put(kRunning, "20261130T093000Z-000002", 1500, test::prune_time() - minutes(150));
  put(kRunning, "20261130T113000Z-000003", 4500, test::prune_time() - minutes(30));

  prune_it();

  const auto events = timeline().events;
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(events[0].id, "20261130T113000Z-000003");
}

TEST_F(PruneTest, AnEmptyRepositoryIsNoTrouble) {
  store::MemoryStore nothing;
  catalog::Catalog catalog(nothing, "orders");

  const PruneReport report =
      prune::prune(catalog, {.rules = rules(), .dry_run = false}, clock(), {});

  EXPECT_THAT(report.backups, IsEmpty());
  EXPECT_THAT(names_in(nothing), IsEmpty());
}

/// Killed at each call in turn, then run again: what is listed is whole at any moment, nothing that
/// is wanted is lost, and in the end it is as if nothing had happened.
TEST_F(PruneTest, CompletesWhatAKilledRunBegan) {
  const PruneOptions options{.rules = rules(), .dry_run = false};
  store::MemoryStore pruned;
  copy_to(pruned);
  catalog::Catalog clean(pruned, "orders");
  prune::prune(clean, options, clock(), {});
  for (const Fault::Mode mode : {Fault::Mode::fail_before, Fault::Mode::fail_after}) {
    for (std::uint64_t call = 1; !HasFailure(); ++call) {
      store::MemoryStore copy;
      copy_to(copy);
      FaultyStore faulty(copy, {.mode = mode, .call = call});
      catalog::Catalog through(faulty, "orders");
      try {
        prune::prune(through, options, clock(), {});
      } catch (const Error&) {
        // It was killed.
      }
      catalog::Catalog left(copy, "orders");

      const catalog::Timeline between = catalog::read_timeline(left, {});
      EXPECT_THAT(between.problems, IsEmpty()) << call;
      ASSERT_THAT(between.windows, Not(IsEmpty()));
      EXPECT_LE(between.windows.back().begin, kBase) << call;
      EXPECT_EQ(between.windows.back().until, test::prune_time()) << call;

      prune::prune(left, options, clock(), {});
      EXPECT_EQ(names_in(copy), names_in(pruned)) << call;
      if (faulty.calls() < call) {
        break;
      }
    }
  }
}

}  // namespace
}  // namespace keyrewind::prune
