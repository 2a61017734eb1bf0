#include "backup/spool.h"

#include "base/error.h"
#include "base/log.h"
#include "log_sample.h"
#include "support/temp_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace keyrewind::backup {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const std::string kSet = command({"SET", "a", "1"});
const std::string kPing = command({"PING"});

std::int64_t size_of(const std::string& text) {
  return static_cast<std::int64_t>(text.size());
}

catalog::Event event(const std::string& id) {
  return {.id = id,
          .kind = "gap",
          .lineage = kLineage,
          .offset = 4711,
          .at = kTime,
          .detail = "no server has the stream any more"};
}

class SpoolTest : public testing::Test {
 protected:
  SpoolTest() { log::configure(log::Level::error, log::Format::text); }

  SpoolOptions options() const { return {.dir = folder_ / "spool", .max_bytes = 1U << 20U}; }
  std::unique_ptr<Spool> open() const { return std::make_unique<Spool>(options(), "orders", "0"); }
  fs::path files() const { return options().dir / "orders" / "0"; }

  std::set<std::string> names() const {
    std::set<std::string> found;
    for (const auto& entry : fs::directory_iterator(files())) {
      found.insert(entry.path().filename());
    }
    return found;
  }

  /// Of the journal that is being written.
  std::uint64_t spool_file_size() const { return fs::file_size(files() / *names().rbegin()); }

  const test::TempDir folder_;
};

TEST_F(SpoolTest, IsEmptyAtFirst) {
  const auto spool = open();

  EXPECT_EQ(spool->tail(), std::nullopt);
  EXPECT_TRUE(spool->shipped());
  EXPECT_EQ(spool->bytes(), 0U);
  EXPECT_EQ(spool->max_bytes(), 1U << 20U);
  EXPECT_TRUE(spool->wait_until_shipped(milliseconds(0)));
}

TEST_F(SpoolTest, GivesSealedJournalsInTheirOrder) {
  const auto spool = open();
  replica::Position position = kStart;
  add_journal(*spool, position, {{kSet, kTime}});
  const replica::Position between = position;
  add_journal(*spool, position, {{kPing, kTime + milliseconds(1)}});
  EXPECT_FALSE(spool->shipped());
  EXPECT_FALSE(spool->wait_until_shipped(milliseconds(0)));

  const auto first = spool->next({});
  EXPECT_EQ(first->head, (JournalHead{"orders", "0", kLineage, kStart, 0, first->head.salt}));
  EXPECT_EQ(first->end, between.offset);
  EXPECT_EQ(first->last, kTime);
  EXPECT_FALSE(first->recovered);
  EXPECT_EQ(stream_in(first->path, first->end), kSet);
  EXPECT_EQ(spool->next({})->path, first->path) << "it stays first until it is removed";

  spool->remove_first();
  const auto second = spool->next({});
  EXPECT_EQ(second->head.position, between);
  EXPECT_EQ(second->last, kTime + milliseconds(1));
  spool->remove_first();
  EXPECT_TRUE(spool->shipped());
  EXPECT_EQ(spool->bytes(), 0U);
  EXPECT_THAT(names(), IsEmpty());
  EXPECT_EQ(spool->tail()->position, position) << "where the stream ends is remembered";
}

TEST_F(SpoolTest, CountsWhatItHolds) {
  const auto spool = open();
  replica::Position position = kStart;
  std::uint64_t before = 0;
  for (int i = 0; i < 3; ++i) {
    spool->begin(kLineage, position, 0);
    EXPECT_GT(spool->bytes(), before);
    before = spool->bytes();
    fill_and_seal(*spool, position, {{kSet, kTime}});
    EXPECT_GE(spool->bytes(), before + kSet.size());
    before = spool->bytes();
  }
  std::uint64_t on_disk = 0;
  for (const std::string& name : names()) {
    on_disk += fs::file_size(files() / name);
  }
  EXPECT_EQ(spool->bytes(), on_disk);
}

TEST_F(SpoolTest, RemovesAJournalWithNothingInIt) {
  const auto spool = open();
  spool->begin(kLineage, kStart, 3);
  spool->note_resumed("node", kTime);
  spool->note_renamed(kOtherReplid, kTime);

  spool->seal({kOtherReplid, kStart.offset}, 3);

  EXPECT_TRUE(spool->shipped());
  EXPECT_THAT(names(), IsEmpty());
  EXPECT_EQ(spool->tail()->position, (replica::Position{kOtherReplid, kStart.offset}));
  EXPECT_EQ(spool->tail()->database, 3U);
}

