#include "backup/log_shipper.h"

#include "base/error.h"
#include "base/log.h"
#include "catalog/names.h"
#include "catalog/repository.h"
#include "log_sample.h"
#include "store/file_store.h"
#include "store/memory_store.h"
#include "support/faulty_store.h"
#include "support/manual_clock.h"
#include "support/temp_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace keyrewind::backup {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using test::Fault;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const catalog::Event kEvent{.id = "20261120T130221Z-0a1b2c",
                            .kind = "gap",
                            .lineage = kLineage,
                            .offset = 4711,
                            .at = kTime,
                            .detail = "detail"};

const std::string kSet = command({"SET", "a", "1"});

std::vector<std::string> segments_in(const store::ObjectStore& store) {
  std::vector<std::string> names;
  for (const store::ObjectInfo& object : store.list("", {})) {
    if (object.name.ends_with(".aof.zst")) {
      names.push_back(object.name);
    }
  }
  return names;
}

std::int64_t end_in(const store::ObjectStore& store, const std::string& lineage = kLineage) {
  std::int64_t end = 0;
  for (const auto& [found, entries] : catalog::list_logs(store, "orders", "0", {})) {
    for (const catalog::SegmentEntry& entry : entries) {
      end = found == lineage ? std::max(end, entry.end) : end;
    }
  }
  return end;
}

/// A shipper in a thread of its own.
class Shipping {
 public:
  Shipping(store::ObjectStore& store, Spool& spool, ShipperOptions options)
      : shipper_(store, spool, durable_, std::move(options), metrics_, clock_), spool_(spool) {
    durable_.has_base(kLineage);
    shipper_.on_break([this](const std::string& lineage) {
      const std::lock_guard lock(mutex_);
      breaks_.push_back(lineage);
    });
  }
  ~Shipping() { stop(); }
  Shipping(const Shipping&) = delete;
  Shipping& operator=(const Shipping&) = delete;

  void start() {
    stop_ = std::stop_source();
    thread_ = std::jthread([this, stop = stop_.get_token()] {
      try {
        shipper_.run(stop);
      } catch (const Error& error) {
        if (error.kind() != ErrorKind::cancelled) {
          error_ = error;
        }
      }
      ended_ = true;
    });
  }

  void request_stop() { stop_.request_stop(); }

  void stop() {
    request_stop();
    if (thread_.joinable()) {
      thread_.join();
    }
  }

  bool done() const { return spool_.shipped() && spool_.events().empty(); }

  void ship_all() {
    start();
    wait_until([this] { return done() || ended_; });
    stop();
  }

  std::uint64_t failures() const {
    const std::string text = metrics_.to_prometheus_text();
    const std::string name = "keyrewind_repository_failures_total{source=\"orders\"} ";
    return std::stoull(text.substr(text.find("\n" + name) + 1 + name.size()));
  }

  std::vector<std::string> breaks() const {
    const std::lock_guard lock(mutex_);
    return breaks_;
  }

  DurablePoint& durable() { return durable_; }
  std::int64_t durable_offset() const { return durable_.offset_of(kLineage); }
  bool working() const { return shipper_.working(); }
  bool ended() const { return ended_; }
  const std::optional<Error>& error() const { return error_; }

 private:
  DurablePoint durable_;
  metrics::AgentMetrics metrics_{"orders"};
  test::ManualClock clock_{kTime};
  LogShipper shipper_;
  Spool& spool_;
  mutable std::mutex mutex_;
  std::vector<std::string> breaks_;
  std::optional<Error> error_;
  std::atomic<bool> ended_{false};
  std::stop_source stop_;
  std::jthread thread_;
};

class LogShipperTest : public testing::Test {
 protected:
  LogShipperTest() { log::configure(log::Level::error, log::Format::text); }

  static ShipperOptions options(milliseconds pause = milliseconds(0)) {
    return {.source = "orders",
            .shard = "0",
            .compression_level = 1,
            .first_pause = pause,
            .longest_pause = pause};
  }

  static std::unique_ptr<Spool> open(const fs::path& folder) {
    return std::make_unique<Spool>(SpoolOptions{.dir = folder}, "orders", "0");
  }

