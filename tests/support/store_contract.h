#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "flow/group.h"
#include "store/object_store.h"
#include "store/stored_digest.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <latch>
#include <memory>
#include <optional>
#include <ostream>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

/// The suite that every ObjectStore passes. A test file of a store says
///
///   INSTANTIATE_TEST_SUITE_P(File, StoreContract, testing::Values(StoreFactory{"file",
///   make_file}));
namespace keyrewind::test {

/// For remove_abandoned_uploads: all of them.
inline bool every_name(const std::string& /*name*/) {
  return true;
}

/// A store in a fresh, empty place that exists; `place` keeps alive whatever it stands on.
struct OpenedStore {
  std::shared_ptr<void> place;
  std::unique_ptr<store::ObjectStore> store;
};

/// How to open a store of one kind, and what is special about it. A second store on the same place
/// need not be possible.
struct StoreFactory {
  std::string name;
  std::function<OpenedStore()> open;
  std::function<void()> require = {};  ///< Skips or fails the test where there is no server.
  bool conditional_writes = true;
  bool encrypts = false;  ///< What is stored is not what was appended.
  bool quick = true;      ///< Takes hundreds of objects a second.

  friend std::ostream& operator<<(std::ostream& out, const StoreFactory& factory) {
    return out << factory.name;
  }
};

class StoreContract : public testing::TestWithParam<StoreFactory> {
 protected:
  static constexpr std::uint64_t kMost = 64U << 20;

  void SetUp() override {
    if (GetParam().require) {
      GetParam().require();
      if (IsSkipped() || HasFatalFailure()) {
        return;
      }
    }
    opened_ = GetParam().open();
  }

  store::ObjectStore& store() { return *opened_.store; }

  /// Writes a record over the version `expected`. Returns its new version, "" if it lost.
  std::string swap(const std::string& name, std::string_view content,
                   const std::optional<std::string>& expected = std::nullopt) {
    return store().swap_record(name, as_bytes(content), expected, {}).value_or("");
  }

  /// Where a store has no conditional writes: checks that it says so and refuses to promise what
  /// racers could break, which is then all there is to test. Returns whether that is so.
  bool refuses_racers() {
    const auto found = store().conditional_writes({});
    EXPECT_EQ(found.work, GetParam().conditional_writes);
    EXPECT_EQ(found.reason.empty(), found.work) << found.reason;
    if (found.work) {
      return false;
    }
    const auto swap_one = [&] { (void)swap("racers/record", "content"); };
    const auto lock_one = [&] { (void)store().try_lock("racers/lock", {}); };
    EXPECT_EQ(kind_of_failure(swap_one), ErrorKind::config);
    EXPECT_EQ(kind_of_failure(lock_one), ErrorKind::config);
    EXPECT_EQ(store().read_record("racers/record", {}), std::nullopt);
    return true;
  }

  /// Puts a small object that is not there yet.
  void put(const std::string& name, std::string_view content = "content") {
    ASSERT_TRUE(store().put_if_absent(name, as_bytes(content), {})) << name;
  }

  /// The content of an object, "(none)" if there is no such.
  std::string text_of(const std::string& name) {
    const std::optional<Bytes> content = store().get(name, kMost, {});
    return content ? std::string(as_text(*content)) : "(none)";
  }

  std::vector<std::string> names(const std::string& prefix = "") {
    std::vector<std::string> names;
    for (const store::ObjectInfo& object : store().list(prefix, {})) {
      names.push_back(object.name);
    }
    return names;
  }

  std::string read(const std::string& name, std::uint64_t offset, std::size_t count) {
    Bytes into(count);
    store().read(name, offset, into, {});
    return std::string(as_text(into));
  }

  /// Bytes that no store can shorten.
  static Bytes noise(std::size_t bytes) {
    Bytes content(bytes);
    std::uint32_t state = 1;
    for (std::byte& byte : content) {
      state = state * 1664525 + 1013904223;
      byte = static_cast<std::byte>(state >> 24U);
    }
    return content;
  }

