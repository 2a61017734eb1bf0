#include "restore/read_snapshot.h"

#include "base/error.h"
#include "store/encrypted_store.h"
#include "store/memory_store.h"
#include "support/faulty_store.h"
#include "support/watched_store.h"
#include "unit/restore/snapshot_sample.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

namespace keyrewind::restore {
namespace {

using keyrewind::test::Fault;
using keyrewind::test::FaultyStore;
using keyrewind::test::Range;
using keyrewind::test::WatchedStore;
using testing::HasSubstr;
using testing::SizeIs;

class ReadSnapshot : public testing::Test {
 protected:
  static constexpr const char* kObject = "sources/orders/snapshot.rdb.zst";
  static constexpr const char* kEncrypted = "sources/orders/snapshot.rdb.zst.age";
  static constexpr const char* kIdentity =
      "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";

  ReadSnapshot() { memory_.create(); }

  /// The RDB as it comes, and what becomes of the progress.
  std::string read(store::ObjectStore& store, const ReadOptions& options = {}) {
    std::string rdb;
    Progress progress;
    read_snapshot(store, stored_.snapshot, options, [&](ByteView raw) { rdb += as_text(raw); },
                  progress, {});
    EXPECT_EQ(progress.bytes, rdb.size());
    EXPECT_EQ(progress.total_bytes, rdb.size());
    return rdb;
  }

  /// What comes behind the first `begun` bytes, of which `beginning` are given again.
  std::string resume(store::ObjectStore& store, const std::string& beginning) {
    std::string rdb;
    Progress progress;
    resume_snapshot(
        store, stored_.snapshot, {},
        [&](const Sink& sink) {
          for (std::size_t at = 0; at < beginning.size(); at += 777) {
            sink(as_bytes(std::string_view(beginning).substr(at, 777)));
          }
        },
        [&](ByteView raw) { rdb += as_text(raw); }, progress, {});
    EXPECT_EQ(progress.bytes, stored_.rdb.size());
    return rdb;
  }

  static Error failure_of(const std::function<void()>& call) {
    try {
      call();
    } catch (const Error& error) {
      return error;
    }
    ADD_FAILURE() << "nothing was thrown";
    return Error(ErrorKind::internal, "");
  }

  /// Where the frame number `number` begins in the object.
  std::uint64_t offset_of(std::size_t number) const {
    return std::accumulate(
        stored_.frames.begin(), stored_.frames.begin() + static_cast<std::ptrdiff_t>(number),
        std::uint64_t{0},
        [](std::uint64_t sum, const codec::Frame& frame) { return sum + frame.stored_bytes; });
  }

  /// Puts the snapshot under the other name, with `more` bytes behind its index.
  void encrypt(std::size_t more) {
    stored_ = test::store_snapshot(memory_, kEncrypted, stored_.rdb, 3000, more);
  }

  void change(const std::function<void(Bytes&)>& change) {
    Bytes content = *memory_.get(stored_.snapshot.object.name, 1U << 24U, {});
    change(content);
    memory_.remove(stored_.snapshot.object.name, {});
    memory_.put_if_absent(stored_.snapshot.object.name, content, {});
  }

