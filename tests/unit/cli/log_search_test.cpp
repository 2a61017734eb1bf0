#include "cli/log_search.h"

#include "base/error.h"
#include "store/memory_store.h"
#include "support/faulty_store.h"
#include "unit/restore/log_writer.h"

#include <gmock/gmock.h>

#include <chrono>

namespace keyrewind::cli {
namespace {

using restore::test::LogWriter;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

using Words = std::vector<std::string>;

const std::string kLineage(40, 'a');

/// Second `count` of 2026-11-20.
Timestamp at(int count) {
  return std::chrono::sys_days(std::chrono::year(2026) / 11 / 20) + std::chrono::seconds(count);
}

std::string to_stream(const std::vector<Words>& commands) {
  std::string stream;
  for (const Words& words : commands) {
    stream += "*" + std::to_string(words.size()) + "\r\n";
    for (const std::string& word : words) {
      stream += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
    }
  }
  return stream;
}

aof::Command command(Words words) {
  aof::Command command;
  command.word_count = words.size();
  command.words = std::move(words);
  return command;
}

std::optional<std::size_t> find(const std::string& pattern, Words words) {
  return LogPattern(pattern).find_in(command(std::move(words)));
}

TEST(LogPattern, OfOneWordFindsNamesAndWords) {
  EXPECT_EQ(find("FLUSHALL", {"flushall"}), 0U);
  EXPECT_EQ(find("flushall", {"FLUSHALL", "ASYNC"}), 0U);
  EXPECT_EQ(find("user:*", {"SET", "user:1", "x"}), 1U);
  EXPECT_EQ(find("user:*", {"DEL", "a", "user:1"}), 2U);
  EXPECT_EQ(find("user:*", {"SET", "a", "b"}), std::nullopt);
  EXPECT_EQ(find("USER:*", {"SET", "user:1", "b"}), std::nullopt);
  EXPECT_EQ(find("z*", {"ZADD", "a", "1", "b"}), 0U);
}

TEST(LogPattern, OfTwoFindsCommandsByNameAndWord) {
  EXPECT_EQ(find("DEL user:*", {"del", "a", "user:1"}), 2U);
  EXPECT_EQ(find("DEL user:*", {"UNLINK", "user:1"}), std::nullopt);
  EXPECT_EQ(find("DEL user:*", {"DEL", "other"}), std::nullopt);
  EXPECT_EQ(find("* user:*", {"UNLINK", "user:1"}), 1U);
  EXPECT_EQ(find("h* user:?", {"HSET", "user:1", "f", "v"}), 1U);
  EXPECT_EQ(find("FUNCTION FLUSH", {"FUNCTION", "FLUSH"}), 1U);
  EXPECT_EQ(find("  DEL   a b", {"DEL", "a b"}), 1U);
  EXPECT_EQ(find("DEL *", {"DEL"}), std::nullopt);
}

TEST(LogPattern, MustHoldSomething) {
  EXPECT_THROW(LogPattern(""), Error);
  EXPECT_THROW(LogPattern("  "), Error);
}

class SearchLog : public testing::Test {
 protected:
  LogSearch search(const std::string& pattern, const api::TimeSpan& span = {},
                   std::size_t limit = 100) {
    Progress progress;
    return search_log(catalog_, timeline(), LogPattern(pattern), span, limit, progress, {});
  }

  catalog::Timeline timeline() const {
    catalog::Timeline timeline;
    timeline.windows = {log_.window(at(0))};
    return timeline;
  }

  LogWriter& log() { return log_; }
  store::MemoryStore& store() { return store_; }

