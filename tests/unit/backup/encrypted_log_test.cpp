// The log in a store that encrypts: what can be read with an identity, and what without.
#include "backup/log_merge.h"
#include "base/error.h"
#include "catalog/names.h"
#include "log_sample.h"
#include "store/encrypted_store.h"
#include "store/memory_store.h"
#include "support/faulty_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

namespace keyrewind::backup {
namespace {

using test::Fault;
using testing::EndsWith;
using testing::HasSubstr;
using testing::SizeIs;

constexpr std::string_view kSecret =
    "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";

class EncryptedLog : public testing::Test {
 protected:
  /// A process that writes, and can read what it wrote itself.
  std::unique_ptr<store::ObjectStore> agent() {
    return std::make_unique<store::EncryptedStore>(
        std::make_unique<test::FaultyStore>(stored_),
        std::vector{codec::AgeIdentity(kSecret).recipient()}, std::vector<codec::AgeIdentity>());
  }

  /// One that has the identity, too.
  std::unique_ptr<store::ObjectStore> restorer() {
    return std::make_unique<store::EncryptedStore>(
        std::make_unique<test::FaultyStore>(stored_),
        std::vector{codec::AgeIdentity(kSecret).recipient()},
        std::vector{codec::AgeIdentity(kSecret)});
  }

  std::vector<std::string> stored(const std::string& ending) const {
    std::vector<std::string> names;
    for (const store::ObjectInfo& object : stored_.list("", {})) {
      if (object.name.ends_with(ending)) {
        names.push_back(object.name);
      }
    }
    return names;
  }

  std::string content(const std::string& name) const {
    return std::string(as_text(*stored_.get(name, 1U << 20U, {})));
  }