  /// The kind of the Error that `call` throws; nothing if it throws none.
  static std::optional<ErrorKind> kind_of_failure(const std::function<void()>& call) {
    try {
      call();
      return std::nullopt;
    } catch (const Error& error) {
      return error.kind();
    }
  }

 private:
  OpenedStore opened_;
};

TEST_P(StoreContract, BeginsEmpty) {
  EXPECT_TRUE(store().empty({}));
  EXPECT_THAT(names(), testing::IsEmpty());
}

TEST_P(StoreContract, MakesItsPlaceOnlyOnce) {
  put("a");

  store().create();

  EXPECT_EQ(text_of("a"), "content");
}

TEST_P(StoreContract, SaysThatAnObjectIsAbsent) {
  EXPECT_EQ(store().get("no/such", kMost, {}), std::nullopt);
  EXPECT_EQ(store().head("no/such", {}), std::nullopt);
}

TEST_P(StoreContract, GivesBackWhatWasPut) {
  put("folder/object", "some bytes");

  EXPECT_EQ(text_of("folder/object"), "some bytes");
  EXPECT_EQ(store().head("folder/object", {}), (store::ObjectInfo{"folder/object", 10}));
  EXPECT_FALSE(store().empty({}));
}

TEST_P(StoreContract, TakesNoFolderForAnObject) {
  put("folder/object");

  EXPECT_EQ(store().get("folder", kMost, {}), std::nullopt);
  EXPECT_EQ(store().head("folder", {}), std::nullopt);
  store().remove("folder", {});
  EXPECT_EQ(text_of("folder/object"), "content");
}

TEST_P(StoreContract, KeepsBytesOfEveryValue) {
  std::string content;
  for (int i = 0; i < 256; ++i) {
    content.push_back(static_cast<char>(i));
  }

  put("binary", content);

  EXPECT_EQ(text_of("binary"), content);
}

TEST_P(StoreContract, KeepsAnEmptyObject) {
  put("nothing", "");
  store().upload("nothing-uploaded", {})->complete();

  EXPECT_EQ(text_of("nothing"), "");
  EXPECT_EQ(text_of("nothing-uploaded"), "");
  EXPECT_EQ(read("nothing", 0, 0), "");
}

TEST_P(StoreContract, PutsNothingOverAnObject) {
  put("a", "first");

  EXPECT_FALSE(store().put_if_absent("a", as_bytes("second"), {}));

  EXPECT_EQ(text_of("a"), "first");
}

TEST_P(StoreContract, LetsExactlyOneOfManyRacersPut) {
  if (refuses_racers()) {
    return;
  }
  constexpr int kRacers = 8;
  constexpr int kRounds = 20;
  for (int round = 0; round < kRounds; ++round) {
    const std::string name = fmt::format("race-{}/object", round);
    std::latch start(kRacers);
    std::atomic<int> winners{0};
    std::atomic<int> winner{-1};
    flow::Group racers{std::stop_token{}};
    for (int racer = 0; racer < kRacers; ++racer) {
      racers.spawn("racer", [&, racer](std::stop_token stop) {
        const std::string content = std::to_string(racer);
        start.arrive_and_wait();
        if (store().put_if_absent(name, as_bytes(content), stop)) {
          ++winners;
          winner = racer;
        }
      });
    }
    racers.wait();

    EXPECT_EQ(winners, 1);
    EXPECT_EQ(text_of(name), std::to_string(winner));
  }
}

TEST_P(StoreContract, RefusesMoreThanTheReaderAllows) {
  put("a", "12345");

  EXPECT_TRUE(store().get("a", 5, {}).has_value());
  EXPECT_EQ(kind_of_failure([&] { (void)store().get("a", 4, {}); }), ErrorKind::corrupt);
}

TEST_P(StoreContract, ReadsAnyRange) {
  put("a", "0123456789");

  EXPECT_EQ(read("a", 0, 1), "0");
  EXPECT_EQ(read("a", 9, 1), "9");
  EXPECT_EQ(read("a", 3, 4), "3456");
  EXPECT_EQ(read("a", 0, 10), "0123456789");
}

TEST_P(StoreContract, ReadsNothingBeyondTheEnd) {
  put("a", "0123456789");

  EXPECT_EQ(kind_of_failure([&] { (void)read("a", 10, 1); }), ErrorKind::corrupt);
  EXPECT_EQ(kind_of_failure([&] { (void)read("a", 5, 6); }), ErrorKind::corrupt);
  EXPECT_EQ(kind_of_failure([&] { (void)read("a", ~std::uint64_t{0}, 2); }), ErrorKind::corrupt);
  EXPECT_EQ(kind_of_failure([&] { (void)read("b", 0, 1); }), ErrorKind::corrupt);
}

TEST_P(StoreContract, TakesALargeObjectInOddPieces) {
  const Bytes content = noise(20U << 20U);

  const std::unique_ptr<store::Upload> upload = store().upload("large/object", {});
  ByteView rest = content;
  for (std::size_t piece = 1; !rest.empty(); piece = piece * 7 + 1) {
    const ByteView head = rest.first(std::min({piece, rest.size(), std::size_t{3'000'001}}));
    upload->append(head);
    rest = rest.subspan(head.size());
  }
  upload->complete();

  EXPECT_TRUE(store().get("large/object", kMost, {}) == content);
  EXPECT_EQ(store().head("large/object", {})->bytes, content.size());
  Bytes across(3U << 20U);
  store().read("large/object", 4U << 20U, across, {});
  EXPECT_TRUE(std::ranges::equal(across, ByteView(content).subspan(4U << 20U, across.size())));
}

TEST_P(StoreContract, TakesSeveralLargeObjectsAtOnce) {
  const Bytes content = noise(12U << 20U);
  flow::Group threads{std::stop_token{}};
  for (int thread = 0; thread < 3; ++thread) {
    threads.spawn("uploader", [&, thread](std::stop_token stop) {
      const auto upload = store().upload(fmt::format("large/{}", thread), stop);
      upload->append(content);
      upload->complete();
    });
  }
  threads.wait();

  for (int thread = 0; thread < 3; ++thread) {
    EXPECT_TRUE(store().get(fmt::format("large/{}", thread), kMost, {}) == content);
  }
}

TEST_P(StoreContract, TellsWhatItHasStored) {
  for (const std::size_t bytes : {0U, 10U, 12U << 20U}) {
    const Bytes content = noise(bytes);
    const std::string name = fmt::format("object-{}", bytes);
    const std::unique_ptr<store::Upload> upload = store().upload(name, {});
    upload->append(content);

    const store::StoredBytes stored = upload->complete();

    if (GetParam().encrypts) {
      EXPECT_GT(stored.bytes, bytes);
      continue;
    }
    store::StoredDigest digest;
    digest.feed(content);
    EXPECT_EQ(stored, digest.finish());
  }
}

TEST_P(StoreContract, LeavesNothingOfALargeUploadThatIsDropped) {
  store().upload("folder/object", {})->append(noise(12U << 20U));

  EXPECT_THAT(names(), testing::IsEmpty());
  EXPECT_EQ(store().remove_abandoned_uploads("", every_name, {}), 0);
}

TEST_P(StoreContract, UploadsNothingLargeOverAnObject) {
  const std::unique_ptr<store::Upload> upload = store().upload("a", {});
  upload->append(noise(12U << 20U));
  put("a", "first");

  EXPECT_EQ(kind_of_failure([&] { upload->complete(); }), ErrorKind::failed);

  EXPECT_EQ(text_of("a"), "first");
}

TEST_P(StoreContract, ShowsAnUploadOnlyOnceItIsComplete) {
  const std::unique_ptr<store::Upload> upload = store().upload("folder/object", {});
  upload->append(as_bytes("some "));

  EXPECT_EQ(store().head("folder/object", {}), std::nullopt);
  EXPECT_THAT(names(), testing::IsEmpty());

  upload->append(as_bytes("bytes"));
  upload->complete();
  EXPECT_EQ(text_of("folder/object"), "some bytes");
}

TEST_P(StoreContract, LeavesNothingOfAnUploadThatIsDropped) {
  store().upload("folder/object", {})->append(as_bytes("some bytes"));

  EXPECT_THAT(names(), testing::IsEmpty());
  EXPECT_EQ(store().remove_abandoned_uploads("", every_name, {}), 0);
  put("folder/object");
}

TEST_P(StoreContract, UploadsNothingOverAnObject) {
  const std::unique_ptr<store::Upload> upload = store().upload("a", {});
  upload->append(as_bytes("second"));
  put("a", "first");

  EXPECT_EQ(kind_of_failure([&] { upload->complete(); }), ErrorKind::failed);

  EXPECT_EQ(text_of("a"), "first");
}

TEST_P(StoreContract, ListsInByteOrder) {
  for (const char* name : {"ab", "a/b", "a-b", "a.b", "B", "a=b", "a_b", "a0"}) {
    put(name);
  }

  EXPECT_THAT(names(), testing::ElementsAre("B", "a-b", "a.b", "a/b", "a0", "a=b", "a_b", "ab"));
}

TEST_P(StoreContract, ListsByPrefixWhereverItEnds) {
  for (const char* name : {"one/a", "one/b/c", "one/bc", "one.b", "two/a"}) {
    put(name);
  }

  EXPECT_THAT(names("one/"), testing::ElementsAre("one/a", "one/b/c", "one/bc"));
  EXPECT_THAT(names("one/b"), testing::ElementsAre("one/b/c", "one/bc"));
  EXPECT_THAT(names("one"), testing::ElementsAre("one.b", "one/a", "one/b/c", "one/bc"));
  EXPECT_THAT(names("one/a"), testing::ElementsAre("one/a"));
  EXPECT_THAT(names("one/a/"), testing::IsEmpty());
  EXPECT_THAT(names("three/"), testing::IsEmpty());
}

TEST_P(StoreContract, ListsMoreThanAPageOfObjects) {
  const std::size_t objects = GetParam().quick ? 1200 : 120;  // S3 gives 1000 at a time.
  constexpr std::size_t kThreads = 8;  // A file system syncs many files nearly as fast as one.
  std::vector<store::ObjectInfo> expected;
  for (std::size_t i = 0; i < objects; ++i) {
    expected.push_back({fmt::format("many/{:04}", i), i % 7});
  }
  flow::Group threads{std::stop_token{}};
  for (std::size_t thread = 0; thread < kThreads; ++thread) {
    threads.spawn("writer", [&, thread](std::stop_token) {
      for (std::size_t i = thread; i < objects; i += kThreads) {
        put(expected[i].name, std::string(i % 7, 'x'));
      }
    });
  }
  threads.wait();

  EXPECT_EQ(store().list("many/", {}), expected);
  std::vector<store::ObjectInfo> visited;
  store().visit("many/", [&](const store::ObjectInfo& object) { visited.push_back(object); }, {});
  EXPECT_THAT(visited, testing::UnorderedElementsAreArray(expected));

  std::vector<std::string> gone;
  for (const store::ObjectInfo& object : expected) {
    gone.push_back(object.name);
  }
  const std::string kept = gone.back();
  gone.back() = "many/was-never-there";
  store().remove_all(gone, {});
  EXPECT_THAT(names(), testing::ElementsAre(kept));
}

TEST_P(StoreContract, RemovesNoneOfNone) {
  put("a");

  store().remove_all({}, {});

  EXPECT_THAT(names(), testing::ElementsAre("a"));
}

TEST_P(StoreContract, RemovesAnObjectWhetherItIsThereOrNot) {
  put("folder/a");
  put("folder/b");

  store().remove("folder/a", {});
  store().remove("folder/a", {});
  store().remove("never/was", {});

  EXPECT_THAT(names(), testing::ElementsAre("folder/b"));
}

TEST_P(StoreContract, IsEmptyAgainOnceAllIsRemoved) {
  put("deep/down/below/a");

  store().remove("deep/down/below/a", {});

  EXPECT_TRUE(store().empty({}));
  put("deep/down/below/a");
}

TEST_P(StoreContract, PutsAndRemovesSideBySide) {
  constexpr int kThreads = 4;
  const int rounds = GetParam().quick ? 50 : 5;
  flow::Group threads{std::stop_token{}};
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.spawn("worker", [&, thread](std::stop_token stop) {
      const std::string name = fmt::format("shared/folder/{}", thread);
      for (int round = 0; round < rounds; ++round) {
        EXPECT_TRUE(store().put_if_absent(name, as_bytes("content"), stop));
        (void)store().list("shared/", stop);
        store().remove(name, stop);
      }
    });
  }
  threads.wait();