  /// Journals of one SET each.
  void add_sets(Spool& spool, int count) {
    for (int i = 0; i < count; ++i) {
      add_journal(spool, position_, {{kSet, at_ += milliseconds(1000)}});
      stream_ += kSet;
    }
  }

  replica::Position position_ = kStart;
  Timestamp at_ = kTime;
  std::string stream_;
  const test::TempDir folder_;
  store::MemoryStore store_;
};

TEST_F(LogShipperTest, ShipsWhatIsThereAndWhatComes) {
  const auto spool = open(folder_.path());
  add_sets(*spool, 3);
  Shipping shipping(store_, *spool, options());
  shipping.start();
  wait_until([&] { return shipping.done(); });
  EXPECT_TRUE(shipping.working());

  add_sets(*spool, 2);
  wait_until([&] { return shipping.durable_offset() == position_.offset; });

  EXPECT_EQ(read_log(store_).stream, stream_);
  EXPECT_THAT(segments_in(store_), SizeIs(5));
  EXPECT_EQ(catalog::inspect(store_, {}), catalog::Place::repository);
  EXPECT_FALSE(shipping.ended());
  EXPECT_THAT(shipping.breaks(), IsEmpty());
}

TEST_F(LogShipperTest, ShipsEventsWithoutALog) {
  const auto spool = open(folder_.path());
  Shipping shipping(store_, *spool, options());
  shipping.start();

  spool->note(kEvent);
  wait_until([&] { return shipping.done(); });

  std::vector<std::string> problems;
  EXPECT_THAT(catalog::list_events(store_, "orders", "0", problems, {}), ElementsAre(kEvent));
}

TEST_F(LogShipperTest, KeepsLineagesApart) {
  const auto spool = open(folder_.path());
  add_sets(*spool, 2);
  replica::Position other{kOtherReplid, 5};
  add_journal(*spool, other, {{kSet, at_}}, kOtherReplid);
  add_sets(*spool, 1);

  Shipping(store_, *spool, options()).ship_all();

  EXPECT_EQ(read_log(store_).stream, stream_);
  EXPECT_EQ(read_log(store_, kOtherReplid, 5).stream, kSet);
}

TEST_F(LogShipperTest, GoesOnWhereAnEarlierProcessEnded) {
  for (int i = 0; i < 3; ++i) {
    const auto spool = open(folder_.path());
    add_sets(*spool, 2);
    Shipping(store_, *spool, options()).ship_all();
  }
  EXPECT_EQ(read_log(store_).stream, stream_);
  EXPECT_THAT(segments_in(store_), SizeIs(6));
}

TEST_F(LogShipperTest, RecognisesWhatWasStoredBefore) {
  const fs::path copy = folder_ / "copy";
  {
    const auto spool = open(folder_ / "spool");
    add_sets(*spool, 3);
    fs::copy(folder_ / "spool", copy, fs::copy_options::recursive);
    Shipping(store_, *spool, options()).ship_all();
  }
  const std::vector<std::string> names = segments_in(store_);

  const auto spool = open(copy);
  Shipping shipping(store_, *spool, options());
  shipping.ship_all();

  EXPECT_EQ(segments_in(store_), names);
  EXPECT_EQ(shipping.durable_offset(), position_.offset);
  EXPECT_THAT(shipping.breaks(), IsEmpty());
  EXPECT_EQ(shipping.error(), std::nullopt);
}

/// One run of a shipper whose store fails once; afterwards nothing must be missing or there twice.
class LogShipperAtAFailure : public LogShipperTest,
                             public testing::WithParamInterface<Fault::Mode> {
 protected:
  void fill(Spool& spool) {
    std::mt19937 random(5);
    for (int i = 0; i < 4; ++i) {
      const auto pieces = random_pieces(random, random_units(random, 5), at_);
      add_journal(spool, position_, pieces);
      ends_.push_back(position_.offset);
      stream_ += joined(pieces);
    }
    spool.note(kEvent);
  }

  void expect_all_of_it(const store::ObjectStore& store, std::uint64_t call) const {
    const ReadLog log = read_log(store);
    EXPECT_EQ(log.stream, stream_) << "call " << call;
    EXPECT_THAT(log.entries, SizeIs(4)) << "call " << call;
    EXPECT_THAT(segments_in(store), SizeIs(4)) << "call " << call;
    std::vector<std::string> problems;
    EXPECT_THAT(catalog::list_events(store, "orders", "0", problems, {}), ElementsAre(kEvent));
  }

  void forget() {
    position_ = kStart;
    at_ = kTime;
    stream_.clear();
    ends_.clear();
  }

  std::vector<std::int64_t> ends_;
};

