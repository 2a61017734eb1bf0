#include "backup/log_tail.h"

#include "base/error.h"
#include "base/log.h"
#include "fake_primary.h"
#include "log_sample.h"
#include "store/memory_store.h"
#include "support/manual_clock.h"
#include "support/temp_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace keyrewind::backup {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const std::string kSet = command({"SET", "a", "1"});
const std::string kMulti = command({"MULTI"});
const std::string kExec = command({"EXEC"});
const std::string kGetAck = command({"REPLCONF", "GETACK", "*"});

std::int64_t size_of(const std::string& text) {
  return static_cast<std::int64_t>(text.size());
}

/// A tail in a thread of its own, that reads from a primary.
class Tailing {
 public:
  explicit Tailing(
      Spool& spool,
      TailStart start = {.lineage = kLineage, .position = kStart, .database = 0, .node = "node"},
      const std::string& replid = kReplid)
      : start_(std::move(start)), spool_(spool), primary_(replid) {
    // Nothing is sealed unless a test wants it.
    sealing.max_age = hours(1);
  }
  ~Tailing() { stop(); }
  Tailing(const Tailing&) = delete;
  Tailing& operator=(const Tailing&) = delete;

  void start() {
    stream_ = replica::LogStream::attach(primary_.options(), start_.position, {});
    ASSERT_NE(stream_, nullptr);
    thread_ = std::jthread([this](const std::stop_token& stop) {
      try {
        end_ =
            tail_log(*stream_, start_, spool_, sealing, durable, received_, metrics_, clock, stop);
      } catch (const Error& error) {
        error_ = error;
      }
      ended_ = true;
    });
  }

  void send(const std::string& bytes) { primary_.send(bytes); }

  /// Sends, and waits until that has been read.
  void send_and_wait(const std::string& bytes) {
    const std::int64_t before = received_ == 0 ? start_.position.offset : received_.load();
    send(bytes);
    wait_until([&] { return received_ >= before + size_of(bytes); });
  }

  void wait_for_end() {
    wait_until([this] { return ended_.load(); });
    thread_.join();
  }

  void stop() {
    if (thread_.joinable()) {
      thread_.request_stop();
      thread_.join();
    }
  }

  FakePrimary& primary() { return primary_; }
  bool ended() const { return ended_; }
  std::optional<TailEnd> end() const { return end_; }
  const std::optional<Error>& error() const { return error_; }
  std::int64_t received() const { return received_; }

  SealingOptions sealing;
  DurablePoint durable;
  test::ManualClock clock{kTime};

 private:
  const TailStart start_;
  Spool& spool_;
  FakePrimary primary_;
  metrics::AgentMetrics metrics_{"orders"};
  std::unique_ptr<replica::LogStream> stream_;
  std::atomic<std::int64_t> received_{0};
  std::optional<TailEnd> end_;
  std::optional<Error> error_;
  std::atomic<bool> ended_{false};
  std::jthread thread_;
};

std::string joined(const std::vector<Taken>& journals) {
  std::string all;
  for (const Taken& journal : journals) {
    all += journal.stream;
  }
  return all;
}

/// Each journal must begin where the one before ends, and hold all that lies between.
void expect_whole(const std::vector<Taken>& journals) {
  std::int64_t end = kStart.offset;
  for (const Taken& journal : journals) {
    EXPECT_EQ(journal.head.position.offset, end);
    end = journal.end;
    EXPECT_EQ(size_of(journal.stream), end - journal.head.position.offset);
  }
}

class LogTail : public testing::Test {
 protected:
  LogTail() { log::configure(log::Level::error, log::Format::text); }

  const test::TempDir folder_;
  Spool spool_{{.dir = folder_.path()}, "orders", "0"};
};