  EXPECT_THAT(names(), testing::IsEmpty());
}

TEST_P(StoreContract, SaysThatARecordIsAbsent) {
  EXPECT_EQ(store().read_record("no/such", {}), std::nullopt);
}

TEST_P(StoreContract, CreatesARecordOnce) {
  if (refuses_racers()) {
    return;
  }
  const std::string version = swap("folder/record", "first");
  EXPECT_NE(version, "");

  EXPECT_EQ(swap("folder/record", "second"), "");

  const auto record = store().read_record("folder/record", {});
  ASSERT_TRUE(record);
  EXPECT_EQ(as_text(record->content), "first");
  EXPECT_EQ(record->version, version);
}

TEST_P(StoreContract, SwapsARecordThatIsAsExpected) {
  if (refuses_racers()) {
    return;
  }
  const std::string first = swap("record", "first");

  const std::string second = swap("record", "second", first);
  const std::string third = swap("record", "third", second);

  EXPECT_THAT((std::vector{first, second, third}), testing::Each(testing::Ne("")));
  EXPECT_NE(first, second);
  EXPECT_NE(second, third);
  const auto record = store().read_record("record", {});
  ASSERT_TRUE(record);
  EXPECT_EQ(as_text(record->content), "third");
  EXPECT_EQ(record->version, third);
}

