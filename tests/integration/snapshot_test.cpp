// A snapshot through a store and back, without a server: backup::store_snapshot and
// restore::read_snapshot are each other's inverse, and no fault makes anything half visible.

#include "backup/snapshot_upload.h"
#include "backup/take_backup.h"
#include "base/error.h"
#include "base/log.h"
#include "catalog/catalog.h"
#include "rdb/crc64.h"
#include "restore/read_snapshot.h"
#include "store/file_store.h"
#include "store/memory_store.h"
#include "support/dataset.h"
#include "support/faulty_store.h"
#include "support/manual_clock.h"
#include "support/redis_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <string>

namespace keyrewind::test {
namespace {

const std::string kObject = "sources/orders/snapshot.rdb.zst";

/// An RDB of about `bytes` bytes: string keys with values of 1,000 random bytes.
std::string make_rdb(std::size_t bytes) {
  std::mt19937_64 random(7);
  std::string rdb = "REDIS0011";
  rdb += std::string("\xfe\x00", 2);
  for (int key = 0; rdb.size() < bytes; ++key) {
    const std::string name = "key" + std::to_string(key);
    rdb += '\0';
    rdb += static_cast<char>(name.size());
    rdb += name;
    rdb += std::string("\x43\xe8", 2);  // 1,000 as a 14-bit length
    for (int i = 0; i < 125; ++i) {
      const std::uint64_t word = random();
      rdb.append(reinterpret_cast<const char*>(&word), sizeof word);
    }
  }
  rdb += '\xff';
  const std::uint64_t crc = rdb::crc64(as_bytes(rdb));
  rdb.append(reinterpret_cast<const char*>(&crc), sizeof crc);
  return rdb;
}

/// Gives `rdb` in reads of changing size, as a socket does.
backup::ReadSome reader_of(const std::string& rdb) {
  return [&rdb, at = std::size_t{0}, size = std::size_t{1}](std::span<std::byte> into) mutable {
    size = size * 5 % 300'007 + 1;
    const std::size_t got = std::min({rdb.size() - at, into.size(), size});
    std::memcpy(into.data(), rdb.data() + at, got);
    at += got;
    return got;
  };
}

catalog::Snapshot store_as_snapshot(const std::string& rdb, store::ObjectStore& store,
                                    const backup::PipelineOptions& options = {}) {
  Progress progress;
  auto stored =
      backup::store_snapshot(reader_of(rdb), store, kObject, options, progress, std::stop_token());
  EXPECT_EQ(progress.bytes, rdb.size());
  catalog::Snapshot snapshot;
  snapshot.object = stored.object;
  snapshot.index_offset = stored.index_offset;
  snapshot.index_bytes = stored.index_bytes;
  snapshot.index_sha256 = stored.index_sha256;
  snapshot.raw_sha256 = stored.raw_sha256;
  snapshot.rdb = stored.rdb;
  return snapshot;
}

std::string read_back(store::ObjectStore& store, const catalog::Snapshot& snapshot,
                      restore::ReadOptions options = {}) {
  options.check_object = true;
  Progress progress;
  std::string rdb;
  restore::read_snapshot(
      store, snapshot, options, [&](ByteView raw) { rdb += as_text(raw); }, progress,
      std::stop_token());
  return rdb;
}

TEST(Snapshot, ComesBackByteForByteWithAnyNumberOfThreads) {
  const std::string rdb = make_rdb(30U << 20U);
  for (const std::size_t threads : {1U, 2U, 5U}) {
    store::MemoryStore store;
    const auto snapshot = store_as_snapshot(rdb, store, {.threads = threads});

    EXPECT_TRUE(read_back(store, snapshot, {.threads = threads}) == rdb);
    Progress progress;
    EXPECT_NO_THROW(
        restore::check_stored_bytes(store, snapshot, {.threads = threads}, progress, {}));
  }
}

TEST(Snapshot, WithLittleMemoryUsesFewerThreads) {
  const std::string rdb = make_rdb(20U << 20U);
  store::MemoryStore store;

  const auto snapshot = store_as_snapshot(rdb, store, {.threads = 16, .memory = 64U << 20U});

  EXPECT_TRUE(read_back(store, snapshot, {.threads = 16, .memory = 64U << 20U}) == rdb);
}

TEST(Snapshot, ThatIsCutShortOrDamagedLeavesNothing) {
  const std::string good = make_rdb(5U << 20U);
  std::string flipped = good;
  flipped[4'000'000] ^= 1;
  for (const std::string& bad :
       {good.substr(0, good.size() - 1), good.substr(0, 4U << 20U), flipped, std::string()}) {
    store::MemoryStore store;
    EXPECT_THROW(store_as_snapshot(bad, store), Error);
    EXPECT_TRUE(store.empty({}));
  }
}

TEST(Snapshot, OfAnUnknownTypeIsTakenOpaquelyAndComesBack) {
  std::string rdb = make_rdb(5U << 20U);
  rdb.resize(rdb.size() - 9);
  rdb += std::string("\x63\x01k\x01v\xff", 6);  // value type 99
  const std::uint64_t crc = rdb::crc64(as_bytes(rdb));
  rdb.append(reinterpret_cast<const char*>(&crc), sizeof crc);
  store::MemoryStore store;

  const auto snapshot = store_as_snapshot(rdb, store);

  EXPECT_THAT(snapshot.rdb.opaque_reason, testing::HasSubstr("99"));
  EXPECT_TRUE(read_back(store, snapshot) == rdb);
}

TEST(Snapshot, ThatTheManifestDoesNotDescribeIsRefused) {
  const std::string rdb = make_rdb(100'000);
  store::MemoryStore store;
  const auto good = store_as_snapshot(rdb, store);

  const auto expect_refused = [&](auto change) {
    catalog::Snapshot bad = good;
    change(bad);
    EXPECT_THROW(read_back(store, bad), Error);
  };
  expect_refused([](auto& bad) { bad.raw_sha256[0] = bad.raw_sha256[0] == '0' ? '1' : '0'; });
  expect_refused([](auto& bad) { bad.index_sha256[0] = bad.index_sha256[0] == '0' ? '1' : '0'; });
  expect_refused([](auto& bad) { bad.object.sha256[0] = bad.object.sha256[0] == '0' ? '1' : '0'; });
  expect_refused([](auto& bad) { bad.index_offset -= 1; });
  expect_refused([](auto& bad) { bad.object.bytes += 1; });
  expect_refused([](auto& bad) { bad.rdb.bytes += 1; });
  expect_refused([](auto& bad) { bad.rdb.crc64 ^= 1; });
  expect_refused([](auto& bad) { bad.rdb.databases[0].keys += 1; });
  expect_refused([](auto& bad) { bad.object.name = "sources/orders/other"; });
  EXPECT_NO_THROW(read_back(store, good));
}

TEST(Snapshot, StopsWhenAsked) {
  store::MemoryStore store;
  std::stop_source stop;
  Progress progress;
  std::string rdb = make_rdb(20U << 20U);
  auto read = reader_of(rdb);
  const backup::ReadSome read_and_stop = [&](std::span<std::byte> into) {
    if (progress.bytes > 8U << 20U) {
      stop.request_stop();
    }
    return read(into);
  };

  EXPECT_THROW(
      backup::store_snapshot(read_and_stop, store, kObject, {}, progress, stop.get_token()), Error);
  EXPECT_TRUE(store.empty({}));
}

/// Fails the first call to the store, then the second, and so on, until a backup succeeds.
class FailEveryCall : public testing::TestWithParam<Fault::Mode> {};

TEST_P(FailEveryCall, LeavesAWholeBackupOrNoneAndTheNextRunSucceeds) {
  require_server("redis-server-7.0");
  if (IsSkipped() || HasFatalFailure()) {
    return;
  }
  log::configure(log::Level::error, log::Format::text);
  RedisServer server;
  fill(server, {.scale = 200});
  backup::BackupOptions options;
  options.source.address = replica::parse_address(server.url());
  const SystemClock clock;

  bool succeeded = false;
  for (std::uint64_t call = 1; !succeeded; ++call) {
    ASSERT_LT(call, 200U);
    const TempDir folder;
    store::FileStore files(folder / "repository");
    FaultyStore faulty(files, {.mode = GetParam(), .call = call});
    catalog::Catalog catalog(faulty, "orders");
    Progress progress;
    try {
      backup::take_backup(catalog, options, clock, progress, {});
      succeeded = faulty.calls() < call;  // Some calls may fail without harm.
    } catch (const Error& error) {
      EXPECT_NE(error.kind(), ErrorKind::internal) << error.what();
    }

    catalog::Catalog sound(files, "orders");
    files.create();
    const std::size_t before = sound.list({}).size();
    EXPECT_LE(before, 1U);
    Progress again;
    backup::take_backup(sound, options, clock, again, {});
    const auto backups = sound.list({});
    ASSERT_EQ(backups.size(), before + 1) << "after call " << call;
    for (const auto& commit : backups) {
      const auto manifest = sound.manifest(commit, {});
      EXPECT_NO_THROW(read_back(files, manifest.snapshots.front()));
    }
    EXPECT_EQ(files.list("sources/orders/shards/", {}).size(), before + 1)
        << "leftovers after call " << call;
  }
}

INSTANTIATE_TEST_SUITE_P(Modes, FailEveryCall,
                         testing::Values(Fault::Mode::fail_before, Fault::Mode::fail_after),
                         [](const auto& test) {
                           return test.param == Fault::Mode::fail_before ? "Before" : "After";
                         });

TEST(Backup, KeepsItsOrderWhenTheClockGoesBackwards) {
  require_server("redis-server-7.0");
  if (testing::Test::IsSkipped() || testing::Test::HasFatalFailure()) {
    return;
  }
  RedisServer server;
  backup::BackupOptions options;
  options.source.address = replica::parse_address(server.url());
  store::MemoryStore store;
  catalog::Catalog catalog(store, "orders");
  ManualClock clock(SystemClock().now());
  Progress progress;
  const auto first = backup::take_backup(catalog, options, clock, progress, {});
  clock.advance(-std::chrono::hours(24));

  const auto second = backup::take_backup(catalog, options, clock, progress, {});

  EXPECT_EQ(catalog.find("latest", {}).id, second.commit.id);
  EXPECT_LT(second.commit.created, first.commit.created);
  ASSERT_EQ(second.warnings.size(), 1U);
  EXPECT_THAT(second.warnings.front(), testing::HasSubstr("clock"));
}

}  // namespace
}  // namespace keyrewind::test
