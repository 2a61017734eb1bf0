#include "store/encrypted_store.h"

#include "base/error.h"
#include "codec/age_stream.h"
#include "codec/sha256.h"
#include "flow/group.h"
#include "store/memory_store.h"
#include "support/faulty_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace keyrewind::store {
namespace {

using test::Fault;
using testing::HasSubstr;
using testing::StartsWith;

constexpr std::string_view kSecret =
    "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";
constexpr std::string_view kOtherSecret =
    "AGE-SECRET-KEY-1EGTZVFFV20835NWYV6270LXYVK2VKNX2MMDKWYKLMGR48UAWX40Q2P2LM0";

/// What the tests ask for at most.
constexpr std::uint64_t kMost = 64U << 20U;

const std::string kName = "folder/object.age";

std::vector<codec::AgeRecipient> recipients() {
  return {codec::AgeIdentity(kSecret).recipient()};
}

std::vector<codec::AgeIdentity> identities(std::string_view secret = kSecret) {
  return {codec::AgeIdentity(secret)};
}

/// A store on another that outlives it.
std::unique_ptr<ObjectStore> on(ObjectStore& below) {
  return std::make_unique<test::FaultyStore>(below);
}

Bytes noise(std::size_t count) {
  Bytes bytes(count);
  std::uint32_t state = 1;
  for (std::byte& byte : bytes) {
    state = state * 1664525 + 1013904223;
    byte = static_cast<std::byte>(state >> 24);
  }
  return bytes;
}

Error failure_of(const auto& call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  return {ErrorKind::internal, "nothing was thrown"};
}

Bytes read(const ObjectStore& store, const std::string& name, std::uint64_t offset,
           std::size_t count) {
  Bytes into(count);
  store.read(name, offset, into, {});
  return into;
}

/// Replaces an object, which no store lets a program do.
void overwrite(ObjectStore& store, const std::string& name, ByteView content) {
  store.remove(name, {});
  ASSERT_TRUE(store.put_if_absent(name, content, {}));
}

/// Three stores on one place: one writes, as an agent does; one reads, as whoever restores; one
/// sees what is stored.
class EncryptedStoreTest : public testing::Test {
 protected:
  EncryptedStore& writer() { return writer_; }
  EncryptedStore& reader() { return reader_; }
  test::FaultyStore& below_reader() { return *below_reader_; }
  test::FaultyStore& below_writer() { return *below_writer_; }
  MemoryStore& place() { return place_; }

  void put(std::string_view content, const std::string& name = kName) {
    ASSERT_TRUE(writer_.put_if_absent(name, as_bytes(content), {}));
  }

  StoredBytes upload(ByteView content, const std::string& name = kName) {
    const auto upload = writer_.upload(name, {});
    upload->append(content);
    return upload->complete();
  }

  Bytes stored(const std::string& name = kName) { return place_.get(name, kMost, {}).value(); }

 private:
  MemoryStore place_;
  test::FaultyStore* below_writer_ = new_below();
  EncryptedStore writer_{std::unique_ptr<ObjectStore>(below_writer_), recipients(), {}};
  test::FaultyStore* below_reader_ = new_below();
  EncryptedStore reader_{std::unique_ptr<ObjectStore>(below_reader_), {}, identities()};