TEST_P(StoreContract, SwapsNoRecordThatHasChangedOrGone) {
  if (refuses_racers()) {
    return;
  }
  const std::string first = swap("record", "first");
  const std::string second = swap("record", "second", first);

  EXPECT_EQ(swap("record", "third", first), "");
  EXPECT_EQ(as_text(store().read_record("record", {})->content), "second");

  if (GetParam().encrypts) {
    return;  // There `remove` is about names that records do not have.
  }
  store().remove("record", {});
  EXPECT_EQ(store().read_record("record", {}), std::nullopt);
  EXPECT_EQ(swap("record", "fourth", second), "");
  EXPECT_EQ(store().read_record("record", {}), std::nullopt);
}

TEST_P(StoreContract, LosesNoneOfManyRacingSwaps) {
  if (refuses_racers()) {
    return;
  }
  constexpr int kRacers = 6;
  constexpr int kSwaps = 5;
  ASSERT_NE(swap("counter", "0 start"), "");
  flow::Group racers{std::stop_token{}};
  for (int racer = 0; racer < kRacers; ++racer) {
    racers.spawn("racer", [&, racer](std::stop_token stop) {
      for (int done = 0; done < kSwaps;) {
        const auto record = store().read_record("counter", stop);
        const int count = std::stoi(std::string(as_text(record->content)));
        const std::string next = fmt::format("{} of {}", count + 1, racer);
        done += store().swap_record("counter", as_bytes(next), record->version, stop) ? 1 : 0;
      }
    });
  }
  racers.wait();

  const auto record = store().read_record("counter", {});
  EXPECT_EQ(std::stoi(std::string(as_text(record->content))), kRacers * kSwaps);
}