TEST_F(SpoolTest, SealsBeforeTheEndOfWhatWasAppended) {
  const auto spool = open();
  spool->begin(kLineage, kStart, 0);
  spool->append(as_bytes(kSet), kTime);
  spool->append(as_bytes(command({"MULTI"})), kTime + milliseconds(50));
  const std::int64_t end = kStart.offset + size_of(kSet);

  spool->seal({kReplid, end}, 0);

  EXPECT_EQ(spool->next({})->end, end);
  EXPECT_EQ(spool->next({})->last, kTime);
  EXPECT_EQ(spool->tail()->position.offset, end);
}

TEST_F(SpoolTest, TakesPiecesOfAnySize) {
  const auto spool = open();
  const std::string large = command({"SET", "a", std::string(3 * kMaxJournalData, 'x')});
  replica::Position position = kStart;

  add_journal(*spool, position, {{"", kTime}, {large, kTime}, {"", kTime}, {kPing, kTime}});

  const auto taken = take_all(*spool);
  ASSERT_THAT(taken, SizeIs(1));
  EXPECT_EQ(taken[0].stream, large + kPing);
}

TEST_F(SpoolTest, IsTakenUpAgainAsItWas) {
  replica::Position position = kStart;
  auto spool = open();
  add_journal(*spool, position, {{kSet, kTime}});
  add_journal(*spool, position, {{command({"SELECT", "5"}), kTime + milliseconds(9)}});
  const std::uint64_t bytes = spool->bytes();
  const auto before = spool->next({});
  spool.reset();

  spool = open();

  EXPECT_EQ(spool->bytes(), bytes);
  EXPECT_EQ(spool->tail()->lineage, kLineage);
  EXPECT_EQ(spool->tail()->position, position);
  EXPECT_EQ(spool->tail()->database, 5U);
  const auto after = spool->next({});
  EXPECT_TRUE(after->recovered);
  EXPECT_EQ(after->head, before->head);
  EXPECT_EQ(after->end, before->end);
  EXPECT_EQ(after->last, before->last);
  EXPECT_THAT(take_all(*spool), SizeIs(2));
}

TEST_F(SpoolTest, GoesOnBehindWhatWasTakenUp) {
  replica::Position position = kStart;
  auto spool = open();
  add_journal(*spool, position, {{kSet, kTime}});
  spool->begin(kLineage, position, 0);
  spool->append(as_bytes(kSet + kPing.substr(0, 4)), kTime);
  spool.reset();

  for (int i = 0; i < 3; ++i) {
    spool = open();
    spool->begin(kLineage, spool->tail()->position, spool->tail()->database);
    spool->append(as_bytes(kSet + kPing.substr(0, 4)), kTime);
    spool.reset();
  }

  std::string stream;
  std::int64_t end = kStart.offset;
  spool = open();
  for (const Taken& taken : take_all(*spool)) {
    EXPECT_EQ(taken.head.position.offset, end);
    end = taken.end;
    stream += taken.stream;
  }
  EXPECT_EQ(stream, kSet + kSet + kSet + kSet + kSet);
}

// A process that is killed leaves a journal cut anywhere.
TEST_F(SpoolTest, KilledAtAnyByteGoesOnAtTheLastSafeOffset) {
  const std::vector<std::string> units{
      kSet, command({"SELECT", "4"}),
      command({"MULTI"}) + command({"INCR", "a"}) + command({"EXEC"}), kPing};
  std::string all;
  std::set<std::int64_t> safe{0};
  for (const std::string& unit : units) {
    all += unit;
    safe.insert(size_of(all));
  }
  replica::Position position = kStart;
  auto spool = open();
  add_journal(*spool, position, {{kSet, kTime}});
  const replica::Position first_end = position;
  spool->begin(kLineage, position, 0);
  spool->note_resumed("node", kTime);
  for (std::size_t begin = 0; begin < all.size(); begin += 7) {
    spool->append(as_bytes(all.substr(begin, 7)), kTime + milliseconds(begin));
  }
  const fs::path journal = files() / "0000000002.journal";
  const std::string content = content_of(journal);
  spool.reset();

  const fs::path first = files() / "0000000001.journal";
  const std::string first_content = content_of(first);

  std::set<std::int64_t> ends;
  for (std::size_t size = 0; size <= content.size(); ++size) {
    write_file(first, first_content);
    write_file(journal, content.substr(0, size));
    spool = open();
    ASSERT_TRUE(spool->tail()) << "cut at " << size;
    const std::int64_t got = spool->tail()->position.offset - first_end.offset;
    EXPECT_TRUE(safe.contains(got)) << got << " cut at " << size;
    ends.insert(got);
    std::string stream;
    for (const Taken& taken : take_all(*spool)) {
      stream += taken.stream;
    }
    EXPECT_EQ(stream, kSet + all.substr(0, static_cast<std::size_t>(got)));
    spool.reset();
  }
  EXPECT_EQ(ends, safe) << "the end comes nearer with every byte that was written";
}