TEST_P(LogShipperAtAFailure, GoesOnInTheSameProcess) {
  for (std::uint64_t call = 1;; ++call) {
    forget();
    const test::TempDir folder;
    const auto spool = open(folder.path());
    fill(*spool);
    store::MemoryStore store;
    test::FaultyStore faulty(store, {.mode = GetParam(), .call = call});
    Shipping shipping(faulty, *spool, options());
    // One move a journal: by then the repository must have it.
    std::vector<std::int64_t> stored;
    shipping.durable().on_move([&] { stored.push_back(end_in(store)); });

    shipping.ship_all();

    shipping.durable().on_move({});
    ASSERT_EQ(shipping.error(), std::nullopt) << "call " << call;
    expect_all_of_it(store, call);
    EXPECT_EQ(shipping.durable_offset(), position_.offset);
    ASSERT_EQ(stored.size(), ends_.size());
    for (std::size_t i = 0; i < ends_.size(); ++i) {
      EXPECT_GE(stored[i], ends_[i]) << "call " << call;
    }
    if (faulty.calls() < call) {
      ASSERT_GT(call, 15U);
      break;
    }
  }
}

TEST_P(LogShipperAtAFailure, GoesOnInTheNextProcess) {
  for (std::uint64_t call = 1;; ++call) {
    forget();
    const test::TempDir folder;
    auto spool = open(folder.path());
    fill(*spool);
    store::MemoryStore store;
    test::FaultyStore faulty(store, {.mode = GetParam(), .call = call});
    {
      Shipping shipping(faulty, *spool, options(std::chrono::hours(1)));
      shipping.start();
      wait_until([&] { return shipping.done() || shipping.failures() > 0; });
      shipping.stop();
      EXPECT_LE(shipping.durable_offset(), end_in(store)) << "call " << call;
    }
    spool.reset();

    spool = open(folder.path());
    Shipping again(store, *spool, options());
    again.ship_all();

    ASSERT_EQ(again.error(), std::nullopt) << "call " << call;
    EXPECT_THAT(again.breaks(), IsEmpty()) << "call " << call;
    expect_all_of_it(store, call);
    if (faulty.calls() < call) {
      break;
    }
  }
}

TEST_P(LogShipperAtAFailure, GoesOnAfterManyFailures) {
  for (std::uint64_t every = 2; every < 6; ++every) {
    forget();
    const test::TempDir folder;
    store::MemoryStore store;
    {
      const auto spool = open(folder.path());
      fill(*spool);
    }
    // Each process gets a few calls further; whatever the first ones stored is found again.
    for (int process = 0; end_in(store) < position_.offset; ++process) {
      ASSERT_LT(process, 200);
      const auto spool = open(folder.path());
      test::FaultyStore faulty(
          store, {.mode = GetParam(), .call = every * static_cast<std::uint64_t>(process + 1)});
      Shipping shipping(faulty, *spool, options(std::chrono::hours(1)));
      shipping.start();
      wait_until([&] { return shipping.done() || shipping.failures() > 0; });
    }
    const auto spool = open(folder.path());
    Shipping(store, *spool, options()).ship_all();
    expect_all_of_it(store, every);
  }
}

INSTANTIATE_TEST_SUITE_P(Modes, LogShipperAtAFailure,
                         testing::Values(Fault::Mode::fail_before, Fault::Mode::fail_after),
                         [](const auto& mode) {
                           return mode.param == Fault::Mode::fail_before ? "Before" : "After";
                         });