TEST_F(LogTail, KeepsWhatItReadsUntilItIsStopped) {
  Tailing tail(spool_);
  tail.start();
  tail.send_and_wait(kSet + kSet + kSet);

  tail.stop();

  EXPECT_EQ(tail.end(), TailEnd::stopped);
  EXPECT_EQ(tail.received(), kStart.offset + 3 * size_of(kSet));
  const auto journals = take_all(spool_);
  EXPECT_EQ(joined(journals), kSet + kSet + kSet);
  expect_whole(journals);
  EXPECT_EQ(spool_.tail()->position, (replica::Position{kReplid, tail.received()}));
}

TEST_F(LogTail, OfNothingLeavesNothing) {
  Tailing tail(spool_);
  tail.start();
  tail.stop();
  EXPECT_EQ(tail.end(), TailEnd::stopped);
  EXPECT_TRUE(spool_.shipped());
  EXPECT_EQ(spool_.tail()->position, kStart);
}

TEST_F(LogTail, NotesWhereItWasTakenUpAndUnderWhichId) {
  Tailing tail(spool_,
               {.lineage = kLineage,
                .position = kStart,
                .database = std::nullopt,
                .resumed = true,
                .node = "10.0.0.7:6379"},
               kOtherReplid);
  tail.start();
  tail.send_and_wait(command({"SELECT", "5"}) + kSet);
  tail.stop();

  EXPECT_EQ(spool_.tail()->position.replid, kOtherReplid);
  EXPECT_EQ(spool_.tail()->database, 5U);
  const catalog::Segment segment = describe_segment(*spool_.next({}), {}, false);
  EXPECT_EQ(segment.database, std::nullopt);
  EXPECT_THAT(segment.ids, testing::ElementsAre(catalog::HistoryId{kStart.offset, kOtherReplid}));
  EXPECT_THAT(segment.resumptions,
              testing::ElementsAre(catalog::Resumption{kStart.offset, kTime, "10.0.0.7:6379"}));
}

TEST_F(LogTail, TheVeryBeginningIsNoResumption) {
  Tailing tail(spool_);
  tail.start();
  tail.send_and_wait(kSet);
  tail.stop();
  EXPECT_THAT(describe_segment(*spool_.next({}), {}, false).resumptions, IsEmpty());
}

TEST_F(LogTail, NotesWhenBytesArrived) {
  Tailing tail(spool_);
  tail.start();
  tail.send_and_wait(kSet);
  tail.stop();
  EXPECT_EQ(spool_.next({})->last, kTime);
}

TEST_F(LogTail, SealsBySize) {
  Tailing tail(spool_);
  tail.sealing.max_bytes = 3 * kSet.size();
  tail.start();
  tail.send_and_wait(kSet + kSet);
  EXPECT_TRUE(spool_.shipped());
  tail.send_and_wait(kSet);
  wait_until([&] { return !spool_.shipped(); });
  tail.send_and_wait(kSet + kSet + kSet.substr(0, 5));
  tail.send_and_wait(kSet.substr(5) + kSet.substr(0, 5));
  wait_until([&] { return spool_.tail()->position.offset >= kStart.offset + 6 * size_of(kSet); });
  tail.stop();

  const auto journals = take_all(spool_);
  ASSERT_THAT(journals, SizeIs(2));
  EXPECT_EQ(journals[0].stream, kSet + kSet + kSet);
  EXPECT_EQ(journals[1].stream, kSet + kSet + kSet);
  expect_whole(journals);
}

TEST_F(LogTail, SealsByAge) {
  Tailing tail(spool_);
  tail.sealing.max_age = milliseconds(30);
  tail.start();
  tail.send(kSet);
  wait_until([&] { return !spool_.shipped(); });
  EXPECT_FALSE(tail.ended());
  EXPECT_EQ(joined(take_all(spool_)), kSet);
}

TEST_F(LogTail, TakesANewAgeWhileItReads) {
  Tailing tail(spool_);
  tail.start();
  tail.send_and_wait(kSet);
  EXPECT_TRUE(spool_.shipped());
  tail.sealing.max_age = milliseconds(1);
  wait_until([&] { return !spool_.shipped(); });
}

