#include "aof/command_reader.h"

#include "base/error.h"
#include "unit/aof/streams.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace keyrewind::aof {
namespace {

using test::encode;
using test::stream_of;
using test::Words;
using testing::ElementsAre;

std::vector<Command> read(std::string_view bytes, std::size_t piece, std::int64_t offset = 0,
                          std::optional<std::uint64_t> database = 0) {
  std::vector<Command> commands;
  CommandReader reader(offset, database,
                       [&](const Command& command) { commands.push_back(command); });
  while (!bytes.empty()) {
    const std::string_view head = bytes.substr(0, piece);
    reader.feed(as_bytes(head));
    bytes = bytes.substr(head.size());
  }
  return commands;
}

TEST(CommandReader, GivesWordsEndAndDatabaseOfEachCommandHoweverTheBytesArrive) {
  const std::string select = encode({"SELECT", "4"});
  const std::string bytes = select + encode({"set", "k\r\n", ""});

  for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
    const std::vector<Command> commands = read(bytes, piece, 50, std::nullopt);

    ASSERT_EQ(commands.size(), 2U);
    EXPECT_THAT(commands[0].words, ElementsAre("SELECT", "4"));
    EXPECT_EQ(commands[0].end, 50 + static_cast<std::int64_t>(select.size()));
    EXPECT_EQ(commands[0].database, std::nullopt);
    EXPECT_THAT(commands[1].words, ElementsAre("set", "k\r\n", ""));
    EXPECT_EQ(commands[1].word_count, 3U);
    EXPECT_EQ(commands[1].end, 50 + static_cast<std::int64_t>(bytes.size()));
    EXPECT_EQ(commands[1].database, 4U);
  }
}

TEST(CommandReader, FollowsTheDatabaseWithinTransactions) {
  const auto commands =
      read(stream_of({{"MULTI"}, {"SELECT", "2"}, {"SET", "a", "1"}, {"EXEC"}}), 1000);

  EXPECT_EQ(commands.at(2).database, 2U);
  EXPECT_EQ(commands.at(3).database, 2U);
}

TEST(CommandReader, KeepsOnlyTheBeginningsOfTheFirstWords) {
  Words words(CommandReader::kShownWords + 1, "w");
  words[1] = std::string(CommandReader::kShownBytes + 1, 'x');
  words.back() = std::string(100000, 'y');
  const std::string bytes = encode(words);

  for (const std::size_t piece : {bytes.size(), std::size_t{1}, std::size_t{700}}) {
    const auto commands = read(bytes, piece);

    ASSERT_EQ(commands.size(), 1U);
    EXPECT_EQ(commands[0].words.size(), CommandReader::kShownWords);
    EXPECT_EQ(commands[0].words[1], std::string(CommandReader::kShownBytes, 'x'));
    EXPECT_EQ(commands[0].word_count, CommandReader::kShownWords + 1);
  }
}

TEST(CommandReader, SaysNothingOfACommandThatIsNotWhole) {
  EXPECT_TRUE(read("*1\r\n$4\r\nPING\r", 1000).empty());
}

TEST(CommandReader, RefusesWhatIsNoStream) {
  for (const std::string bytes : {"\n", "PING\r\n", "*1\r\n$4\r\nEXEC\r\n", "*1\r\n$-1\r\n"}) {
    try {
      read(bytes, bytes.size());
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::protocol);
    }
  }
}

}  // namespace
}  // namespace keyrewind::aof