TEST_F(SpoolTest, AHeadThatIsHalfWrittenIsNoJournal) {
  auto spool = open();
  spool->begin(kLineage, kStart, 0);
  const fs::path journal = files() / "0000000001.journal";
  const std::string content = content_of(journal);
  spool.reset();

  for (std::size_t size = 0; size <= content.size(); ++size) {
    write_file(journal, content.substr(0, size));
    spool = open();
    EXPECT_EQ(spool->tail(), std::nullopt);
    EXPECT_TRUE(spool->shipped());
    EXPECT_THAT(names(), IsEmpty());
    spool.reset();
  }
}

TEST_F(SpoolTest, LeavesForeignFilesAlone) {
  open();
  const std::set<std::string> foreign{"README", "1.txt", "a.journal", ".journal",
                                      "12345678901234567890.journal"};
  for (const std::string& name : foreign) {
    write_file(files() / name, "hello");
  }
  fs::create_directory(files() / "lost+found");

  const auto spool = open();

  EXPECT_TRUE(spool->shipped());
  std::set<std::string> expected = foreign;
  expected.insert("lost+found");
  EXPECT_EQ(names(), expected);
}

TEST_F(SpoolTest, TakesNothingOfAnotherShard) {
  replica::Position position = kStart;
  {
    Spool other(options(), "orders", "1");
    add_journal(other, position, {{kSet, kTime}});
  }
  open();
  fs::copy(options().dir / "orders" / "1" / "0000000001.journal", files() / "0000000001.journal");

  const auto spool = open();

  EXPECT_TRUE(spool->shipped());
  EXPECT_EQ(spool->tail(), std::nullopt);
}

TEST_F(SpoolTest, BelongsToOneProcess) {
  const auto spool = open();

  const Error error = error_of([&] { open(); });

  EXPECT_EQ(error.kind(), ErrorKind::busy);
  EXPECT_THAT(error.what(), HasSubstr("log.spool.dir"));
  Spool(options(), "orders", "1");
  Spool(options(), "payments", "0");
}

TEST_F(SpoolTest, AFolderThatCannotBeMadeIsNamed) {
  write_file(folder_ / "file", "");
  const SpoolOptions below_a_file{.dir = folder_ / "file" / "spool"};

  const Error error = error_of([&] { Spool(below_a_file, "orders", "0"); });

  EXPECT_EQ(error.side(), Side::here);
  EXPECT_THAT(error.what(), HasSubstr(below_a_file.dir.string()));
}

TEST_F(SpoolTest, WhatStandsBehindAHoleIsAskedForAgain) {
  replica::Position position = kStart;
  auto spool = open();
  for (int i = 0; i < 4; ++i) {
    add_journal(*spool, position, {{kSet, kTime}});
  }
  spool.reset();
  fs::remove(files() / "0000000002.journal");

  spool = open();

  EXPECT_EQ(spool->tail()->position.offset, kStart.offset + size_of(kSet));
  EXPECT_THAT(names(), ElementsAre("0000000001.journal"));
}

TEST_F(SpoolTest, WhatStandsBehindADamagedJournalIsAskedForAgain) {
  replica::Position position = kStart;
  auto spool = open();
  for (int i = 0; i < 3; ++i) {
    add_journal(*spool, position, {{kSet, kTime}, {kPing, kTime}});
  }
  spool.reset();
  const fs::path second = files() / "0000000002.journal";
  std::string content = content_of(second);
  const std::size_t ping = content.find(kPing);
  content[ping] = '?';
  write_file(second, content);

  spool = open();

  const std::string kept = kSet + kPing + kSet;
  EXPECT_EQ(spool->tail()->position.offset, kStart.offset + size_of(kept));
  EXPECT_THAT(take_all(*spool), SizeIs(2));
}