TEST_F(LogTail, SealsOutsideTransactionsOnly) {
  Tailing tail(spool_);
  tail.sealing.max_age = milliseconds(0);
  tail.sealing.max_bytes = 1;
  tail.start();
  tail.send_and_wait(kMulti + kSet);
  tail.send_and_wait(kSet + kSet);
  EXPECT_TRUE(spool_.shipped());
  tail.send_and_wait(kExec);
  wait_until([&] { return !spool_.shipped(); });
  tail.send_and_wait(kSet + kMulti + kSet);
  wait_until([&] {
    return spool_.tail()->position.offset ==
           kStart.offset + size_of(kMulti + kSet + kSet + kSet + kExec + kSet);
  });
  tail.stop();

  const auto journals = take_all(spool_);
  ASSERT_THAT(journals, SizeIs(2));
  EXPECT_EQ(journals[0].stream, kMulti + kSet + kSet + kSet + kExec);
  EXPECT_EQ(journals[1].stream, kSet);
  EXPECT_EQ(spool_.tail()->position.offset, journals[1].end) << "the open one is read again";
}

TEST_F(LogTail, SealsWhenTheServerAsksForAcknowledgements) {
  Tailing tail(spool_);
  tail.start();
  tail.send_and_wait(kSet);
  EXPECT_TRUE(spool_.shipped());

  tail.send(kGetAck);

  wait_until([&] { return !spool_.shipped(); });
  EXPECT_EQ(joined(take_all(spool_)), kSet + kGetAck);
  wait_until([&] { return tail.primary().acknowledged().first == tail.received(); });
}

TEST_F(LogTail, AcknowledgesWhatIsDurable) {
  Tailing tail(spool_);
  tail.start();
  wait_until(
      [&] { return tail.primary().acknowledged() == std::pair(kStart.offset, std::int64_t{0}); });
  tail.send_and_wait(kSet);
  const std::int64_t end = tail.received();

  tail.durable.move(kLineage, end);
  tail.durable.has_base(kLineage);

  wait_until([&] { return tail.primary().acknowledged() == std::pair(end, end); });
}

TEST_F(LogTail, AnotherLineagesDurablePointSaysNothing) {
  Tailing tail(spool_);
  tail.durable.move(kOtherReplid, 1 << 30);
  tail.durable.has_base(kOtherReplid);
  tail.start();
  tail.send_and_wait(kSet + kGetAck);
  wait_until([&] { return tail.primary().acknowledged().first == tail.received(); });
  EXPECT_EQ(tail.primary().acknowledged().second, 0);
}

TEST_F(LogTail, LeavesTheDurablePointAloneOnceItEnded) {
  DurablePoint* durable = nullptr;
  Tailing tail(spool_);
  durable = &tail.durable;
  tail.start();
  tail.stop();
  durable->move(kLineage, 5);
}

TEST_F(LogTail, LeavesKeepAlivesOut) {
  Tailing tail(spool_);
  tail.start();
  tail.send("\n");
  tail.send("\n\n" + kSet + "\n" + kSet.substr(0, 3));
  tail.send(kSet.substr(3) + "\n\n\n");
  tail.send(command({"SET", "a", "\n\n"}) + "\n");
  const std::string all = kSet + kSet + command({"SET", "a", "\n\n"});
  wait_until([&] { return tail.received() == kStart.offset + size_of(all); });
  tail.stop();

  EXPECT_EQ(joined(take_all(spool_)), all);
}