TEST_P(StoreContract, LetsExactlyOneOfManyRacersCreateARecord) {
  if (refuses_racers()) {
    return;
  }
  constexpr int kRacers = 6;
  constexpr int kRounds = 10;
  for (int round = 0; round < kRounds; ++round) {
    const std::string name = fmt::format("record-{}", round);
    std::latch start(kRacers);
    std::atomic<int> winners{0};
    flow::Group racers{std::stop_token{}};
    for (int racer = 0; racer < kRacers; ++racer) {
      racers.spawn("racer", [&, racer](std::stop_token stop) {
        const std::string content = std::to_string(racer);
        start.arrive_and_wait();
        if (store().swap_record(name, as_bytes(content), std::nullopt, stop)) {
          ++winners;
        }
      });
    }
    racers.wait();

    EXPECT_EQ(winners, 1);
  }
}

TEST_P(StoreContract, GivesALockToOneAtATime) {
  if (refuses_racers()) {
    return;
  }
  std::unique_ptr<store::StoreLock> lock = store().try_lock("folder/lock", {});
  ASSERT_NE(lock, nullptr);
  EXPECT_EQ(store().try_lock("folder/lock", {}), nullptr);
  EXPECT_NE(store().try_lock("folder/other", {}), nullptr);

  lock.reset();

  EXPECT_NE(store().try_lock("folder/lock", {}), nullptr);
}

