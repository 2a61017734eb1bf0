#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "flow/group.h"
#include "store/object_store.h"

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

/// How to open a store of one kind. A second store on the same place need not be possible.
struct StoreFactory {
  std::string name;
  std::function<OpenedStore()> open;

  friend std::ostream& operator<<(std::ostream& out, const StoreFactory& factory) {
    return out << factory.name;
  }
};

class StoreContract : public testing::TestWithParam<StoreFactory> {
 protected:
  static constexpr std::uint64_t kMost = 64U << 20;

  store::ObjectStore& store() { return *opened_.store; }

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
  OpenedStore opened_ = GetParam().open();
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
  Bytes content(20U << 20);
  std::uint32_t state = 1;
  for (std::byte& byte : content) {
    state = state * 1664525 + 1013904223;
    byte = static_cast<std::byte>(state >> 24);
  }

  const std::unique_ptr<store::Upload> upload = store().upload("large/object", {});
  ByteView rest = content;
  for (std::size_t piece = 1; !rest.empty(); piece = piece * 7 + 1) {
    const ByteView head = rest.first(std::min({piece, rest.size(), std::size_t{3'000'001}}));
    upload->append(head);
    rest = rest.subspan(head.size());
  }
  upload->complete();

  EXPECT_TRUE(store().get("large/object", kMost, {}) == content);
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
  constexpr std::size_t kObjects = 1200;  // S3 gives 1000 at a time.
  constexpr std::size_t kThreads = 8;     // A file system syncs many files nearly as fast as one.
  std::vector<store::ObjectInfo> expected;
  for (std::size_t i = 0; i < kObjects; ++i) {
    expected.push_back({fmt::format("many/{:04}", i), i % 7});
  }
  flow::Group threads{std::stop_token{}};
  for (std::size_t thread = 0; thread < kThreads; ++thread) {
    threads.spawn("writer", [&, thread](std::stop_token) {
      for (std::size_t i = thread; i < kObjects; i += kThreads) {
        put(expected[i].name, std::string(i % 7, 'x'));
      }
    });
  }
  threads.wait();

  EXPECT_EQ(store().list("many/", {}), expected);
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
  constexpr int kRounds = 50;
  flow::Group threads{std::stop_token{}};
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.spawn("worker", [&, thread](std::stop_token stop) {
      const std::string name = fmt::format("shared/folder/{}", thread);
      for (int round = 0; round < kRounds; ++round) {
        EXPECT_TRUE(store().put_if_absent(name, as_bytes("content"), stop));
        (void)store().list("shared/", stop);
        store().remove(name, stop);
      }
    });
  }
  threads.wait();

  EXPECT_THAT(names(), testing::IsEmpty());
}

TEST_P(StoreContract, GivesALockToOneAtATime) {
  std::unique_ptr<store::StoreLock> lock = store().try_lock("folder/lock", {});
  ASSERT_NE(lock, nullptr);
  EXPECT_EQ(store().try_lock("folder/lock", {}), nullptr);
  EXPECT_NE(store().try_lock("folder/other", {}), nullptr);

  lock.reset();

  EXPECT_NE(store().try_lock("folder/lock", {}), nullptr);
}

TEST_P(StoreContract, ShowsNoLockAsAnObject) {
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
      [&] { (void)store().empty(stop); },
      [&] { store().remove("a", stop); },
      [&] { (void)store().remove_abandoned_uploads("", every_name, stop); },
      [&] { (void)store().try_lock("lock", stop); },
      [&] { upload->append(as_bytes("some bytes")); },
      [&] { whole->complete(); },
  };
  for (std::size_t i = 0; i < calls.size(); ++i) {
    EXPECT_EQ(kind_of_failure(calls[i]), ErrorKind::cancelled) << "call " << i;
  }
  EXPECT_THAT(names(), testing::ElementsAre("a"));
}

}  // namespace keyrewind::test