  store::MemoryStore memory_;
  test::StoredSnapshot stored_ = test::store_snapshot(memory_, kObject, test::make_rdb(100'000));
};

TEST_F(ReadSnapshot, GivesTheRdbWhateverItMayUse) {
  for (const std::size_t threads : {1U, 2U, 7U}) {
    for (const std::size_t connections : {1U, 4U, 40U}) {
      for (const std::uint64_t memory : {0U, 64U << 20U, 1U << 30U}) {
        const ReadOptions options{
            .threads = threads, .connections = connections, .memory = memory, .check_object = true};
        ASSERT_TRUE(read(memory_, options) == stored_.rdb)
            << threads << " threads, " << connections << " connections, " << memory << " bytes";
      }
    }
  }
}

TEST_F(ReadSnapshot, FetchesNeighbouringFramesWithFewRequestsAndNothingTwice) {
  WatchedStore store(memory_);

  ASSERT_TRUE(read(store) == stored_.rdb);

  const std::vector<Range> ranges = store.ranges_of(kObject);
  EXPECT_THAT(ranges, SizeIs(testing::Le(6U))) << "of " << stored_.frames.size() << " frames";
  std::uint64_t reached = 0;
  for (const Range& range : ranges) {
    EXPECT_EQ(range.offset, reached);
    reached += range.bytes;
  }
  EXPECT_EQ(reached, stored_.snapshot.object.bytes);
}

TEST_F(ReadSnapshot, FetchesAsManyRangesAtOnceAsThereAreConnections) {
  WatchedStore store(memory_);
  store.gather(4, [&](const Range& range) { return range.offset < stored_.snapshot.index_offset; });

  EXPECT_TRUE(read(store, {.connections = 4}) == stored_.rdb);
}

TEST_F(ReadSnapshot, IsNeverFurtherAheadThanItsMemoryAllows) {
  // Memory for few frames only, so each is a request of its own.
  const ReadOptions options{.threads = 1, .connections = 2, .memory = kBaseMemory + 15'000};
  WatchedStore store(memory_);
  std::atomic<std::uint64_t> begun{0};
  store.before_read([&](const Range& range) {
    begun += range.offset < stored_.snapshot.index_offset ? range.bytes : 0;
  });
  std::uint64_t taken = 0;
  Progress progress;

  read_snapshot(store, stored_.snapshot, options,
                [&](ByteView) {
                  EXPECT_LE(begun, taken + 15'000);
                  // Random values do not shrink: a frame is about as large as what it holds.
                  taken += 3000;
                },
                progress, {});

  EXPECT_EQ(progress.bytes, stored_.rdb.size());
}

TEST_F(ReadSnapshot, FindsAnyFlippedBitAndNamesTheObject) {
  for (std::uint64_t byte = 0; byte < stored_.snapshot.object.bytes; byte += 997) {
    const auto flip = [&](Bytes& content) { content[byte] ^= std::byte{0x20}; };
    change(flip);
    for (const bool check : {true, false}) {
      const Error error = failure_of([&] { read(memory_, {.check_object = check}); });
      EXPECT_EQ(error.kind(), ErrorKind::corrupt) << byte;
      EXPECT_EQ(error.side(), Side::repository) << byte;
      EXPECT_THAT(error.what(), HasSubstr(kObject));
    }
    change(flip);
  }
}

TEST_F(ReadSnapshot, SaysAtWhichByteTheDamagedFrameBegins) {
  const std::uint64_t begin = offset_of(20);
  change([&](Bytes& content) { content[begin + 5] ^= std::byte{1}; });

  EXPECT_THAT(failure_of([&] { read(memory_); }).what(),
              HasSubstr("frame 20 at byte " + std::to_string(begin) + " differs"));
}

TEST_F(ReadSnapshot, GivesAllThatCameBeforeTheRepositoryFailed) {
  // Whenever it fails: what has come is a beginning, and as long as what was fetched before.
  for (const std::uint64_t from : {0U, 30'000U, 60'000U, 99'000U}) {
    WatchedStore store(memory_);
    std::atomic<std::uint64_t> first{~0ULL};
    store.before_read([&](const Range& range) {
      if (range.offset < stored_.snapshot.index_offset && range.offset + range.bytes > from) {
        std::uint64_t known = first;
        while (range.offset < known && !first.compare_exchange_weak(known, range.offset)) {
        }
        throw Error(Side::repository, ErrorKind::unavailable, "no answer");
      }
    });
    std::string got;
    Progress progress;

    const Error error = failure_of([&] {
      read_snapshot(store, stored_.snapshot, {}, [&](ByteView raw) { got += as_text(raw); },
                    progress, {});
    });

    EXPECT_EQ(error.kind(), ErrorKind::unavailable);
    EXPECT_TRUE(stored_.rdb.starts_with(got));
    std::uint64_t whole = 0;
    for (std::size_t number = 0; number < stored_.frames.size(); ++number) {
      whole += offset_of(number) < first ? stored_.frames[number].raw_bytes : 0U;
    }
    EXPECT_EQ(got.size(), whole) << "failed from byte " << first << " on";
  }
}

TEST_F(ReadSnapshot, ThrowsWhatTheStoreThrowsAtAnyCall) {
  FaultyStore faulty(memory_);
  ASSERT_TRUE(read(faulty) == stored_.rdb);
  const std::uint64_t calls = faulty.calls();
  for (std::uint64_t call = 1; call <= calls; ++call) {
    faulty.set({.mode = Fault::Mode::fail_before, .call = call});
    EXPECT_EQ(failure_of([&] { read(faulty); }).kind(), ErrorKind::unavailable) << call;
  }
}

TEST_F(ReadSnapshot, EndsWhenTheSinkThrows) {
  Progress progress;
  std::size_t frames = 0;
  const Error error = failure_of([&] {
    read_snapshot(memory_, stored_.snapshot, {},
                  [&](ByteView) {
                    if (++frames == 5) {
                      throw Error(ErrorKind::failed, "disk full");
                    }
                  },
                  progress, {});
  });
  EXPECT_EQ(error.kind(), ErrorKind::failed);
  EXPECT_EQ(frames, 5U);
}

TEST_F(ReadSnapshot, EndsWhenItIsStoppedEvenIfTheStoreHangs) {
  WatchedStore store(memory_);
  std::stop_source stop;
  store.gather(1000, [&](const Range& range) {
    stop.request_stop();
    return range.offset < stored_.snapshot.index_offset;
  });
  Progress progress;

  const Error error = failure_of([&] {
    read_snapshot(
        store, stored_.snapshot, {}, [](ByteView) {}, progress, stop.get_token());
  });

  EXPECT_EQ(error.kind(), ErrorKind::cancelled);
}

TEST_F(ReadSnapshot, GoesOnBehindAnyNumberOfBytes) {
  for (const std::size_t begun : {0U, 1U, 2999U, 3000U, 3001U, 50'000U, 100'000U}) {
    const std::string beginning = stored_.rdb.substr(0, begun);
    ASSERT_TRUE(beginning + resume(memory_, beginning) == stored_.rdb) << begun;
  }
  EXPECT_EQ(resume(memory_, stored_.rdb), "");
}

TEST_F(ReadSnapshot, FetchesOnlyWhatIsMissing) {
  WatchedStore store(memory_);

  resume(store, stored_.rdb.substr(0, 20 * 3000));

  EXPECT_EQ(store.ranges_of(kObject).front().offset, offset_of(20));
}

TEST_F(ReadSnapshot, FindsABeginningThatIsNotItsOwn) {
  std::string beginning = stored_.rdb.substr(0, 50'000);
  beginning[40'000] ^= 1;
  EXPECT_EQ(failure_of([&] { resume(memory_, beginning); }).kind(), ErrorKind::corrupt);
  EXPECT_EQ(failure_of([&] { resume(memory_, stored_.rdb + "x"); }).kind(), ErrorKind::corrupt);
}

TEST_F(ReadSnapshot, ComparesNoDigestsThatAreNotKnown) {
  stored_.snapshot.digests_known = false;
  stored_.snapshot.index_sha256 = "";
  stored_.snapshot.raw_sha256 = "";
  stored_.snapshot.rdb.crc64 = 0;

  EXPECT_TRUE(read(memory_) == stored_.rdb);

  stored_.snapshot.rdb.bytes -= 1;
  EXPECT_EQ(failure_of([&] { read(memory_); }).kind(), ErrorKind::corrupt);
}

TEST_F(ReadSnapshot, OfAnEncryptedObjectEndsWithWhatItHolds) {
  encrypt(500);

  // The object's own SHA-256 is not that of the bytes that come decrypted.
  stored_.snapshot.object.sha256 = std::string(64, '0');
  EXPECT_TRUE(read(memory_, {.check_object = true}) == stored_.rdb);
}

TEST_F(ReadSnapshot, TakesNoIndexThatIsNotWhereTheManifestSays) {
  const auto refuse = [&](auto change) {
    const catalog::Snapshot good = stored_.snapshot;
    change(stored_.snapshot);
    EXPECT_EQ(failure_of([&] { read(memory_); }).kind(), ErrorKind::corrupt);
    stored_.snapshot = good;
  };
  for (int round = 0; round < 2; ++round) {
    refuse([](auto& snapshot) { snapshot.index_bytes -= 1; });
    refuse([](auto& snapshot) { snapshot.index_bytes = 0; });
    refuse([](auto& snapshot) { snapshot.index_bytes = ~0ULL; });
    refuse([](auto& snapshot) { snapshot.index_offset += 1; });
    refuse([](auto& snapshot) { snapshot.index_offset = ~0ULL; });
    if (round == 0) {
      encrypt(100);
    }
  }
}

TEST_F(ReadSnapshot, StoredBytesAreReadOnceAndInParallel) {
  for (const bool encrypted : {false, true}) {
    if (encrypted) {
      // Large enough for several requests.
      stored_ = test::store_snapshot(memory_, kEncrypted, test::make_rdb(9U << 20U), 1U << 20U, 99);
    }
    WatchedStore store(memory_);
    const std::uint64_t index = stored_.snapshot.index_offset;
    store.gather(2, [&](const Range& range) { return range.offset < index; });
    Progress progress;

    check_stored_bytes(store, stored_.snapshot, {.connections = 2, .memory = 64U << 20U}, progress,
                       {});

    std::uint64_t reached = 0;
    for (const Range& range : store.ranges_of(stored_.snapshot.object.name)) {
      EXPECT_EQ(range.offset, reached);
      reached += range.bytes;
    }
    EXPECT_EQ(reached, stored_.snapshot.object.bytes);
    EXPECT_EQ(progress.bytes, reached);
  }
}

TEST_F(ReadSnapshot, OfAnEncryptedRepositoryIsReadWithAnIdentityAndCheckedWithout) {
  const codec::AgeIdentity identity(kIdentity);
  store::MemoryStore ground;
  store::EncryptedStore owner(std::make_unique<FaultyStore>(ground), {identity.recipient()},
                              {identity});
  stored_ = test::store_snapshot(owner, kEncrypted, test::make_rdb(1U << 20U), 50'000);
  store::EncryptedStore anybody(std::make_unique<FaultyStore>(ground), {}, {});

  EXPECT_TRUE(read(owner, {.check_object = true}) == stored_.rdb);
  EXPECT_EQ(failure_of([&] { read(anybody); }).kind(), ErrorKind::config);
  Progress progress;
  check_stored_bytes(anybody, stored_.snapshot, {}, progress, {});
  EXPECT_EQ(progress.bytes, stored_.snapshot.object.bytes);

  Bytes content = *ground.get(kEncrypted, 1U << 24U, {});
  for (std::size_t byte = 1000; byte < content.size(); byte += 99'991) {
    Bytes flipped = content;
    flipped[byte] ^= std::byte{8};
    ground.remove(kEncrypted, {});
    ground.put_if_absent(kEncrypted, flipped, {});
    EXPECT_EQ(failure_of([&] { read(owner); }).kind(), ErrorKind::corrupt) << byte;
    EXPECT_EQ(
        failure_of([&] { check_stored_bytes(anybody, stored_.snapshot, {}, progress, {}); }).kind(),
        ErrorKind::corrupt)
        << byte;
  }
}

TEST_F(ReadSnapshot, StoredBytesThatAreWrongAreFoundEncryptedOrNot) {
  for (int round = 0; round < 2; ++round) {
    const std::string name = stored_.snapshot.object.name;
    for (std::uint64_t byte = 0; byte < stored_.snapshot.object.bytes; byte += 1999) {
      const auto flip = [&](Bytes& content) { content[byte] ^= std::byte{0x40}; };
      change(flip);
      Progress progress;
      const Error error =
          failure_of([&] { check_stored_bytes(memory_, stored_.snapshot, {}, progress, {}); });
      EXPECT_EQ(error.kind(), ErrorKind::corrupt);
      EXPECT_EQ(error.side(), Side::repository);
      EXPECT_THAT(error.what(), HasSubstr(name));
      change(flip);
    }
    change([](Bytes& content) { content.pop_back(); });
    Progress progress;
    EXPECT_THAT(
        failure_of([&] { check_stored_bytes(memory_, stored_.snapshot, {}, progress, {}); }).what(),
        HasSubstr("the manifest says"));
    memory_.remove(name, {});
    EXPECT_THAT(
        failure_of([&] { check_stored_bytes(memory_, stored_.snapshot, {}, progress, {}); }).what(),
        HasSubstr("is missing"));
    encrypt(100);
  }
}

}  // namespace
}  // namespace keyrewind::restore
