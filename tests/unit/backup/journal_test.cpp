#include "backup/journal.h"

#include "base/error.h"
#include "log_sample.h"
#include "support/temp_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace keyrewind::backup {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using Kind = JournalRecord::Kind;

const JournalHead kHead{"orders", "0", kLineage, kStart, 3};

/// A record that owns its text.
struct Kept {
  Kind kind = Kind::data;
  std::int64_t offset = 0;
  Timestamp at{};
  std::string text;

  bool operator==(const Kept&) const = default;
};

std::vector<Kept> read_all(const std::filesystem::path& path) {
  JournalReader reader(path);
  std::vector<Kept> records;
  while (const auto record = reader.next()) {
    records.push_back(
        {record->kind, record->offset, record->at, std::string(as_text(record->text))});
  }
  return records;
}

class Journal : public testing::Test {
 protected:
  std::filesystem::path path() const { return folder_ / "1.journal"; }

  /// Writes the records; returns where each ends in the file, the head first.
  std::vector<std::uint64_t> write(const std::vector<Kept>& records,
                                   const JournalHead& head = kHead) const {
    JournalWriter writer(path(), head);
    std::vector<std::uint64_t> ends{writer.bytes()};
    for (const Kept& record : records) {
      writer.write({record.kind, record.offset, record.at, as_bytes(record.text)});
      ends.push_back(writer.bytes());
    }
    return ends;
  }

  /// Data records of these texts, one behind the other and a millisecond apart.
  static std::vector<Kept> stream(const std::vector<std::string>& texts) {
    std::vector<Kept> records;
    std::int64_t offset = kStart.offset;
    for (const std::string& text : texts) {
      records.push_back({Kind::data, offset, kTime + milliseconds(records.size()), text});
      offset += static_cast<std::int64_t>(text.size());
    }
    return records;
  }

  const test::TempDir folder_;
};

const std::vector<Kept> kEveryKind{
    {Kind::resumed, 1000, kTime, "10.0.0.7:6379"},
    {Kind::renamed, 1000, kTime, kOtherReplid},
    {Kind::data, 1000, kTime + milliseconds(5), "*1\r\n$4\r\nPING\r\n"},
    {Kind::data, 1014, kTime - milliseconds(5), ""},
    {Kind::sealed, 1014, kTime, ""},
};

TEST_F(Journal, GivesBackWhatWasWritten) {
  write(kEveryKind);

  EXPECT_EQ(JournalReader(path()).head(), kHead);
  EXPECT_EQ(read_all(path()), kEveryKind);
}

TEST_F(Journal, MayBeginWithoutAKnownDatabase) {
  JournalHead head = kHead;
  head.database.reset();
  write({}, head);
  EXPECT_EQ(JournalReader(path()).head(), head);
}

TEST_F(Journal, CarriesTheLargestRecord) {
  const std::vector<Kept> records =
      stream({std::string(kMaxJournalData, 'a'), "b", std::string(kMaxJournalData - 1, 'c'),
              std::string(kMaxJournalData, 'd')});
  write(records);
  EXPECT_EQ(read_all(path()), records);
}

TEST_F(Journal, CutAtAnyByteGivesWhatIsWhole) {
  const std::vector<std::uint64_t> ends = write(kEveryKind);
  const std::string content = content_of(path());
  ASSERT_EQ(content.size(), ends.back());

  for (std::size_t size = 0; size <= content.size(); ++size) {
    write_file(path(), content.substr(0, size));
    if (size < ends.front()) {
      EXPECT_EQ(error_of([&] { JournalReader reader(path()); }).kind(), ErrorKind::corrupt);
      continue;
    }
    const auto whole = std::upper_bound(ends.begin() + 1, ends.end(), size) - ends.begin() - 1;
    EXPECT_EQ(read_all(path()), std::vector(kEveryKind.begin(), kEveryKind.begin() + whole))
        << "cut at " << size;
  }
}

TEST_F(Journal, AFlippedBitEndsTheReadingThere) {
  const std::vector<std::uint64_t> ends = write(kEveryKind);
  const std::string content = content_of(path());

  for (std::size_t byte = 0; byte < content.size(); ++byte) {
    std::string damaged = content;
    damaged[byte] = static_cast<char>(damaged[byte] ^ (1 << (byte % 8)));
    write_file(path(), damaged);
    if (byte < ends.front()) {
      EXPECT_EQ(error_of([&] { JournalReader reader(path()); }).kind(), ErrorKind::corrupt)
          << "byte " << byte;
      continue;
    }
    const auto whole = std::upper_bound(ends.begin() + 1, ends.end(), byte) - ends.begin() - 1;
    EXPECT_EQ(read_all(path()), std::vector(kEveryKind.begin(), kEveryKind.begin() + whole))
        << "byte " << byte;
  }
}

TEST_F(Journal, IsNotWrittenOverAnother) {
  write({});
  const Error error = error_of([&] { JournalWriter writer(path(), kHead); });
  EXPECT_EQ(error.kind(), ErrorKind::failed);
  EXPECT_THAT(error.what(), HasSubstr(path().string()));
}

TEST_F(Journal, IsNotLeftBehindWithoutItsHead) {
  const Error error = error_of([&] {
    const FullDisk disk(20);
    JournalWriter writer(path(), kHead);
  });
  EXPECT_EQ(error.side(), Side::here);
  EXPECT_FALSE(std::filesystem::exists(path()));
}