  test::FaultyStore* new_below() { return std::make_unique<test::FaultyStore>(place_).release(); }
};

TEST_F(EncryptedStoreTest, StoresWholeAgeFiles) {
  put("a small text");
  const Bytes large = noise(300'000);
  upload(large, "large.age");

  EXPECT_THAT(std::string(as_text(stored())), StartsWith("age-encryption.org/v1\n-> X25519 "));
  EXPECT_EQ(as_text(*codec::decrypt_age(stored(), identities())), "a small text");
  EXPECT_TRUE(codec::decrypt_age(stored("large.age"), identities()) == large);
}

TEST_F(EncryptedStoreTest, LeavesOtherNamesAsTheyAre) {
  put("plain", "a");
  upload(as_bytes("plain, too"), "a.age.json");

  EXPECT_EQ(as_text(stored("a")), "plain");
  EXPECT_EQ(as_text(stored("a.age.json")), "plain, too");
  EXPECT_EQ(reader().get("a", kMost, {}), stored("a"));
  EXPECT_EQ(read(reader(), "a.age.json", 7, 3), (Bytes{read(place(), "a.age.json", 7, 3)}));
}

TEST_F(EncryptedStoreTest, SaysWhatAnUploadHasBecomeAsItIsStored) {
  const StoredBytes said = upload(noise(200'000));

  const Bytes stored = this->stored();
  EXPECT_EQ(said.bytes, stored.size());
  EXPECT_EQ(to_hex(said.sha256), codec::sha256_hex(stored));
  EXPECT_EQ(reader().head(kName, {}), (ObjectInfo{kName, stored.size()}));
  EXPECT_EQ(reader().list("", {}), (std::vector<ObjectInfo>{{kName, stored.size()}}));
  EXPECT_EQ(reader().stored().get(kName, kMost, {}), stored);
}

TEST_F(EncryptedStoreTest, ReadsFromAnyByteToAnyOther) {
  const Bytes plain = noise(3 * codec::kAgeChunkBytes + 77);
  upload(plain);
  constexpr std::size_t kChunk = codec::kAgeChunkBytes;
  const std::vector<std::size_t> places = {
      0,           1,          500,        kChunk - 1,     kChunk,
      kChunk + 1,  2 * kChunk, 3 * kChunk, 3 * kChunk + 1, plain.size() - 1,
      plain.size()};
  for (const std::size_t begin : places) {
    for (const std::size_t end : places) {
      if (begin <= end) {
        ASSERT_TRUE(std::ranges::equal(read(reader(), kName, begin, end - begin),
                                       ByteView(plain).subspan(begin, end - begin)))
            << begin << " to " << end;
      }
    }
  }
}

TEST_F(EncryptedStoreTest, ReadsWithOneRequestOnceItKnowsTheKey) {
  upload(noise(3 * codec::kAgeChunkBytes));
  below_reader().set({});

  (void)read(reader(), kName, 100, 100);
  EXPECT_EQ(below_reader().calls(), 3U) << "its size, its header, and the chunk";
  for (const std::size_t count : {std::size_t{1}, std::size_t{100'000}, std::size_t{180'000}}) {
    below_reader().set({});
    (void)read(reader(), kName, 16'000, count);
    EXPECT_EQ(below_reader().calls(), 1U) << count << " bytes";
  }
}

TEST_F(EncryptedStoreTest, ReadsSideBySide) {
  const Bytes plain = noise(20 * codec::kAgeChunkBytes);
  upload(plain);
  flow::Group readers{std::stop_token{}};
  for (std::size_t reader = 0; reader < 4; ++reader) {
    readers.spawn("reader", [&, reader](std::stop_token) {
      for (std::size_t at = reader; at + 50'000 < plain.size(); at += 90'001) {
        EXPECT_TRUE(std::ranges::equal(read(this->reader(), kName, at, 50'000),
                                       ByteView(plain).subspan(at, 50'000)));
      }
    });
  }
  readers.wait();
}

TEST_F(EncryptedStoreTest, WithoutAnIdentityReadsOnlyWhatItWroteItself) {
  put("its own");
  upload(noise(100'000), "uploaded.age");
  EncryptedStore other(on(place()), recipients(), {});
  ASSERT_TRUE(other.put_if_absent("other.age", as_bytes("another's"), {}));

  EXPECT_TRUE(writer().can_read(kName));
  EXPECT_EQ(as_text(writer().get(kName, kMost, {}).value()), "its own");
  EXPECT_TRUE(writer().can_read("uploaded.age"));
  EXPECT_EQ(read(writer(), "uploaded.age", 70'000, 30'000).size(), 30'000U);
  EXPECT_TRUE(writer().can_read("plain"));
  EXPECT_FALSE(writer().can_read("other.age"));
  for (const auto& call :
       std::vector<std::function<void()>>{[&] { (void)writer().get("other.age", kMost, {}); },
                                          [&] { (void)read(writer(), "other.age", 0, 1); }}) {
    const Error error = failure_of(call);
    EXPECT_EQ(error.kind(), ErrorKind::config);
    EXPECT_STREQ(error.what(),
                 "object other.age is encrypted; set encryption.identity_file to read it");
  }
}

TEST_F(EncryptedStoreTest, ForgetsTheKeyOfWhatItRemoves) {
  put("one");
  put("two", "two.age");

  writer().remove(kName, {});
  writer().remove_all({"two.age"}, {});

  EXPECT_FALSE(writer().can_read(kName));
  EXPECT_FALSE(writer().can_read("two.age"));
  EXPECT_TRUE(place().empty({}));
}

TEST_F(EncryptedStoreTest, WithTheWrongIdentitySaysSo) {
  put("content");
  EncryptedStore store(on(place()), {}, identities(kOtherSecret));

  const Error error = failure_of([&] { (void)store.get(kName, kMost, {}); });

  EXPECT_EQ(error.kind(), ErrorKind::config);
  EXPECT_STREQ(error.what(),
               "object folder/object.age is encrypted to other recipients than "
               "encryption.identity_file has");
}

TEST_F(EncryptedStoreTest, WithoutRecipientsWritesNoEncryptedObject) {
  EXPECT_FALSE(reader().encrypts());
  EXPECT_TRUE(writer().encrypts());

  EXPECT_EQ(failure_of([&] { (void)reader().put_if_absent(kName, {}, {}); }).kind(),
            ErrorKind::internal);
  EXPECT_EQ(failure_of([&] { (void)reader().upload(kName, {}); }).kind(), ErrorKind::internal);
  EXPECT_TRUE(reader().put_if_absent("plain", {}, {}));
  EXPECT_EQ(place().head(kName, {}), std::nullopt);
}

TEST_F(EncryptedStoreTest, FindsAnyByteThatChanged) {
  put("a small text");
  const Bytes good = stored();
  for (std::size_t at = 0; at < good.size(); ++at) {
    Bytes bad = good;
    bad[at] ^= std::byte{4};
    overwrite(place(), kName, bad);
    EncryptedStore store(on(place()), {}, identities());
    for (const auto& call : std::vector<std::function<void()>>{
             [&] { (void)store.get(kName, kMost, {}); }, [&] { (void)read(store, kName, 3, 2); }}) {
      const Error error = failure_of(call);
      EXPECT_THAT(error.what(), HasSubstr(kName)) << "byte " << at;
      // A wrapped key that changed is like one for somebody else.
      if (error.kind() != ErrorKind::config) {
        EXPECT_EQ(error.kind(), ErrorKind::corrupt) << "byte " << at;
        EXPECT_EQ(error.side(), Side::repository);
      }
    }
  }
}

TEST_F(EncryptedStoreTest, FindsThatAnObjectIsCutShortOrLonger) {
  const Bytes plain = noise(2 * codec::kAgeChunkBytes + 100);
  upload(plain);
  const Bytes good = stored();
  const std::size_t payload = good.size() - (plain.size() + 3 * 16);
  const auto expect_refused = [&](const Bytes& bad, std::uint64_t offset) {
    overwrite(place(), kName, bad);
    EncryptedStore store(on(place()), {}, identities());
    for (const auto& call :
         std::vector<std::function<void()>>{[&] { (void)store.get(kName, kMost, {}); },
                                            [&] { (void)read(store, kName, offset, 1); }}) {
      const Error error = failure_of(call);
      EXPECT_EQ(error.kind(), ErrorKind::corrupt) << bad.size() << " bytes: " << error.what();
      EXPECT_EQ(error.side(), Side::repository);
      EXPECT_THAT(error.what(), HasSubstr(kName));
    }
  };
  for (const std::size_t length :
       {std::size_t{0}, std::size_t{10}, payload - 17, payload - 1, payload, payload + 15,
        payload + codec::kSealedChunkBytes, payload + 2 * codec::kSealedChunkBytes,
        payload + 2 * codec::kSealedChunkBytes + 16, good.size() - 1}) {
    Bytes shorter = good;
    shorter.resize(length);
    // The chunk that is now the last was not made as one.
    const std::size_t chunks =
        length <= payload ? 1 : (length - payload - 1) / codec::kSealedChunkBytes + 1;
    expect_refused(shorter, (chunks - 1) * codec::kAgeChunkBytes);
  }
  Bytes longer = good;
  longer.resize(good.size() + 1);
  expect_refused(longer, plain.size() - 1);
}

TEST_F(EncryptedStoreTest, FindsThatChunksChangedPlaces) {
  upload(noise(3 * codec::kAgeChunkBytes));
  Bytes swapped = stored();
  const auto first = swapped.end() - static_cast<std::ptrdiff_t>(3 * codec::kSealedChunkBytes);
  std::swap_ranges(first, first + codec::kSealedChunkBytes, first + codec::kSealedChunkBytes);
  overwrite(place(), kName, swapped);

  Bytes into(100'000, std::byte{7});
  const Error error = failure_of([&] { reader().read(kName, 0, into, {}); });

  EXPECT_STREQ(error.what(), "object folder/object.age is damaged: chunk 1 of 3 is not authentic");
  EXPECT_TRUE(std::ranges::all_of(into, [](std::byte byte) { return byte == std::byte{0}; }));
  EXPECT_EQ(read(reader(), kName, 2 * codec::kAgeChunkBytes, 10).size(), 10U)
      << "the third is where it was";
}

TEST_F(EncryptedStoreTest, TakesNothingPlainForEncrypted) {
  ASSERT_TRUE(place().put_if_absent(kName, as_bytes("put there by hand"), {}));

  const Error error = failure_of([&] { (void)reader().get(kName, kMost, {}); });

  EXPECT_EQ(error.kind(), ErrorKind::corrupt);
  EXPECT_STREQ(error.what(),
               "object folder/object.age is damaged: its age header is not that of version 1");
}

TEST_F(EncryptedStoreTest, CountsThePlainBytesAgainstTheLimit) {
  put("12345");

  EXPECT_TRUE(reader().get(kName, 5, {}));
  const Error error = failure_of([&] { (void)reader().get(kName, 4, {}); });
  EXPECT_EQ(error.kind(), ErrorKind::corrupt);
  EXPECT_THAT(error.what(), HasSubstr("holds 5 bytes where at most 4"));
  EXPECT_TRUE(reader().get(kName, ~std::uint64_t{0}, {}));
}

TEST_F(EncryptedStoreTest, ReadsWhatItWroteThoughTheAnswerWasLost) {
  below_writer().set({.mode = Fault::Mode::fail_after, .call = 1});
  EXPECT_EQ(failure_of([&] { put("content"); }).kind(), ErrorKind::unavailable);
  EXPECT_EQ(as_text(writer().get(kName, kMost, {}).value()), "content");
  EXPECT_EQ(as_text(read(writer(), kName, 3, 4)), "tent");

  const auto upload = writer().upload("uploaded.age", {});
  upload->append(as_bytes("content"));
  below_writer().set({.mode = Fault::Mode::fail_after, .call = 3});  // Behind header and chunk.
  EXPECT_EQ(failure_of([&] { upload->complete(); }).kind(), ErrorKind::unavailable);
  EXPECT_EQ(as_text(read(writer(), "uploaded.age", 3, 4)), "tent");
}

TEST_F(EncryptedStoreTest, TakesNobodyElsesObjectForItsOwn) {
  below_writer().set({.mode = Fault::Mode::fail_before, .call = 1});
  EXPECT_EQ(failure_of([&] { put("content"); }).kind(), ErrorKind::unavailable);
  EncryptedStore other(on(place()), recipients(), {});
  ASSERT_TRUE(other.put_if_absent(kName, as_bytes("another's"), {}));

  EXPECT_EQ(failure_of([&] { (void)writer().get(kName, kMost, {}); }).kind(), ErrorKind::config);
  EXPECT_EQ(failure_of([&] { (void)read(writer(), kName, 0, 1); }).kind(), ErrorKind::config);

  EXPECT_FALSE(writer().put_if_absent(kName, as_bytes("content"), {}));
  EXPECT_EQ(as_text(reader().get(kName, kMost, {}).value()), "another's");
}

/// Says what it was asked to copy from.
class CopyingStore final : public ObjectStore {
 public:
  std::string url() const override { return place_.url(); }
  void create() override {}
  bool put_if_absent(const std::string& name, ByteView content, std::stop_token stop) override {
    return place_.put_if_absent(name, content, stop);
  }
  std::unique_ptr<Upload> upload(const std::string& name, std::stop_token stop) override {
    return place_.upload(name, stop);
  }
  std::optional<Bytes> get(const std::string& name, std::uint64_t max_bytes,
                           std::stop_token stop) const override {
    return place_.get(name, max_bytes, stop);
  }
  void read(const std::string& name, std::uint64_t offset, std::span<std::byte> into,
            std::stop_token stop) const override {
    place_.read(name, offset, into, stop);
  }
  std::optional<ObjectInfo> head(const std::string& name, std::stop_token stop) const override {
    return place_.head(name, stop);
  }
  std::vector<ObjectInfo> list(const std::string& prefix, std::stop_token stop) const override {
    return place_.list(prefix, stop);
  }
  bool empty(std::stop_token stop) const override { return place_.empty(stop); }
  void remove(const std::string& name, std::stop_token stop) override { place_.remove(name, stop); }
  bool copy_within(const ObjectStore& from, const std::string& name,
                   std::stop_token stop) override {
    const auto* copying = dynamic_cast<const CopyingStore*>(&from);
    if (copying == nullptr) {
      return false;
    }
    return place_.put_if_absent(name, copying->get(name, kMost, stop).value(), stop);
  }
  std::optional<Record> read_record(const std::string& name, std::stop_token stop) const override {
    return place_.read_record(name, stop);
  }
  std::optional<std::string> swap_record(const std::string& name, ByteView content,
                                         const std::optional<std::string>& expected,
                                         std::stop_token stop) override {
    return place_.swap_record(name, content, expected, stop);
  }
  ConditionalWrites conditional_writes(std::stop_token) override { return {false, "no reason"}; }
  std::size_t remove_abandoned_uploads(const std::string& prefix, const WhichNames& which,
                                       std::stop_token stop) override {
    return place_.remove_abandoned_uploads(prefix, which, stop);
  }
  std::unique_ptr<StoreLock> try_lock(const std::string& name, std::stop_token stop) override {
    return place_.try_lock(name, stop);
  }

 private:
  MemoryStore place_;
};

TEST(EncryptedStore, CopiesWhatIsStored) {
  EncryptedStore from(std::make_unique<CopyingStore>(), recipients(), {});
  EncryptedStore to(std::make_unique<CopyingStore>(), {}, {});
  CopyingStore plain;
  ASSERT_TRUE(from.put_if_absent(kName, as_bytes("content"), {}));

  EXPECT_TRUE(to.copy_within(from, kName, {}));
  EXPECT_TRUE(plain.copy_within(from.stored(), kName, {}));

  EXPECT_EQ(to.stored().get(kName, kMost, {}), from.stored().get(kName, kMost, {}));
  EXPECT_EQ(plain.get(kName, kMost, {}), from.stored().get(kName, kMost, {}));
  EXPECT_FALSE(to.copy_within(MemoryStore(), "other", {}));
}

TEST(EncryptedStore, SaysOfConditionalWritesWhatTheStoreBelowSays) {
  EXPECT_EQ(EncryptedStore(std::make_unique<CopyingStore>(), {}, {}).conditional_writes({}).reason,
            "no reason");
}

TEST(EncryptedStore, PassesRecordsAsTheyAre) {
  MemoryStore place;
  EncryptedStore store(on(place), recipients(), {});

  const auto version = store.swap_record("record", as_bytes("one"), std::nullopt, {});

  ASSERT_TRUE(version);
  EXPECT_EQ(as_text(place.get("record", kMost, {}).value()), "one");
  EXPECT_EQ(store.read_record("record", {})->version, *version);
  EXPECT_EQ(store.swap_record("record", as_bytes("two"), std::nullopt, {}), std::nullopt);
}

}  // namespace
}  // namespace keyrewind::store