TEST_F(LogShipperTest, ClearsAwayWhatAKilledRunLeft) {
  const auto spool = open(folder_ / "spool");
  store::FileStore store(folder_ / "repository");
  catalog::ensure_repository(store, test::ManualClock(kTime), {});
  const std::string name = catalog::names::segment(
      "orders", "0", {.lineage = kLineage, .begin = 1, .end = 2, .last = kTime, .level = 0});
  const auto partial_files = [&] {
    std::size_t count = 0;
    for (const auto& entry : fs::recursive_directory_iterator(folder_ / "repository")) {
      count += entry.path().extension() == ".partial" ? 1U : 0U;
    }
    return count;
  };
  for (std::uint64_t call = 1; call < 8; ++call) {
    const auto upload = store.upload(name, {});
    upload->append(as_bytes(kSet));
    ASSERT_EQ(partial_files(), 1U);
    test::FaultyStore faulty(store, {.mode = Fault::Mode::fail_before, .call = call});
    Shipping shipping(faulty, *spool, options());
    shipping.start();
    wait_until([&] { return shipping.working(); });
    shipping.stop();
    EXPECT_EQ(partial_files(), 0U) << "call " << call;
  }
}

TEST_F(LogShipperTest, AHoleIsDroppedAndSaid) {
  const auto spool = open(folder_.path());
  add_sets(*spool, 2);
  Shipping(store_, *spool, options()).ship_all();
  const std::string stored = stream_;
  position_.offset += 100;
  add_sets(*spool, 2);

  Shipping shipping(store_, *spool, options());
  shipping.ship_all();

  EXPECT_THAT(shipping.breaks(), ElementsAre(kLineage, kLineage));
  EXPECT_EQ(read_log(store_).stream, stored);
  EXPECT_EQ(shipping.durable_offset(), 0);
  EXPECT_EQ(shipping.error(), std::nullopt);
}

TEST_F(LogShipperTest, AnOverlapThatNoSegmentCanFillIsDroppedAndSaid) {
  const auto spool = open(folder_.path());
  add_sets(*spool, 2);
  Shipping(store_, *spool, options()).ship_all();
  replica::Position middle{kReplid, kStart.offset + static_cast<std::int64_t>(kSet.size())};
  add_journal(*spool, middle, {{kSet + kSet, at_}});

  Shipping shipping(store_, *spool, options());
  shipping.ship_all();

  EXPECT_THAT(shipping.breaks(), ElementsAre(kLineage));
  EXPECT_THAT(segments_in(store_), SizeIs(2));
}

TEST_F(LogShipperTest, NothingIsChainedToADamagedSegment) {
  const auto spool = open(folder_.path());
  add_sets(*spool, 2);
  Shipping(store_, *spool, options()).ship_all();
  const std::vector<std::string> names = segments_in(store_);
  Bytes object = *store_.get(names.back(), ~0ULL, {});
  object.back() ^= std::byte{1};
  store_.remove(names.back(), {});
  store_.put_if_absent(names.back(), object, {});
  add_sets(*spool, 1);

  Shipping shipping(store_, *spool, options());
  shipping.ship_all();

  EXPECT_THAT(shipping.breaks(), ElementsAre(kLineage));
  EXPECT_EQ(segments_in(store_), names);
  EXPECT_EQ(shipping.durable_offset(), 0);
}

TEST_F(LogShipperTest, AnObjectOfItsNameBySomebodyElseEndsIt) {
  const auto spool = open(folder_ / "one");
  add_sets(*spool, 1);
  Shipping shipping(store_, *spool, options());
  shipping.start();
  wait_until([&] { return shipping.done(); });
  {
    const auto other = open(folder_ / "other");
    replica::Position position = position_;
    add_journal(*other, position, {{command({"SET", "b", "1"}), at_ + milliseconds(1000)}});
    store_segment(store_, *other->next({}), {}, 0, 1, {});
  }
  const std::vector<std::string> names = segments_in(store_);

  add_sets(*spool, 1);
  wait_until([&] { return shipping.ended(); });
  shipping.stop();

  ASSERT_TRUE(shipping.error());
  EXPECT_EQ(shipping.error()->kind(), ErrorKind::failed);
  EXPECT_THAT(shipping.error()->what(), HasSubstr(names.back()));
  EXPECT_EQ(segments_in(store_), names);
  EXPECT_FALSE(spool->shipped());
}

