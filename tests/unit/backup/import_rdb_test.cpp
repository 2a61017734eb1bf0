#include "backup/import_rdb.h"

#include "base/error.h"
#include "base/log.h"
#include "catalog/imports.h"
#include "rdb/crc64.h"
#include "store/memory_store.h"
#include "support/manual_clock.h"
#include "support/paths.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>

namespace keyrewind::backup {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
using testing::StartsWith;

const Timestamp kNow(seconds(1'800'000'000));

std::string sample(const std::string& name) {
  std::ifstream file(test::source_dir() / "tests/data/rdb" / name, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// An RDB of these auxiliary fields and nothing else, with its checksum.
std::string rdb_with(const std::vector<std::pair<std::string, std::string>>& fields) {
  const auto text = [](const std::string& value) {
    return std::string(1, static_cast<char>(value.size())) + value;
  };
  std::string rdb = "REDIS0009";
  for (const auto& [name, value] : fields) {
    rdb += '\xfa' + text(name) + text(value);
  }
  rdb += '\xff';
  const std::uint64_t crc = rdb::crc64(as_bytes(rdb));
  for (unsigned shift = 0; shift < 64; shift += 8) {
    rdb += static_cast<char>(crc >> shift & 0xffU);
  }
  return rdb;
}

class ImportRdb : public testing::Test {
 protected:
  ImportRdb() { log::configure(log::Level::error, log::Format::text); }

  /// `content` as it comes in reads of at most `read_bytes`.
  BackupResult import(const std::string& content, std::size_t read_bytes = 1000) {
    std::size_t at = 0;
    const ForeignRdb rdb{
        .from = "/srv/dump.rdb", .read = [&](std::span<std::byte> into) {
          const std::size_t got = std::min({into.size(), read_bytes, content.size() - at});
          std::ranges::copy(as_bytes(content).subspan(at, got), into.begin());
          at += got;
          return got;
        }};
    Progress progress;
    return import_rdb(catalog_, rdb, {.pipeline = {}, .labels = {{"why", "test"}}}, clock_,
                      progress, {});
  }

  std::string refusal(const std::string& content) {
    try {
      import(content);
    } catch (const Error& error) {
      EXPECT_EQ(exit_status(error), ExitStatus::corrupt) << error.what();
      EXPECT_TRUE(catalog_.list({}).empty());
      EXPECT_TRUE(store_.list("sources/orders/shards/", {}).empty());
      return error.what();
    }
    return "no refusal";
  }

  catalog::Snapshot imported(const std::string& content) {
    return catalog_.manifest(import(content).commit, {}).snapshots.at(0);
  }

  test::ManualClock clock_{kNow};
  store::MemoryStore store_;
  catalog::Catalog catalog_{store_, "orders"};
};

TEST_F(ImportRdb, MakesABackupLikeAnyOther) {
  const auto result = import(sample("redis-7.0.rdb"));

  const auto backups = catalog_.list({});
  ASSERT_EQ(backups.size(), 1U);
  EXPECT_EQ(backups[0], result.commit);
  EXPECT_TRUE(result.warnings.empty());
  EXPECT_THAT(backups[0].server, StartsWith("Redis 7.0."));
  EXPECT_GT(backups[0].keys, 0U);
  EXPECT_EQ(backups[0].labels.at("why"), "test");
  EXPECT_EQ(backups[0].labels.at(catalog::kImportedFrom), "/srv/dump.rdb");
  EXPECT_TRUE(catalog::is_import(backups[0]));
}

TEST_F(ImportRdb, KnowsValkey) {
  EXPECT_THAT(import(sample("valkey-9.1-small.rdb")).commit.server, StartsWith("Valkey 9.1."));
}

TEST_F(ImportRdb, TakesWhateverPiecesItComesIn) {
  const std::string content = sample("redis-7.0-empty.rdb");

  EXPECT_EQ(import(content, 1).commit.raw_bytes, content.size());
}

TEST_F(ImportRdb, GivesEachALineageOfItsOwnAndOffsetZero) {
  const auto first = imported(sample("redis-7.0-empty.rdb"));
  const auto second = imported(sample("redis-7.0-empty.rdb"));

  EXPECT_EQ(first.lineage, first.replid);
  EXPECT_TRUE(replica::is_replid(first.replid));
  EXPECT_EQ(first.offset, 0);
  EXPECT_NE(first.lineage, second.lineage);
}

TEST_F(ImportRdb, IsOfTheMomentThatTheRdbNames) {
  EXPECT_EQ(imported(rdb_with({{"ctime", "1700000000"}})).taken, Timestamp(seconds(1700000000)));
}

TEST_F(ImportRdb, IsOfNowIfTheRdbNamesNoMomentOrOneToCome) {
  for (const std::string ctime : {"1900000000", "0", "-1", "soon", ""}) {
    EXPECT_EQ(imported(rdb_with({{"ctime", ctime}})).taken, kNow) << ctime;
  }
  EXPECT_EQ(imported(rdb_with({})).taken, kNow);
}

TEST_F(ImportRdb, DoesNotTakeAnythingForAVersion) {
  EXPECT_EQ(import(rdb_with({{"redis-ver", "6.2.14"}})).commit.server, "Redis 6.2.14");
  for (const std::string version : {"\xff\xfe", "7.0\n", "", "<b>7</b>"}) {
    EXPECT_EQ(import(rdb_with({{"redis-ver", version}})).commit.server, "Redis of unknown version");
  }
}

TEST_F(ImportRdb, NamesWhatIsNoRdb) {
  EXPECT_EQ(refusal(""), "/srv/dump.rdb: this is no RDB: it is empty");
  EXPECT_THAT(refusal("\x1f\x8b\x08 and so on"), HasSubstr("compressed by gzip; unpack it first"));
  EXPECT_THAT(refusal("\x28\xb5\x2f\xfd and so on"), HasSubstr("compressed by zstd"));
  EXPECT_THAT(refusal("\xfd\x37zXZ and so on"), HasSubstr("compressed by xz"));
  EXPECT_THAT(refusal("PK\x03\x04 and so on"), HasSubstr("zip archive"));
  EXPECT_THAT(refusal("age-encryption.org/v1\n"), HasSubstr("encrypted by age"));
  EXPECT_THAT(refusal("*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n"), HasSubstr("append-only file"));
  EXPECT_THAT(refusal("file a.aof seq 1 type i\n"), HasSubstr("manifest of an append-only file"));
  EXPECT_THAT(refusal("<!DOCTYPE html><html>"), HasSubstr("web page"));
  EXPECT_THAT(refusal("hello, this is no dump at all"), StartsWith("/srv/dump.rdb: "));
  EXPECT_THAT(refusal("REDIS"), StartsWith("/srv/dump.rdb: "));
  EXPECT_THAT(refusal("REDISxxxx and so on and so on"), StartsWith("/srv/dump.rdb: "));
}

TEST_F(ImportRdb, RefusesWhatIsCutShortAnywhere) {
  const std::string content = sample("valkey-9.1-small.rdb");
  for (std::size_t size = 0; size < content.size();
       size += std::max<std::size_t>(content.size() / 100, 1)) {
    EXPECT_NE(refusal(content.substr(0, size)), "no refusal") << size;
  }
  EXPECT_NE(refusal(content.substr(0, content.size() - 1)), "no refusal");
  EXPECT_NE(refusal(content + "x"), "no refusal");
}

TEST_F(ImportRdb, RefusesEveryFlippedBit) {
  const std::string content = sample("valkey-9.1-small.rdb");
  for (std::size_t at = 0; at < content.size();
       at += std::max<std::size_t>(content.size() / 100, 1)) {
    std::string damaged = content;
    damaged[at] = static_cast<char>(damaged[at] ^ 1 << at % 8);
    EXPECT_NE(refusal(damaged), "no refusal") << at;
  }
}

TEST_F(ImportRdb, KeepsWhatItCannotFollowWithAWarning) {
  std::string rdb = "REDIS0099\xf0 something new";
  rdb += '\xff';
  const std::uint64_t crc = rdb::crc64(as_bytes(rdb));
  for (unsigned shift = 0; shift < 64; shift += 8) {
    rdb += static_cast<char>(crc >> shift & 0xffU);
  }

  const auto result = import(rdb);

  EXPECT_TRUE(result.commit.opaque);
  EXPECT_THAT(result.warnings,
              testing::ElementsAre(HasSubstr("the snapshot was stored whole but not counted")));
}

TEST_F(ImportRdb, StoresNothingIfReadingFails) {
  const ForeignRdb rdb{.from = "x", .read = [](std::span<std::byte>) -> std::size_t {
                         throw Error(Side::source, ErrorKind::unavailable, "gone");
                       }};
  Progress progress;

  EXPECT_THROW(import_rdb(catalog_, rdb, {}, clock_, progress, {}), Error);
  EXPECT_TRUE(catalog_.list({}).empty());
}

}  // namespace
}  // namespace keyrewind::backup