// Nobody can tell which lineage and offset stood in it: the repository might take the rest for the
// beginning of the log.
TEST_F(SpoolTest, WhatStandsBehindAnUnreadableJournalIsAskedForAgain) {
  replica::Position position = kStart;
  auto spool = open();
  for (int i = 0; i < 3; ++i) {
    add_journal(*spool, position, {{kSet, kTime}});
  }
  spool.reset();
  write_file(files() / "0000000001.journal", "damaged");

  spool = open();

  EXPECT_EQ(spool->tail(), std::nullopt);
  EXPECT_TRUE(spool->shipped());
  EXPECT_THAT(names(), IsEmpty());
}

TEST_F(SpoolTest, AnotherLineageNeedNotFollow) {
  replica::Position position = kStart;
  replica::Position other{kOtherReplid, 77};
  auto spool = open();
  add_journal(*spool, position, {{kSet, kTime}});
  add_journal(*spool, position, {{kSet, kTime}});
  add_journal(*spool, position, {{kSet, kTime}});
  add_journal(*spool, other, {{kPing, kTime}}, kOtherReplid);
  spool.reset();
  fs::remove(files() / "0000000002.journal");

  spool = open();

  EXPECT_EQ(spool->tail()->lineage, kOtherReplid);
  EXPECT_EQ(spool->tail()->position, other);
  EXPECT_THAT(take_all(*spool), SizeIs(2));
}

TEST_F(SpoolTest, RescueSealsWhatIsSafe) {
  const auto spool = open();
  spool->begin(kLineage, kStart, 0);
  spool->append(as_bytes(kSet + command({"SELECT", "2"})), kTime);
  spool->append(as_bytes(command({"MULTI"})), kTime + milliseconds(5));

  spool->rescue();

  const std::int64_t end = kStart.offset + size_of(kSet + command({"SELECT", "2"}));
  EXPECT_EQ(spool->next({})->end, end);
  EXPECT_EQ(spool->next({})->last, kTime);
  EXPECT_EQ(spool->tail()->position.offset, end);
  EXPECT_EQ(spool->tail()->database, 2U);
  spool->rescue();
  EXPECT_THAT(take_all(*spool), SizeIs(1));
}

TEST_F(SpoolTest, RescueOfNothingKeepsThePlace) {
  const auto spool = open();
  spool->begin(kLineage, kStart, 7);
  spool->note_renamed(kOtherReplid, kTime);

  spool->rescue();

  EXPECT_TRUE(spool->shipped());
  EXPECT_EQ(spool->tail()->position, (replica::Position{kOtherReplid, kStart.offset}));
  EXPECT_EQ(spool->tail()->database, 7U);
  EXPECT_THAT(names(), IsEmpty());
}

// The disk may become full at any byte of a record; it is as if nothing of it had been written.
TEST_F(SpoolTest, SurvivesADiskThatIsFullAtAnyByte) {
  const auto spool = open();
  replica::Position position = kStart;
  std::string expected;
  for (std::uint64_t room = 0; room <= 32 + kSet.size(); ++room) {
    spool->begin(kLineage, position, 0);
    spool->append(as_bytes(kSet), kTime);
    std::optional<Error> error;
    {
      const FullDisk disk(spool_file_size() + room);
      try {
        spool->append(as_bytes(kPing), kTime + milliseconds(1));
      } catch (const Error& caught) {
        error = caught;
      }
    }
    ASSERT_EQ(error.has_value(), room < 32 + kPing.size()) << "room " << room;

    spool->rescue();

    expected += error ? kSet : kSet + kPing;
    position.offset = kStart.offset + size_of(expected);
    ASSERT_EQ(spool->tail()->position, position) << "room " << room;
  }

  std::string stream;
  for (const Taken& taken : take_all(*spool)) {
    stream += taken.stream;
  }
  EXPECT_EQ(stream, expected);
  EXPECT_EQ(spool->bytes(), 0U) << "what was written in vain is counted, too";
}

TEST_F(SpoolTest, BeginsAgainOnceTheDiskHasRoom) {
  const auto spool = open();
  replica::Position position = kStart;
  add_journal(*spool, position, {{kSet, kTime}});
  for (const std::uint64_t room : {0U, 1U, 31U, 60U}) {
    const FullDisk disk(room);
    EXPECT_EQ(error_of([&] { spool->begin(kLineage, position, 0); }).side(), Side::here);
    spool->rescue();
  }

  add_journal(*spool, position, {{kPing, kTime}});

  EXPECT_THAT(take_all(*spool), SizeIs(2));
  EXPECT_THAT(names(), IsEmpty());
}