TEST_P(StoreContract, ShowsNoLockAsAnObject) {
  if (refuses_racers()) {
    return;
  }
  const std::unique_ptr<store::StoreLock> lock = store().try_lock("folder/lock", {});

  EXPECT_THAT(names(), testing::IsEmpty());
  EXPECT_EQ(store().head("folder/lock", {}), std::nullopt);
}

TEST_P(StoreContract, ChangesNothingOnceStopped) {
  put("a");
  std::stop_source source;
  const std::stop_token stop = source.get_token();
  const std::unique_ptr<store::Upload> upload = store().upload("upload", stop);
  const std::unique_ptr<store::Upload> whole = store().upload("whole", stop);
  whole->append(as_bytes("some bytes"));
  source.request_stop();
  Bytes into(1);

  const std::vector<std::function<void()>> calls = {
      [&] { (void)store().put_if_absent("b", as_bytes("content"), stop); },
      [&] { (void)store().upload("c", stop); },
      [&] { (void)store().get("a", kMost, stop); },
      [&] { store().read("a", 0, into, stop); },
      [&] { (void)store().head("a", stop); },
      [&] { (void)store().list("", stop); },
      [&] {
        store().visit(
            "", [](const store::ObjectInfo&) {}, stop);
      },
      [&] { (void)store().empty(stop); },
      [&] { store().remove("a", stop); },
      [&] { store().remove_all({"a"}, stop); },
      [&] { (void)store().remove_abandoned_uploads("", every_name, stop); },
      [&] { (void)store().try_lock("lock", stop); },
      [&] { (void)store().read_record("record", stop); },
      [&] { (void)store().swap_record("record", as_bytes("content"), std::nullopt, stop); },
      [&] { upload->append(as_bytes("some bytes")); },
      [&] { whole->complete(); },
  };
  for (std::size_t i = 0; i < calls.size(); ++i) {
    EXPECT_EQ(kind_of_failure(calls[i]), ErrorKind::cancelled) << "call " << i;
  }
  EXPECT_THAT(names(), testing::ElementsAre("a"));
}

}  // namespace keyrewind::test