TEST_F(LogTail, CutAnywhereItEndsAtTheLastSafeOffset) {
  const std::vector<std::string> units{kSet, kMulti + kSet + command({"SELECT", "3"}) + kExec,
                                       kGetAck, kSet};
  std::string all;
  std::set<std::int64_t> safe{0};
  for (const std::string& unit : units) {
    all += unit;
    safe.insert(size_of(all));
  }
  for (std::size_t cut = 0; cut <= all.size(); ++cut) {
    const test::TempDir folder;
    Spool spool({.dir = folder.path()}, "orders", "0");
    Tailing tail(spool);
    tail.sealing.max_age = milliseconds(cut % 2 == 0 ? 0 : 3600000);
    tail.start();
    const std::size_t half = cut / 2;
    tail.send(all.substr(0, half));
    tail.send(all.substr(half, cut - half));
    tail.primary().end_stream();
    tail.wait_for_end();

    ASSERT_TRUE(tail.error());
    EXPECT_EQ(tail.error()->side(), Side::source);
    EXPECT_EQ(tail.error()->kind(), ErrorKind::unavailable);
    const auto expected = *--safe.upper_bound(static_cast<std::int64_t>(cut));
    EXPECT_EQ(spool.tail()->position.offset, kStart.offset + expected) << "cut at " << cut;
    EXPECT_EQ(spool.tail()->database, expected < size_of(units[0] + units[1]) ? 0U : 3U);
    const auto journals = take_all(spool);
    EXPECT_EQ(joined(journals), all.substr(0, static_cast<std::size_t>(expected)));
    expect_whole(journals);
  }
}

TEST_F(LogTail, KeepsWhatComesBeforeAMalformedStream) {
  for (const std::string& malformed :
       {std::string("+PONG\r\n"), kExec, kMulti + kMulti, kMulti + kSet + "*0\r\n",
        std::string("*3\r\n$9223372036854775808\r\n")}) {
    for (const bool apart : {false, true}) {
      const test::TempDir folder;
      Spool spool({.dir = folder.path()}, "orders", "0");
      Tailing tail(spool);
      tail.start();
      if (apart) {
        tail.send_and_wait(kSet + kSet);
        tail.send(malformed);
      } else {
        tail.send(kSet + kSet + malformed);
      }
      tail.wait_for_end();

      ASSERT_TRUE(tail.error()) << malformed;
      EXPECT_EQ(tail.error()->kind(), ErrorKind::protocol);
      EXPECT_EQ(tail.error()->side(), Side::source);
      EXPECT_EQ(spool.tail()->position.offset, kStart.offset + 2 * size_of(kSet));
      EXPECT_EQ(joined(take_all(spool)), kSet + kSet);
    }
  }
}

TEST_F(LogTail, LetsGoOfTheServerWhenTheSpoolIsFull) {
  Tailing tail(spool_);
  spool_.set_max_bytes(1000);
  tail.start();
  for (int i = 0; i < 100; ++i) {
    tail.send(kSet);
  }
  tail.wait_for_end();

  EXPECT_EQ(tail.end(), TailEnd::spool_full);
  EXPECT_EQ(tail.error(), std::nullopt);
  const auto journals = take_all(spool_);
  expect_whole(journals);
  EXPECT_EQ(spool_.tail()->position.offset, kStart.offset + size_of(joined(journals)));
  EXPECT_FALSE(joined(journals).empty());
}

TEST_F(LogTail, AFullDiskEndsItAndWhatWasWrittenStays) {
  std::optional<Tailing> tail(spool_);
  tail->start();
  tail->send_and_wait(kSet);
  wait_until([&] { return spool_.bytes() > kSet.size() + 200; });
  {
    const FullDisk disk(spool_.bytes() + 40);
    tail->send(kSet);
    tail->send(kSet);
    wait_until([&] { return tail->ended(); });
  }
  tail->wait_for_end();
  ASSERT_TRUE(tail->error());
  EXPECT_EQ(tail->error()->side(), Side::here);
  EXPECT_THAT(tail->error()->what(), HasSubstr(folder_.path().string()));
  EXPECT_EQ(spool_.tail()->position.offset, kStart.offset + size_of(kSet));

  tail.emplace(spool_, TailStart{.lineage = kLineage,
                                 .position = spool_.tail()->position,
                                 .database = spool_.tail()->database,
                                 .resumed = true,
                                 .node = "node"});
  tail->start();
  tail->send_and_wait(kSet + kSet);
  tail->stop();

  const auto journals = take_all(spool_);
  EXPECT_EQ(joined(journals), kSet + kSet + kSet);
  expect_whole(journals);
}