TEST_F(Journal, KeepsWhatWasWholeWhenTheDiskIsFull) {
  const std::vector<Kept> records =
      stream({command({"SET", "a", "1"}), command({"SET", "b", "2"})});
  Error error(ErrorKind::internal, "");
  {
    JournalWriter writer(path(), kHead);
    writer.write({Kind::data, records[0].offset, records[0].at, as_bytes(records[0].text)});
    const FullDisk disk(writer.bytes() + 40);
    error = error_of([&] {
      writer.write({Kind::data, records[1].offset, records[1].at, as_bytes(records[1].text)});
    });
  }
  EXPECT_EQ(error.kind(), ErrorKind::failed);
  EXPECT_EQ(error.side(), Side::here);
  EXPECT_EQ(read_all(path()), std::vector(records.begin(), records.begin() + 1));
}

TEST_F(Journal, ForeignFilesAreNone) {
  for (const std::string& content :
       {std::string(), std::string("hello"), std::string(5000, '\0'), std::string(100, '\xff')}) {
    write_file(path(), content);
    EXPECT_EQ(error_of([&] { JournalReader reader(path()); }).kind(), ErrorKind::corrupt);
    EXPECT_EQ(error_of([&] { read_through(path()); }).kind(), ErrorKind::corrupt);
  }
}

using ReadThrough = Journal;

TEST_F(ReadThrough, FindsTheEndOfWhatIsNotSealed) {
  const std::string one = command({"SET", "a", "1"});
  const std::string two = command({"SELECT", "9"});
  write(stream({one, two}));

  const JournalSummary summary = read_through(path());

  EXPECT_EQ(summary.head, kHead);
  EXPECT_FALSE(summary.sealed);
  EXPECT_EQ(summary.end, kStart.offset + static_cast<std::int64_t>((one + two).size()));
  EXPECT_EQ(summary.database, 9U);
  EXPECT_EQ(summary.replid, kReplid);
  EXPECT_EQ(summary.last, kTime + milliseconds(1));
}

TEST_F(ReadThrough, OfNothingIsItsBeginning) {
  write({});

  const JournalSummary summary = read_through(path());

  EXPECT_EQ(summary.end, kStart.offset);
  EXPECT_EQ(summary.database, kHead.database);
  EXPECT_EQ(summary.replid, kReplid);
}

TEST_F(ReadThrough, EndsBeforeAnOpenTransaction) {
  const std::string set = command({"SET", "a", "1"});
  const std::string open = command({"MULTI"}) + command({"SELECT", "7"}) + set;
  write(stream({set.substr(0, 5), set.substr(5) + open, set}));

  const JournalSummary summary = read_through(path());

  EXPECT_EQ(summary.end, kStart.offset + static_cast<std::int64_t>(set.size()));
  EXPECT_EQ(summary.database, kHead.database);
  EXPECT_EQ(summary.last, kTime + milliseconds(1)) << "the end arrived with the second piece";
}

TEST_F(ReadThrough, EndsAfterEveryCutAtTheLastSafeOffset) {
  const std::vector<std::string> units{
      command({"SET", "a", "1"}), command({"SELECT", "4"}),
      command({"MULTI"}) + command({"INCR", "a"}) + command({"EXEC"}), command({"PING"})};
  std::string all;
  std::vector<std::size_t> safe{0};
  for (const std::string& unit : units) {
    safe.push_back((all += unit).size());
  }
  for (std::size_t size = 0; size <= all.size(); ++size) {
    std::filesystem::remove(path());
    write(stream({all.substr(0, size)}));
    const auto last = *(std::upper_bound(safe.begin(), safe.end(), size) - 1);
    EXPECT_EQ(read_through(path()).end, kStart.offset + static_cast<std::int64_t>(last));
  }
}

TEST_F(ReadThrough, KnowsTheIdAfterARename) {
  const std::string set = command({"SET", "a", "1"});
  std::vector<Kept> records{{Kind::resumed, 1000, kTime, "node"},
                            {Kind::renamed, 1000, kTime, kOtherReplid}};
  records.push_back({Kind::data, 1000, kTime, set});
  write(records);
  EXPECT_EQ(read_through(path()).replid, kOtherReplid);
}

TEST_F(ReadThrough, BelievesTheSeal) {
  const std::string set = command({"SET", "a", "1"});
  std::vector<Kept> records = stream({set, command({"MULTI"})});
  const std::int64_t end = kStart.offset + static_cast<std::int64_t>(set.size());
  records.push_back({Kind::sealed, end, kTime, ""});
  records.push_back({Kind::data, 0, kTime, "never read"});
  write(records);

  const JournalSummary summary = read_through(path());

  EXPECT_TRUE(summary.sealed);
  EXPECT_EQ(summary.end, end);
  EXPECT_EQ(summary.last, kTime);
}

TEST_F(ReadThrough, EndsWhereOffsetsDoNotFollow) {
  std::vector<Kept> records = stream({command({"SET", "a", "1"}), command({"SET", "b", "2"})});
  const std::int64_t end = records[1].offset++;
  write(records);
  EXPECT_EQ(read_through(path()).end, end);
}

TEST_F(ReadThrough, KeepsWhatComesBeforeAMalformedStream) {
  const std::string set = command({"SET", "a", "1"});
  for (const std::string& malformed :
       {std::string("+OK\r\n"), command({"EXEC"}), command({"MULTI"}) + command({"MULTI"}),
        std::string("*1\r\n$9999999999999999999\r\n"), std::string("\n")}) {
    std::filesystem::remove(path());
    write(stream({set, set + malformed, set}));

    const JournalSummary summary = read_through(path());

    EXPECT_EQ(summary.end, kStart.offset + 2 * static_cast<std::int64_t>(set.size())) << malformed;
    EXPECT_EQ(summary.last, kTime + milliseconds(1));
  }
}

}  // namespace
}  // namespace keyrewind::backup
