// A backup into a store that encrypts: what its manifest says of it, that nothing which stands in
// plain tells of the content, and that `age` and `zstd` bring it back.

#include "backup/snapshot_upload.h"
#include "backup/take_backup.h"
#include "base/error.h"
#include "catalog/catalog.h"
#include "catalog/commits.h"
#include "catalog/names.h"
#include "codec/age.h"
#include "codec/frame_index.h"
#include "codec/sha256.h"
#include "rdb/crc64.h"
#include "store/encrypted_store.h"
#include "store/file_store.h"
#include "support/manual_clock.h"
#include "support/paths.h"
#include "support/process.h"
#include "support/redis_server.h"
#include "support/temp_dir.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace keyrewind::backup {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kSecret =
    "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";
constexpr std::uint64_t kMost = 64U << 20U;

/// Only for what a test looks up in its own files.
std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// One string key with a value of `bytes` bytes.
std::string make_rdb(std::size_t bytes) {
  std::string rdb = "REDIS0011";
  rdb += std::string("\xfe\x00\x00\x03key\x80", 8);
  for (int shift = 24; shift >= 0; shift -= 8) {
    rdb += static_cast<char>(bytes >> shift);
  }
  std::uint32_t state = 1;
  for (std::size_t i = 0; i < bytes; ++i) {
    state = state * 1664525 + 1013904223;
    rdb += static_cast<char>(state >> 24);
  }
  rdb += '\xff';
  const std::uint64_t crc = rdb::crc64(as_bytes(rdb));
  rdb.append(reinterpret_cast<const char*>(&crc), sizeof crc);
  return rdb;
}

class EncryptedBackupTest : public testing::Test {
 protected:
  store::EncryptedStore& store() { return store_; }
  catalog::Catalog& catalog() { return catalog_; }
  const test::ManualClock& clock() const { return clock_; }
  std::filesystem::path folder() const { return folder_.path(); }

  std::string stored(const std::string& name) { return read_file(folder() / name); }

  StoredSnapshot upload(const std::string& rdb, const std::string& name) {
    Progress progress;
    std::size_t at = 0;
    const ReadSome read = [&](std::span<std::byte> into) {
      const std::size_t got = std::min(rdb.size() - at, into.size());
      std::memcpy(into.data(), rdb.data() + at, got);
      at += got;
      return got;
    };
    return store_snapshot(read, store_, name, {}, progress, {});
  }

  /// A whole backup without a server.
  catalog::Commit write_backup(const std::string& rdb) {
    catalog::Writer writer(catalog_, clock_, {});
    catalog::Manifest manifest;
    manifest.id = writer.new_id();
    manifest.source = "orders";
    catalog::Snapshot snapshot;
    snapshot.shard = "0";
    snapshot.lineage = snapshot.replid = std::string(40, 'a');
    StoredSnapshot stored = upload(
        rdb, catalog::names::snapshot("orders", "0", snapshot.lineage, 1, manifest.id, true));
    snapshot.object = stored.object;
    snapshot.index_offset = stored.index_offset;
    snapshot.index_bytes = stored.index_bytes;
    snapshot.index_sha256 = stored.index_sha256;
    snapshot.raw_sha256 = stored.raw_sha256;
    snapshot.rdb = stored.rdb;
    manifest.snapshots.push_back(snapshot);
    return writer.commit(manifest, {});
  }

 private:
  test::TempDir folder_;
  store::EncryptedStore store_{std::make_unique<store::FileStore>(folder_.path()),
                               {codec::AgeIdentity(kSecret).recipient()},
                               {codec::AgeIdentity(kSecret)}};
  catalog::Catalog catalog_{store_, "orders"};
  test::ManualClock clock_{Timestamp(std::chrono::milliseconds(1795179741123))};
};

TEST_F(EncryptedBackupTest, KnowsItsObjectAsStoredAndItsIndexAsHeld) {
  const std::string name = "sources/orders/snapshot.rdb.zst.age";
  const std::string rdb = make_rdb(9U << 20U);

  const StoredSnapshot snapshot = upload(rdb, name);

  const std::string object = stored(name);
  EXPECT_THAT(object.substr(0, 22), "age-encryption.org/v1\n");
  EXPECT_EQ(snapshot.object.bytes, object.size());
  EXPECT_EQ(snapshot.object.sha256, codec::sha256_hex(as_bytes(object)));
  EXPECT_EQ(snapshot.raw_sha256, codec::sha256_hex(as_bytes(rdb)));
  const Bytes held = store().get(name, kMost, {}).value();
  EXPECT_EQ(held.size(), snapshot.index_offset + snapshot.index_bytes);
  Bytes index(snapshot.index_bytes);
  store().read(name, snapshot.index_offset, index, {});
  EXPECT_EQ(codec::decode_frame_index(index).size(), 3U);
  EXPECT_EQ(snapshot.index_sha256, codec::sha256_hex(index));
}