TEST_F(SpoolTest, SealsEvenOnAFullDisk) {
  const auto spool = open();
  spool->begin(kLineage, kStart, 0);
  spool->append(as_bytes(kSet), kTime);
  const replica::Position end{kReplid, kStart.offset + size_of(kSet)};
  {
    const FullDisk disk(spool_file_size() + 10);
    EXPECT_EQ(error_of([&] { spool->seal(end, 0); }).side(), Side::here);
  }

  spool->rescue();

  EXPECT_EQ(spool->tail()->position, end);
  EXPECT_EQ(take_all(*spool)[0].stream, kSet);
  EXPECT_EQ(spool->bytes(), 0U);
}

TEST_F(SpoolTest, WakesWhoWaitsForAJournal) {
  const auto spool = open();
  std::optional<Spool::Sealed> got;
  std::jthread shipper([&] { got = spool->next({}); });
  replica::Position position = kStart;

  add_journal(*spool, position, {{kSet, kTime}});

  shipper.join();
  ASSERT_TRUE(got);
  EXPECT_EQ(got->end, position.offset);
}

TEST_F(SpoolTest, WakesWhoWaitsUntilItIsShipped) {
  const auto spool = open();
  replica::Position position = kStart;
  add_journal(*spool, position, {{kSet, kTime}});
  std::atomic<bool> shipped{false};
  std::jthread waiter([&] { shipped = spool->wait_until_shipped(milliseconds(20000)); });

  spool->remove_first();

  waiter.join();
  EXPECT_TRUE(shipped);
}

TEST_F(SpoolTest, StopEndsTheWait) {
  const auto spool = open();
  std::jthread shipper([&](const std::stop_token& stop) {
    EXPECT_EQ(error_of([&] { spool->next(stop); }).kind(), ErrorKind::cancelled);
  });
}

TEST_F(SpoolTest, EventsSurviveUntilTheyAreForgotten) {
  auto spool = open();
  spool->note(event("20261120T130221Z-0a1b2c"));
  spool->note(event("20261120T130221Z-0a1b2d"));
  EXPECT_EQ(spool->next({}), std::nullopt) << "an event, and no journal";
  EXPECT_TRUE(spool->shipped());
  spool.reset();

  spool = open();
  EXPECT_THAT(spool->events(), testing::UnorderedElementsAre(event("20261120T130221Z-0a1b2c"),
                                                             event("20261120T130221Z-0a1b2d")));
  spool->forget(event("20261120T130221Z-0a1b2c"));
  EXPECT_THAT(spool->events(), ElementsAre(event("20261120T130221Z-0a1b2d")));
  spool.reset();

  spool = open();
  EXPECT_THAT(spool->events(), ElementsAre(event("20261120T130221Z-0a1b2d")));
  EXPECT_EQ(spool->tail(), std::nullopt);
}

TEST_F(SpoolTest, EventsThatWereBeingWrittenAreClearedAway) {
  auto spool = open();
  spool->note(event("20261120T130221Z-0a1b2c"));
  spool.reset();
  write_file(files() / "20261120T130221Z-0a1b2d.event.1a2b.partial", "{");
  write_file(files() / "20261120T130221Z-0a1b2e.event", "{");

  spool = open();

  EXPECT_THAT(spool->events(), SizeIs(1));
  EXPECT_THAT(names(),
              ElementsAre("20261120T130221Z-0a1b2c.event", "20261120T130221Z-0a1b2e.event"))
      << "what cannot be read is left to people";
}

TEST_F(SpoolTest, IsWrittenAndShippedAtOnce) {
  const auto spool = open();
  std::mt19937 random(3);
  std::string shipped;
  std::jthread shipper([&](const std::stop_token& stop) {
    try {
      while (true) {
        const auto sealed = spool->next(stop);
        shipped += stream_in(sealed->path, sealed->end);
        spool->remove_first();
      }
    } catch (const Error&) {
      // Stopped.
    }
  });
  Timestamp at = kTime;
  replica::Position position = kStart;
  std::string written;
  for (int i = 0; i < 200; ++i) {
    const auto pieces = random_pieces(random, random_units(random, 1 + random() % 5), at);
    written += joined(pieces);
    add_journal(*spool, position, pieces);
    EXPECT_EQ(spool->tail()->position, position);
  }
  EXPECT_TRUE(spool->wait_until_shipped(milliseconds(20000)));
  shipper.request_stop();
  shipper.join();

  EXPECT_EQ(shipped, written);
  EXPECT_EQ(spool->bytes(), 0U);
}

}  // namespace
}  // namespace keyrewind::backup
