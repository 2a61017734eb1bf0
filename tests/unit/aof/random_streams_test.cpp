// Seeded random streams, framed in random pieces, against a parser so simple that it must be right.

#include "aof/command_reader.h"
#include "aof/framer.h"
#include "aof/increment.h"
#include "unit/aof/streams.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace keyrewind::aof {
namespace {

using test::encode;
using test::frame;
using test::frame_in;
using test::Framed;
using test::Words;

constexpr unsigned kSeeds = 100;

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}

  /// From 0 to `end` - 1.
  std::size_t below(std::size_t end) { return engine_() % end; }

  template <typename T>
  const T& one_of(const std::vector<T>& choices) {
    return choices[below(choices.size())];
  }

  std::string any_case(std::string word) {
    for (char& letter : word) {
      letter = below(2) == 0 ? letter : static_cast<char>(std::tolower(letter));
    }
    return word;
  }

  /// Small, or now and then so large that its length has more digits.
  std::string any_bytes() {
    std::string bytes(below(one_of<std::size_t>({1, 12, 12, 120, 1200, 5000})), '\0');
    constexpr std::string_view kLikely("\r\n*$1\0a\xff", 8);
    for (char& byte : bytes) {
      byte = kLikely[below(kLikely.size())];
    }
    return bytes;
  }

 private:
  std::mt19937 engine_;
};

Words any_command(Random& random, bool in_transaction) {
  switch (random.below(15)) {
    case 0:
      return {random.any_case(in_transaction ? "EXEC" : "MULTI")};
    case 1:
      return {random.any_case("SELECT"), std::to_string(random.below(20))};
    case 2:
      return {random.any_case("REPLCONF"), random.any_case("GETACK"), "*"};
    case 3:
      return {random.any_case("FLUSHALL")};
    case 4:
      return {random.any_case("FUNCTION"),
              random.any_case(random.one_of<std::string>({"FLUSH", "LOAD", "DELETE", "FLUSHED"}))};
    case 5:
      return test::many(random.any_case(random.one_of<std::string>({"DEL", "UNLINK", "MSET"})),
                        990 + random.below(20));
    case 6:
      return {random.any_case("PING")};
    case 7:
      return {random.any_case("CLUSTER"), "SETSLOT", "1"};
    default:
      break;
  }
  Words words(1 + random.below(random.one_of<std::size_t>({1, 5, 30})));
  for (std::string& word : words) {
    word = random.any_bytes();
  }
  return words;
}

std::string upper(std::string word) {
  for (char& letter : word) {
    letter = static_cast<char>(std::toupper(letter));
  }
  return word;
}

/// The commands, what a framer must say of them, and what must come of them as an increment.
struct Model {
  std::string bytes;
  std::vector<Words> commands;
  std::vector<std::uint64_t> databases;
  Framed framed;
  std::string increment;
  std::uint64_t left_out = 0;
};

void add(Model& model, const Words& words, std::uint64_t& database,
         std::vector<NotedCommand>& waiting) {
  const std::string name = upper(words[0]);
  const std::string argument = words.size() > 1 ? upper(words[1]) : "";
  Framed& framed = model.framed;
  model.commands.push_back(words);
  model.databases.push_back(database);
  model.bytes += encode(words);
  model.increment += name == "CLUSTER" ? "" : encode(words);
  model.left_out += name == "CLUSTER" ? 1U : 0U;
  framed.offset = static_cast<std::int64_t>(model.bytes.size());
  ++framed.commands;
  if (name == "SELECT") {
    database = std::stoull(words[1]);
  }
  framed.acknowledgements_wanted += name == "REPLCONF" && argument == "GETACK" ? 1U : 0U;
  if (name == "FLUSHALL" || (name == "FUNCTION" && argument == "FLUSH")) {
    waiting.push_back(
        {name + (argument.empty() ? "" : " " + argument), database, framed.safe, framed.offset});
  }
  if ((name == "DEL" || name == "UNLINK") && words.size() > 1000) {
    waiting.push_back({name + " of " + std::to_string(words.size() - 1) + " keys", database,
                       framed.safe, framed.offset});
  }
  if (name == "MULTI" || name == "EXEC") {
    framed.in_transaction = name == "MULTI";
  }
  if (!framed.in_transaction) {
    framed.safe = framed.offset;
    framed.safe_database = database;
    std::ranges::move(waiting, std::back_inserter(framed.noted));
    waiting.clear();
  }
}