TEST_F(EncryptedBackupTest, OfAPlainNameIsStoredAsItIs) {
  const std::string name = "sources/orders/snapshot.rdb.zst";

  const StoredSnapshot snapshot = upload(make_rdb(100'000), name);

  EXPECT_EQ(snapshot.object.bytes, snapshot.index_offset + snapshot.index_bytes);
  EXPECT_EQ(snapshot.object.sha256, codec::sha256_hex(as_bytes(stored(name))));
}

TEST_F(EncryptedBackupTest, IsRecoveredWithoutKeyrewindAsTheFormatShows) {
  if (::access("/usr/bin/age", X_OK) != 0) {
    const char* required = std::getenv("KEYREWIND_REQUIRE_SERVERS");
    ASSERT_FALSE(required != nullptr && std::string_view(required) == "1")
        << "age is not on this machine, and KEYREWIND_REQUIRE_SERVERS=1 wants it";
    GTEST_SKIP() << "age is not on this machine; install Debian's package age";
  }
  const std::string rdb = make_rdb(5U << 20U);
  const catalog::Commit commit = write_backup(rdb);
  const catalog::Manifest manifest = catalog().manifest(commit, {});
  const test::TempDir out;
  std::ofstream(out / "keyrewind.key") << kSecret << "\n";

  const std::string page = read_file(test::source_dir() / "agent/catalog/FORMAT.md");
  const std::size_t section = page.find("### If it is encrypted\n");
  ASSERT_NE(section, std::string::npos);
  const std::size_t begin = page.find("```sh\n", section) + 6;
  std::string commands = page.substr(begin, page.find("```", begin) - begin);
  commands.erase(commands.find("jq "));  // Compared below.
  for (std::size_t at = 0; (at = commands.find("/tmp/", at)) != std::string::npos;) {
    commands.replace(at, 5, "$HOME/");
  }
  const test::RunResult run =
      test::run({.command = {"sh", "-euc",
                             "manifest=" + commit.manifest.name + "\nobject=" +
                                 manifest.snapshots.front().object.name + "\n" + commands},
                 .env = {{"HOME", out.path().native()}},
                 .cwd = folder()});

  ASSERT_EQ(run.status, 0) << run.err;
  EXPECT_TRUE(read_file(out / "dump.rdb") == rdb);
  EXPECT_THAT(read_file(out / "details.json"), HasSubstr(codec::sha256_hex(as_bytes(rdb))));
}

TEST_F(EncryptedBackupTest, OfAServerTellsNothingOfItInPlain) {
  test::require_server("redis-server-7.0");
  if (testing::Test::IsSkipped() || testing::Test::HasFatalFailure()) {
    return;
  }
  test::RedisServer server({.args = {"--maxmemory", "123456789012", "--latency-tracking", "no"}});
  server.cli({"ACL", "SETUSER", "billing", "on", ">correct horse", "~secret-key*", "+get"});
  server.cli({"SET", "secret-key", "secret-value"});
  server.cli({"FUNCTION", "LOAD",
              "#!lua name=pricing\nredis.register_function('f', function() return 1 end)"});
  BackupOptions options;
  options.source.address = replica::parse_address(server.url());
  Progress progress;

  const BackupResult result = take_backup(catalog(), options, clock(), progress, {});

  const std::string hash = codec::sha256_hex(as_bytes("correct horse"));
  const catalog::Manifest manifest = catalog().manifest(result.commit, {});
  const catalog::Snapshot& snapshot = manifest.snapshots.front();
  std::string plain;
  for (const auto& object : store().list("", {})) {
    plain += object.name + "\n";
    if (!object.name.ends_with(store::kEncryptedSuffix)) {
      plain += stored(object.name);
    }
  }
  for (const std::string& secret :
       {hash, std::string("billing"), std::string("secret-"), std::string("123456789012"),
        std::string("pricing"), std::string("redis-bits"), snapshot.raw_sha256,
        snapshot.index_sha256, fmt::format("{:016x}", snapshot.rdb.crc64)}) {
    EXPECT_THAT(plain, Not(HasSubstr(secret)));
  }
  EXPECT_EQ(snapshot.rdb.functions, std::vector<std::string>{"pricing"});
  EXPECT_EQ(manifest.servers.at("0").config.at("maxmemory"), "123456789012");
  const auto& users = manifest.servers.at("0").acl_users_with_hashes;
  EXPECT_TRUE(std::ranges::any_of(users, [&](const Secret& user) {
    return user.reveal().find(hash) != std::string_view::npos;
  }));
  for (const std::string& user : manifest.servers.at("0").acl_users) {
    EXPECT_THAT(user, Not(HasSubstr(hash)));
  }
}

TEST_F(EncryptedBackupTest, IsFollowedByNoPlainOneUnlessTheOptionsSaySo) {
  test::require_server("redis-server-7.0");
  if (testing::Test::IsSkipped() || testing::Test::HasFatalFailure()) {
    return;
  }
  write_backup(make_rdb(10));
  test::RedisServer server;
  store::FileStore plain_store(folder());
  catalog::Catalog plain(plain_store, "orders");
  BackupOptions options;
  options.source.address = replica::parse_address(server.url());
  Progress progress;

  try {
    take_backup(plain, options, clock(), progress, {});
    ADD_FAILURE() << "it was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::config);
    EXPECT_THAT(error.what(), HasSubstr("set encryption.recipients"));
  }

  options.allow_plaintext = true;
  const BackupResult result = take_backup(plain, options, clock(), progress, {});
  EXPECT_FALSE(plain.manifest(result.commit, {}).snapshots.front().object.encrypted());
}

}  // namespace
}  // namespace keyrewind::backup