TEST_F(LogTail, CannotBeginOnAFullDisk) {
  Tailing tail(spool_);
  {
    const FullDisk disk(20);
    tail.start();
    wait_until([&] { return tail.ended(); });
  }
  tail.stop();
  ASSERT_TRUE(tail.error());
  EXPECT_EQ(tail.error()->side(), Side::here);
  EXPECT_TRUE(spool_.shipped());
}

// With little memory and no patience every hand-over to the disk may be the one that is refused,
// and a smaller one behind it may not.
TEST_F(LogTail, SealsNothingThatASlowDiskDidNotTake) {
  std::mt19937 random(11);
  int slow = 0;
  for (int round = 0; round < 60; ++round) {
    const test::TempDir folder;
    Spool spool({.dir = folder.path()}, "orders", "0");
    Tailing tail(spool);
    tail.sealing.memory = random() % 600;
    tail.sealing.disk_patience = milliseconds(0);
    tail.sealing.max_bytes = 1 + random() % 300;
    tail.start();
    std::string all;
    std::string sent;
    for (const std::string& unit : random_units(random, 60)) {
      all += unit;
      sent += unit + "\n";  // What stands between keep-alives is handed over by itself.
    }
    tail.send(sent);
    wait_until([&] { return tail.ended() || tail.received() == kStart.offset + size_of(all); });
    tail.stop();

    slow += tail.end() == TailEnd::spool_slow ? 1 : 0;
    EXPECT_EQ(tail.error(), std::nullopt);
    const std::int64_t end = spool.tail()->position.offset;
    const auto journals = take_all(spool);
    expect_whole(journals);
    EXPECT_EQ(joined(journals), all.substr(0, static_cast<std::size_t>(end - kStart.offset)));
  }
  EXPECT_GT(slow, 0);
}

TEST_F(LogTail, CarriesARandomStreamInJournalsThatCanBeStored) {
  std::mt19937 random(12);
  Tailing tail(spool_);
  tail.sealing.max_bytes = 2000;
  tail.sealing.max_age = milliseconds(5);
  tail.start();
  std::string all;
  Timestamp at;
  for (const Piece& piece : random_pieces(random, random_units(random, 2000), at)) {
    all += piece.bytes;
    tail.send(piece.bytes);
  }
  wait_until([&] { return tail.received() == kStart.offset + size_of(all); });
  tail.stop();

  store::MemoryStore store;
  catalog::Digest chain = catalog::chain_start(kLineage, kStart.offset);
  std::size_t count = 0;
  while (!spool_.shipped()) {
    chain = catalog::chain_end(store_segment(store, *spool_.next({}), chain, 0, 1, {}).segment);
    spool_.remove_first();
    ++count;
  }
  EXPECT_GT(count, 1U);
  EXPECT_EQ(read_log(store).stream, all);
}

TEST_F(LogTail, GoesOnWhereTheSpoolEnds) {
  std::mt19937 random(13);
  std::string all;
  for (const std::string& unit : random_units(random, 300)) {
    all += unit;
  }
  replica::Position position = kStart;
  std::optional<std::uint64_t> database = 0;
  // The link is lost again and again, anywhere.
  while (position.offset < kStart.offset + size_of(all)) {
    Tailing tail(spool_, {.lineage = kLineage,
                          .position = position,
                          .database = database,
                          .resumed = position != kStart,
                          .node = "node"});
    tail.start();
    const auto done = static_cast<std::size_t>(position.offset - kStart.offset);
    tail.send(all.substr(done, 1 + random() % 2000));
    tail.primary().end_stream();
    tail.wait_for_end();
    position = spool_.tail()->position;
    database = spool_.tail()->database;
  }
  const auto journals = take_all(spool_);
  EXPECT_EQ(joined(journals), all);
  expect_whole(journals);
}

}  // namespace
}  // namespace keyrewind::backup
