#include "base/error.h"
#include "catalog/catalog.h"
#include "catalog/commits.h"
#include "catalog/names.h"
#include "codec/age.h"
#include "sample.h"
#include "store/encrypted_store.h"
#include "store/memory_store.h"
#include "support/faulty_store.h"
#include "support/manual_clock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace keyrewind::catalog {
namespace {

using test::failure_of;
using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kSecret =
    "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";
constexpr std::string_view kOtherSecret =
    "AGE-SECRET-KEY-1EGTZVFFV20835NWYV6270LXYVK2VKNX2MMDKWYKLMGR48UAWX40Q2P2LM0";

/// One place, written to by an agent that encrypts, and whoever else looks at it.
class EncryptedCatalogTest : public testing::Test {
 protected:
  using Identities = std::vector<codec::AgeIdentity>;

  store::MemoryStore& place() { return place_; }
  Catalog& catalog() { return catalog_; }
  test::ManualClock& clock() { return clock_; }

  Commit write_backup() {
    Writer writer(catalog_, clock_, {});
    return test::write_backup(catalog_, writer, clock_);
  }

  std::unique_ptr<store::ObjectStore> reader(Identities identities) {
    return std::make_unique<store::EncryptedStore>(std::make_unique<test::FaultyStore>(place_),
                                                   std::vector<codec::AgeRecipient>{},
                                                   std::move(identities));
  }

  Manifest manifest_by(const Commit& commit, Identities identities) {
    const auto store = reader(std::move(identities));
    return Catalog(*store, "orders").manifest(commit, {});
  }

  /// All that stands in plain, names included.
  std::string all_plain_text() {
    std::string text;
    for (const store::ObjectInfo& object : place_.list("", {})) {
      text += object.name + "\n";
      if (!object.name.ends_with(store::kEncryptedSuffix)) {
        text += test::text_of(place_, object.name);
      }
    }
    return text;
  }