Model any_stream(Random& random) {
  Model model;
  model.framed.safe_database = 0;
  std::uint64_t database = 0;
  std::vector<NotedCommand> waiting;
  const std::size_t commands = random.below(60);
  while (model.commands.size() < commands || model.framed.in_transaction) {
    add(model, any_command(random, model.framed.in_transaction), database, waiting);
  }
  return model;
}

TEST(RandomStreams, AreFramedAsTheSimpleParserSays) {
  for (unsigned seed = 0; seed < kSeeds; ++seed) {
    Random random(seed);
    const Model model = any_stream(random);
    const std::size_t most = random.one_of<std::size_t>({2, 9, 40, 1000, 100000});

    const Framed framed = frame_in(model.bytes, [&] { return 1 + random.below(most); });

    ASSERT_EQ(framed, model.framed) << "seed " << seed;
  }
}

TEST(RandomStreams, AreTakenApartIntoTheCommandsTheyAreMadeOf) {
  for (unsigned seed = 0; seed < kSeeds; ++seed) {
    Random random(seed);
    const Model model = any_stream(random);
    std::size_t index = 0;
    CommandReader reader(0, 0, [&](const Command& command) {
      const Words& words = model.commands.at(index);
      ASSERT_EQ(command.word_count, words.size());
      ASSERT_EQ(command.words.size(), std::min(words.size(), CommandReader::kShownWords));
      for (std::size_t i = 0; i < command.words.size(); ++i) {
        ASSERT_EQ(command.words[i], words[i].substr(0, CommandReader::kShownBytes));
      }
      ASSERT_EQ(command.database, model.databases[index]);
      ++index;
    });

    ByteView rest = as_bytes(model.bytes);
    while (!rest.empty()) {
      const ByteView piece = rest.first(std::min(rest.size(), 1 + random.below(300)));
      reader.feed(piece);
      rest = rest.subspan(piece.size());
    }

    ASSERT_EQ(index, model.commands.size()) << "seed " << seed;
  }
}

TEST(RandomStreams, GoIntoAnIncrementVerbatimButForClusterCommands) {
  for (unsigned seed = 0; seed < kSeeds; ++seed) {
    Random random(seed);
    const Model model = any_stream(random);
    std::string written;
    IncrementWriter writer(0, 0, [&](ByteView bytes) { written += as_text(bytes); });
    const std::string select = encode({"SELECT", "0"});
    ASSERT_EQ(written, select);

    ByteView rest = as_bytes(model.bytes);
    while (!rest.empty()) {
      const ByteView piece = rest.first(std::min(rest.size(), 1 + random.below(300)));
      writer.append(piece, Timestamp(std::chrono::seconds(17)));
      rest = rest.subspan(piece.size());
    }
    writer.finish();

    const std::string mark = model.bytes.empty() ? "" : "#TS:17\r\n";
    ASSERT_EQ(written, select + mark + model.increment) << "seed " << seed;
    EXPECT_EQ(writer.bytes(), written.size());
    EXPECT_EQ(writer.left_out(), model.left_out);
    EXPECT_EQ(writer.commands(), model.commands.size() - model.left_out);
  }
}

TEST(RandomStreams, WithAByteChangedGiveTheSameErrorHoweverTheyArrive) {
  for (unsigned seed = 0; seed < kSeeds; ++seed) {
    Random random(seed);
    std::string bytes = any_stream(random).bytes;
    if (bytes.empty()) {
      continue;
    }
    bytes[random.below(bytes.size())] = random.one_of<char>({'\r', '\n', '*', '$', '0', '9', 'x'});
    const Framed whole = frame(bytes);

    ASSERT_EQ(frame_in(bytes, [&] { return 1 + random.below(50); }), whole) << "seed " << seed;
    ASSERT_EQ(frame_in(bytes, [] { return 1; }), whole) << "seed " << seed;
  }
}

}  // namespace
}  // namespace keyrewind::aof