  store::MemoryStore stored_;
  MergeOptions options_{.source = "orders", .shard = "0", .count = 4, .max_bytes = 4000};
};

TEST_F(EncryptedLog, IsReadWithTheIdentityAndByWhoWroteItAndByNobodyElse) {
  const auto writer = agent();
  LogWriter log(*writer, kLineage, 3);
  std::mt19937 random(1);
  for (int i = 0; i < 5; ++i) {
    log.add_random(random, 20);
  }
  ASSERT_THAT(stored(".aof.zst.age"), SizeIs(5));
  EXPECT_THAT(stored(".index"), SizeIs(5));
  EXPECT_THAT(stored("-3.aof.zst.age"), SizeIs(5));
  EXPECT_THAT(stored(".aof.zst"), SizeIs(0));

  EXPECT_EQ(read_log(*restorer()).stream, log.stream());
  EXPECT_EQ(read_log(*writer).stream, log.stream());
  const Error error = error_of([&] { read_log(*agent()); });
  EXPECT_EQ(error.kind(), ErrorKind::config);
  EXPECT_THAT(error.what(), HasSubstr("encryption.identity_file"));
}

TEST_F(EncryptedLog, TellsWithoutAnIdentityHowFarItGoesAndHowToGoOn) {
  const auto writer = agent();
  LogWriter log(*writer);
  log.add_set(10);
  log.add_set(10);
  const auto stranger = agent();
  const auto logs = catalog::list_logs(*stranger, "orders", "0", {});
  const auto plain = catalog::read_segment(*stranger, logs.at(kLineage).back(), {});
  const auto whole =
      catalog::read_whole_index(*restorer(), logs.at(kLineage).back().object, *plain, {});
  EXPECT_EQ(catalog::chain_end(*plain), catalog::chain_end(whole));
  EXPECT_EQ(plain->ids, whole.ids);
  EXPECT_EQ(plain->marks, whole.marks);
}

TEST_F(EncryptedLog, SaysInPlainNothingThatConfirmsAGuess) {
  const auto writer = agent();
  LogWriter log(*writer);
  log.add_set(10);
  const auto entry = catalog::list_logs(*writer, "orders", "0", {}).at(kLineage).front();
  const auto plain = catalog::read_segment(*writer, entry, {});
  EXPECT_TRUE(plain->frames.empty());
  EXPECT_TRUE(plain->links.front().salt.empty());
  codec::Sha256 guess;
  guess.feed(as_bytes(log.stream()));
  EXPECT_FALSE(std::ranges::equal(guess.digest(), plain->links.front().sha256));

  const auto whole = catalog::read_whole_index(*writer, entry.object, *plain, {});
  const std::string& salt = whole.links.front().salt;
  EXPECT_THAT(salt, SizeIs(32));
  EXPECT_EQ(content(stored(".index").front()).find(salt), std::string::npos);
}

TEST_F(EncryptedLog, IsMergedByWhoWroteItAndLeftAloneByOthers) {
  const auto writer = agent();
  LogWriter log(*writer);
  for (int i = 0; i < 4; ++i) {
    log.add_set(10);
  }
  EXPECT_EQ(merge_log(*agent(), options_, {}), 0U);
  EXPECT_THAT(stored(".age"), SizeIs(4));

  EXPECT_EQ(merge_log(*writer, options_, {}), 1U);
  EXPECT_EQ(merge_log(*writer, options_, {}), 0U);
  EXPECT_THAT(stored(".age"), SizeIs(1));
  EXPECT_THAT(stored(".index"), SizeIs(1));
  EXPECT_EQ(read_log(*restorer()).stream, log.stream());
}

TEST_F(EncryptedLog, IsNotMergedAcrossGenerations) {
  const auto writer = agent();
  LogWriter log(*writer);
  log.add_set(10);
  log.add_set(10);
  LogWriter other(*writer, kOtherReplid, 2);
  other.add_set(10);
  other.add_set(10);
  EXPECT_EQ(merge_log(*writer, options_, {}), 0U);
}

TEST_F(EncryptedLog, IsReadThoughAPlainIndexIsLost) {
  const auto writer = agent();
  LogWriter log(*writer);
  log.add_set(10);
  log.add_set(10);
  stored_.remove(stored(".index").back(), {});
  EXPECT_EQ(read_log(*restorer()).stream, log.stream());
  const auto entry = catalog::list_logs(stored_, "orders", "0", {}).at(kLineage).back();
  const Error error = error_of([&] { catalog::read_segment(*agent(), entry, {}); });
  EXPECT_EQ(error.kind(), ErrorKind::corrupt);
  EXPECT_THAT(error.what(), HasSubstr(".index is missing"));
}

TEST_F(EncryptedLog, IsNotReadWithThePlainIndexOfAnother) {
  const auto writer = agent();
  LogWriter log(*writer);
  log.add_set(10);
  const std::string index = stored(".index").front();
  const auto entry = catalog::list_logs(*writer, "orders", "0", {}).at(kLineage).front();
  auto plain = *catalog::read_segment(*writer, entry, {});
  plain.commands += 1;
  stored_.remove(index, {});
  stored_.put_if_absent(index, catalog::encode_segment_index(plain), {});
  const Error error = error_of([&] { read_log(*restorer()); });
  EXPECT_EQ(error.kind(), ErrorKind::corrupt);
  EXPECT_THAT(error.what(), HasSubstr("its index is another"));
}

TEST_F(EncryptedLog, ReplacesThePlainIndexThatAnAttemptLeft) {
  const test::TempDir folder;
  Spool spool({.dir = folder.path()}, "orders", "0");
  replica::Position position = kStart;
  add_journal(spool, position, {{command({"SET", "a", "1"}), kTime}});
  const auto sealed = *spool.next({});
  const auto writer = agent();
  const std::string index = catalog::names::segment_index(segment_name(sealed, 1, true));
  stored_.put_if_absent(index, as_bytes(std::string("left by somebody")), {});
  store_segment(*writer, sealed, catalog::chain_start(kLineage, kStart.offset), 1, 1, {});
  EXPECT_EQ(read_log(*restorer()).stream, command({"SET", "a", "1"}));
}

TEST_F(EncryptedLog, LeavesOnlyPlainIndexesBehindWhereAnUploadFails) {
  const test::TempDir folder;
  Spool spool({.dir = folder.path()}, "orders", "0");
  replica::Position position = kStart;
  add_journal(spool, position, {{command({"SET", "a", "1"}), kTime}});
  const auto sealed = *spool.next({});
  for (std::uint64_t call = 1; call < 10; ++call) {
    store::MemoryStore fresh;
    auto faulty = std::make_unique<test::FaultyStore>(
        fresh, Fault{.mode = Fault::Mode::fail_before, .call = call});
    const test::FaultyStore& calls = *faulty;
    store::EncryptedStore writer(std::move(faulty), {codec::AgeIdentity(kSecret).recipient()}, {});
    try {
      store_segment(writer, sealed, {}, 1, 1, {});
    } catch (const Error&) {
      EXPECT_TRUE(catalog::list_logs(fresh, "orders", "0", {}).empty());
      for (const std::string& waste : catalog::list_log_waste(fresh, "orders", "0", {})) {
        EXPECT_THAT(waste, EndsWith(".index"));
        catalog::remove_segment(fresh, waste, {});
      }
      EXPECT_TRUE(fresh.list("", {}).empty()) << call;
    }
    if (calls.calls() < call) {
      return;
    }
  }
  ADD_FAILURE() << "more calls than were thought of";
}

}  // namespace
}  // namespace keyrewind::backup