 private:
  store::MemoryStore store_;
  const catalog::Catalog catalog_{store_, "orders"};
  LogWriter log_{store_, "orders", kLineage, kLineage, 1000};
};

std::vector<std::string> keys_of(const LogSearch& search) {
  std::vector<std::string> keys;
  for (const LogMatch& match : search.matches) {
    keys.push_back(match.key.value_or("(none)"));
  }
  return keys;
}

TEST_F(SearchLog, TellsWhenWhereAndWhat) {
  const std::string head = to_stream({{"SELECT", "3"}, {"SET", "user:1", "x"}});
  const std::string del = to_stream({{"DEL", "other", "user:1"}});
  log().seal(head, at(10));
  log().seal(del + to_stream({{"PING"}}), at(20));

  const LogSearch found = search("del user:*");

  ASSERT_THAT(found.matches, SizeIs(1));
  const LogMatch& match = found.matches.front();
  EXPECT_EQ(match.at, at(20));
  EXPECT_EQ(match.lineage, kLineage);
  EXPECT_EQ(match.before, 1000 + static_cast<std::int64_t>(head.size()));
  EXPECT_EQ(match.offset, match.before + static_cast<std::int64_t>(del.size()));
  EXPECT_EQ(match.database, 3U);
  EXPECT_EQ(match.command, "DEL");
  EXPECT_EQ(match.words, 3U);
  EXPECT_EQ(match.key, "user:1");
  EXPECT_FALSE(found.has_more);
  EXPECT_THAT(found.problems, IsEmpty());
}

TEST_F(SearchLog, CutsInFrontOfATransactionAndNotWithinIt) {
  const std::string head = to_stream({{"SET", "a", "1"}});
  log().seal(head + to_stream({{"MULTI"}, {"SET", "b", "1"}, {"DEL", "c"}, {"EXEC"}}) +
                 to_stream({{"DEL", "d"}}),
             at(10));

  const LogSearch found = search("DEL");

  ASSERT_THAT(found.matches, SizeIs(2));
  EXPECT_EQ(found.matches[0].before, 1000 + static_cast<std::int64_t>(head.size()));
  EXPECT_GT(found.matches[1].before, found.matches[0].offset);
  EXPECT_LT(found.matches[1].before, found.matches[1].offset);
}

TEST_F(SearchLog, FindsCommandsThatReachFromOneFrameIntoTheNext) {
  log().seal(to_stream({{"SET", "user:1", std::string(500, 'x')}, {"SET", "user:2", "y"}}), at(10));

  EXPECT_THAT(keys_of(search("user:*")), ElementsAre("user:1", "user:2"));
}

TEST_F(SearchLog, LooksAtTheTimesThatWereAskedFor) {
  for (int i = 1; i <= 5; ++i) {
    log().seal(to_stream({{"SET", "user:" + std::to_string(i), "x"}}), at(10 * i));
  }

  EXPECT_THAT(keys_of(search("user:*", {at(20), at(40)})),
              ElementsAre("user:2", "user:3", "user:4"));
  EXPECT_THAT(keys_of(search("user:*", {at(45), {}})), ElementsAre("user:5"));
  EXPECT_THAT(keys_of(search("user:*", {{}, at(15)})), ElementsAre("user:1"));
  EXPECT_THAT(keys_of(search("user:*", {at(60), {}})), IsEmpty());
}

TEST_F(SearchLog, FindsWhatIsInTimeAfterTheClockWasSetBack) {
  log().seal(to_stream({{"SET", "user:1", "x"}}), at(100));
  log().seal(to_stream({{"SET", "user:2", "x"}}), at(200));
  log().seal(to_stream({{"SET", "user:3", "x"}}), at(110));

  EXPECT_THAT(keys_of(search("user:*", {at(90), at(120)})), ElementsAre("user:1", "user:3"));
}

TEST_F(SearchLog, StopsAtTheLimit) {
  std::vector<Words> commands;
  for (int i = 0; i < 10; ++i) {
    commands.push_back({"SET", "user:" + std::to_string(i), "x"});
  }
  log().seal(to_stream(commands), at(10));

  const LogSearch found = search("SET", {}, 3);
  EXPECT_THAT(keys_of(found), ElementsAre("user:0", "user:1", "user:2"));
  EXPECT_TRUE(found.has_more);
  EXPECT_FALSE(search("SET", {}, 10).has_more);
}

TEST_F(SearchLog, ReportsDamageAndWhatItFoundBefore) {
  log().seal(to_stream({{"SET", "user:1", "x"}}), at(10));
  log().seal(to_stream({{"SET", "user:2", "x"}}), at(20));
  store().remove(log().objects()[1].object, {});

  const LogSearch found = search("user:*");

  EXPECT_THAT(keys_of(found), ElementsAre("user:1"));
  EXPECT_THAT(found.problems, ElementsAre(HasSubstr(log().objects()[1].object)));
}

TEST_F(SearchLog, ReportsWhatIsNoStreamOfCommands) {
  log().seal("*1\r\n$4\r\nPINGx\r\n", at(10));

  EXPECT_THAT(search("PING").problems, SizeIs(1));
}

TEST_F(SearchLog, LeavesOutWhatLiesBeforeTheFirstSnapshot) {
  const std::string head = to_stream({{"SET", "user:1", "x"}});
  log().seal(head + to_stream({{"SET", "user:2", "x"}}), at(10));
  catalog::Timeline timeline = this->timeline();
  timeline.windows[0].begin += static_cast<std::int64_t>(head.size());

  Progress progress;
  const catalog::Catalog catalog(store(), "orders");
  EXPECT_THAT(keys_of(search_log(catalog, timeline, LogPattern("user:*"), {}, 100, progress, {})),
              ElementsAre("user:2"));
}

TEST_F(SearchLog, ThrowsIfTheRepositoryFails) {
  log().seal(to_stream({{"SET", "user:1", "x"}}), at(10));
  test::FaultyStore broken(store(), {.mode = test::Fault::Mode::fail_before});
  const catalog::Catalog catalog(broken, "orders");
  Progress progress;

  try {
    search_log(catalog, timeline(), LogPattern("user:*"), {}, 100, progress, {});
    FAIL() << "the failure was not noticed";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::unavailable);
  }
}

TEST_F(SearchLog, ShowsKeysOfAnyBytesInOneLine) {
  log().seal(to_stream({{"SET", std::string("a\n\"\\\0\xff", 6), "secret value"}, {"FLUSHALL"}}),
             at(10));

  const std::string text = to_text(search("SET"));

  EXPECT_THAT(text, HasSubstr("database ?  SET \"a\\x0a\\\"\\\\\\x00\\xff\", 3 words\n"));
  EXPECT_THAT(text, Not(HasSubstr("secret value")));
  EXPECT_THAT(to_text(search("FLUSHALL")), HasSubstr("FLUSHALL, 1 word\n"));
  EXPECT_EQ(to_text(search("nothing")), "nothing in the log matches\n");
}

TEST_F(SearchLog, GivesJson) {
  log().seal(to_stream({{"FLUSHALL"}}), at(10));

  EXPECT_EQ(to_json("orders", search("FLUSHALL")).dump(),
            R"({"source":"orders","matches":[{"at":"2026-11-20T00:00:10.000Z","lineage":")" +
                kLineage +
                R"(","offset":1018,"before":1000,"database":null,"command":"FLUSHALL",)"
                R"("words":1,"key":null}],"has_more":false,"problems":[]})");
}

}  // namespace
}  // namespace keyrewind::cli