TEST_F(LogShipperTest, IsTheOnlyOne) {
  const auto spool = open(folder_ / "one");
  const auto other_spool = open(folder_ / "other");
  Shipping shipping(store_, *spool, options());
  shipping.start();
  wait_until([&] { return shipping.working(); });

  Shipping other(store_, *other_spool, options());
  other.start();
  wait_until([&] { return other.ended(); });
  other.stop();

  ASSERT_TRUE(other.error());
  EXPECT_EQ(other.error()->kind(), ErrorKind::busy);
  EXPECT_THAT(other.error()->what(), HasSubstr("orders"));
  EXPECT_FALSE(other.working());
  EXPECT_TRUE(shipping.working());
}

TEST_F(LogShipperTest, AnotherMayGoOnOnceItEnded) {
  const auto spool = open(folder_ / "one");
  add_sets(*spool, 1);
  Shipping(store_, *spool, options()).ship_all();
  const auto other_spool = open(folder_ / "other");
  add_sets(*other_spool, 1);

  Shipping other(store_, *other_spool, options());
  other.ship_all();

  EXPECT_EQ(other.error(), std::nullopt);
  EXPECT_EQ(read_log(store_).stream, stream_);
}

TEST_F(LogShipperTest, ABrokenSpoolEndsIt) {
  const auto spool = open(folder_.path());
  add_sets(*spool, 1);
  fs::remove(spool->next({})->path);
  Shipping shipping(store_, *spool, options());
  shipping.start();
  wait_until([&] { return shipping.ended(); });

  ASSERT_TRUE(shipping.error());
  EXPECT_EQ(shipping.error()->side(), Side::here);
}

/// Counts the lines on stderr that have `words`.
std::size_t count_lines(const std::string& text, const std::string& words) {
  std::size_t count = 0;
  for (std::size_t at = text.find(words); at != std::string::npos; at = text.find(words, at + 1)) {
    ++count;
  }
  return count;
}

TEST_F(LogShipperTest, ARepositoryThatFailsIsSaidOnceAndSoIsItsReturn) {
  log::configure(log::Level::info, log::Format::text);
  const auto spool = open(folder_.path());
  test::FaultyStore faulty(store_);
  Shipping shipping(faulty, *spool, options());
  testing::internal::CaptureStderr();
  shipping.start();
  wait_until([&] { return shipping.working(); });
  // It waits for something to ship now, and touches no store.
  faulty.set({.mode = Fault::Mode::fail_before, .call = 0});
  add_sets(*spool, 1);
  wait_until([&] { return shipping.failures() > 20; });
  EXPECT_FALSE(shipping.working());
  shipping.stop();
  faulty.set({});
  shipping.start();
  wait_until([&] { return shipping.done(); });
  wait_until([&] { return shipping.working(); });
  shipping.stop();
  const std::string lines = testing::internal::GetCapturedStderr();

  EXPECT_EQ(count_lines(lines, "repository failed"), 1U) << lines;
  EXPECT_EQ(count_lines(lines, "repository works again"), 1U) << lines;
}

TEST_F(LogShipperTest, StopEndsItInTheMiddleOfAPause) {
  test::FaultyStore faulty(store_, {.mode = Fault::Mode::fail_before, .call = 0});
  const auto spool = open(folder_.path());
  add_sets(*spool, 1);
  Shipping shipping(faulty, *spool, options(std::chrono::hours(1)));
  shipping.start();
  wait_until([&] { return shipping.failures() == 1; });

  shipping.stop();

  EXPECT_FALSE(spool->shipped());
  EXPECT_EQ(shipping.error(), std::nullopt);
}

TEST_F(LogShipperTest, StopEndsAnUploadWithoutATrace) {
  for (std::uint64_t call = 1; call < 25; ++call) {
    const test::TempDir folder;
    const auto spool = open(folder.path());
    position_ = kStart;
    add_sets(*spool, 1);
    store::MemoryStore store;
    test::FaultyStore faulty(store);
    Shipping shipping(faulty, *spool, options());
    faulty.meanwhile(call, [&] { shipping.request_stop(); });
    shipping.start();
    wait_until([&] { return shipping.ended() || shipping.done(); });
    shipping.stop();
    EXPECT_EQ(segments_in(store).size(), spool->shipped() ? 1U : 0U) << "call " << call;
  }
}

}  // namespace
}  // namespace keyrewind::backup