 private:
  store::MemoryStore place_;
  store::EncryptedStore store_{
      std::make_unique<test::FaultyStore>(place_), {codec::AgeIdentity(kSecret).recipient()}, {}};
  Catalog catalog_{store_, "orders"};
  test::ManualClock clock_{test::sample_time()};
};

TEST_F(EncryptedCatalogTest, HasDetailsBesideTheManifest) {
  const Commit commit = write_backup();

  const Manifest manifest = read_manifest(place(), commit, {});
  ASSERT_TRUE(manifest.details);
  EXPECT_EQ(manifest.details->name, names::details("orders", commit.id));
  for (const StoredObject& object : {*manifest.details, manifest.snapshots.front().object}) {
    EXPECT_TRUE(object.encrypted());
    const std::string stored = test::text_of(place(), object.name);
    EXPECT_THAT(stored, testing::StartsWith("age-encryption.org/v1\n"));
    EXPECT_EQ(object.bytes, stored.size());
    EXPECT_EQ(object.sha256, codec::sha256_hex(as_bytes(stored)));
  }
}

TEST_F(EncryptedCatalogTest, ShowsNothingOfTheContentInPlain) {
  write_backup();

  const std::string text = all_plain_text();
  const Snapshot sample = test::sample_manifest("orders", "id").snapshots.front();
  for (const std::string& secret :
       {sample.raw_sha256, sample.index_sha256, sample.object.sha256,
        std::string("0123456789abcdef"), std::string(64, 'd'), std::string("8589934592"),
        std::string("requirepass"), std::string("counters"), std::string("repl-stream-db")}) {
    EXPECT_THAT(text, Not(HasSubstr(secret)));
  }
}

TEST_F(EncryptedCatalogTest, IsReadWholeByWhoHasAnIdentity) {
  const Commit commit = write_backup();

  const Manifest manifest = manifest_by(commit, {codec::AgeIdentity(kSecret)});

  const Manifest sample = test::sample_manifest("orders", commit.id);
  EXPECT_TRUE(manifest.snapshots.front().digests_known);
  EXPECT_EQ(manifest.snapshots.front().raw_sha256, sample.snapshots.front().raw_sha256);
  EXPECT_EQ(manifest.snapshots.front().rdb, sample.snapshots.front().rdb);
  EXPECT_EQ(manifest.servers.at("0").config, sample.servers.at("0").config);
}

TEST_F(EncryptedCatalogTest, IsReadWithoutItsDetailsByOthers) {
  const Commit commit = write_backup();

  for (const Identities& identities :
       {Identities{}, Identities{codec::AgeIdentity(kOtherSecret)}}) {
    const Manifest manifest = manifest_by(commit, identities);
    EXPECT_FALSE(manifest.snapshots.front().digests_known);
    EXPECT_EQ(manifest.snapshots.front().raw_sha256, "");
    EXPECT_EQ(manifest.keys(), commit.keys);
    EXPECT_EQ(manifest.servers.at("0").version, "8.1.1");
    EXPECT_TRUE(manifest.servers.at("0").config.empty());
  }
}

TEST_F(EncryptedCatalogTest, IsDamagedWithoutItsDetails) {
  const Commit commit = write_backup();
  const std::string details = names::details("orders", commit.id);
  std::string content = test::text_of(place(), details);
  content.back() = static_cast<char>(content.back() ^ 1);
  test::overwrite(place(), details, content);

  const auto manifest = [&] { (void)manifest_by(commit, {codec::AgeIdentity(kSecret)}); };

  EXPECT_EQ(failure_of(manifest).kind(), ErrorKind::corrupt);
  place().remove(details, {});
  EXPECT_EQ(failure_of(manifest).what(),
            std::string("the details of backup ") + commit.id + " are missing");
}

TEST_F(EncryptedCatalogTest, TakesNoDetailsOfAnotherBackup) {
  const Commit first = write_backup();
  const Commit second = write_backup();
  test::overwrite(place(), names::details("orders", first.id),
                  test::text_of(place(), names::details("orders", second.id)));

  const Error error = failure_of([&] { (void)manifest_by(first, {codec::AgeIdentity(kSecret)}); });

  EXPECT_EQ(error.kind(), ErrorKind::corrupt);
  EXPECT_THAT(error.what(), HasSubstr("id is that of another backup"));
}

TEST_F(EncryptedCatalogTest, LosesTheLeftoversOfRunsButNothingElse) {
  const Commit kept = write_backup();
  const std::string id = "20261121T000000Z-aaaaaa";
  for (const std::string& name :
       {names::details("orders", id),
        names::snapshot("orders", "0", std::string(test::kSampleLineage), 1, id, true)}) {
    ASSERT_TRUE(place().put_if_absent(name, as_bytes("left"), {}));
  }
  const std::size_t before = place().list("", {}).size();

  // Without any identity.
  EXPECT_EQ(Writer(catalog(), clock(), {}).removed_leftovers(), 2U);

  EXPECT_EQ(place().list("", {}).size(), before - 2);
  EXPECT_TRUE(manifest_by(kept, {codec::AgeIdentity(kSecret)}).snapshots.front().digests_known);
}

TEST_F(EncryptedCatalogTest, CommitsNoPlainSnapshot) {
  Writer writer(catalog(), clock(), {});

  const Error error =
      failure_of([&] { writer.commit(test::sample_manifest("orders", writer.new_id()), {}); });

  EXPECT_EQ(error.kind(), ErrorKind::internal);
  EXPECT_TRUE(catalog().list({}).empty());
}

TEST_F(EncryptedCatalogTest, IsNotContinuedInPlaintextUnlessSomebodySaysSo) {
  const Commit encrypted = write_backup();
  Catalog plain(place(), "orders");
  const std::size_t before = place().list("", {}).size();

  for (const auto& call : std::vector<std::function<void()>>{
           [&] { Writer(plain, clock(), {}); }, [&] { check_encryption(plain, false, {}); }}) {
    const Error error = failure_of(call);
    EXPECT_EQ(error.kind(), ErrorKind::config);
    EXPECT_EQ(error.side(), Side::repository);
    EXPECT_STREQ(error.what(),
                 "'orders' in memory:// was encrypted before; set encryption.recipients, or "
                 "encryption.allow_plaintext: true to go on in plaintext");
  }
  EXPECT_EQ(place().list("", {}).size(), before);
  EXPECT_NO_THROW(check_encryption(catalog(), false, {}));

  EXPECT_NO_THROW(check_encryption(plain, true, {}));
  Writer writer(plain, clock(), {.allow_plaintext = true}, {});
  const Commit commit = test::write_backup(plain, writer, clock());
  EXPECT_FALSE(plain.manifest(commit, {}).details);
  EXPECT_THAT(plain.list({}), testing::ElementsAre(encrypted, commit));
}

TEST_F(EncryptedCatalogTest, MayFollowPlaintextAndBeBesideIt) {
  Catalog plain(place(), "orders");
  Catalog other(place(), "users");
  {
    Writer writer(plain, clock(), {});
    test::write_backup(plain, writer, clock());
  }

  EXPECT_NO_THROW(check_encryption(plain, false, {}));
  const Commit commit = write_backup();

  EXPECT_EQ(commit.sequence, 2U);
  EXPECT_NO_THROW(check_encryption(other, false, {}));
  EXPECT_NO_THROW(Writer(other, clock(), {}));
}

}  // namespace
}  // namespace keyrewind::catalog
