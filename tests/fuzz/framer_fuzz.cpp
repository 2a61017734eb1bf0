// Whatever the bytes are, and however they arrive: the same offsets, counts and notes or the same
// error from the framer, the same commands from the reader, the same increment from the writer. And
// an increment that was finished is a stream itself.

#include "aof/command_reader.h"
#include "aof/framer.h"
#include "aof/increment.h"
#include "base/error.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace keyrewind;

struct Framed {
  std::int64_t offset = 0;
  std::int64_t safe = 0;
  std::optional<std::uint64_t> safe_database;
  std::optional<std::uint64_t> database;
  bool in_transaction = false;
  std::uint64_t commands = 0;
  std::uint64_t acknowledgements_wanted = 0;
  std::vector<aof::NotedCommand> noted;
  std::string error;

  bool operator==(const Framed&) const = default;
};

struct Written {
  std::string text;
  std::uint64_t left_out = 0;
  std::string error;

  bool operator==(const Written&) const = default;
};

void require(bool holds) {
  if (!holds) {
    std::abort();
  }
}

template <typename Feed>
std::string feed_in_pieces(ByteView bytes, std::size_t size, const Feed& feed) {
  try {
    while (!bytes.empty()) {
      const ByteView piece = bytes.first(std::min(size, bytes.size()));
      feed(piece);
      bytes = bytes.subspan(piece.size());
    }
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

Framed frame(ByteView bytes, std::size_t size) {
  aof::Framer framer(0, std::nullopt);
  std::string error = feed_in_pieces(bytes, size, [&](ByteView piece) {
    while (!piece.empty()) {
      piece = piece.subspan(framer.keep_alives(piece));
      piece = piece.subspan(framer.feed(piece));
    }
  });
  require(framer.safe() <= framer.offset());
  return {framer.offset(),
          framer.safe(),
          framer.safe_database(),
          framer.database(),
          framer.in_transaction(),
          framer.commands(),
          framer.acknowledgements_wanted(),
          framer.take_noted(),
          std::move(error)};
}

/// The text is empty if there was an error: how much was written before depends on the pieces.
Written write_increment(ByteView bytes, std::size_t size) {
  Written written;
  aof::IncrementWriter writer(0, 3, [&](ByteView some) { written.text += as_text(some); });
  written.error = feed_in_pieces(bytes, size, [&](ByteView piece) {
    writer.append(piece, Timestamp(std::chrono::seconds(1)));
  });
  if (!written.error.empty()) {
    written.text.clear();
    return written;
  }
  written.left_out = writer.left_out();
  try {
    writer.finish();
  } catch (const Error& error) {
    written.error = error.what();
  }
  return written;
}

void check_finished(std::string text) {
  constexpr std::string_view kMark = "#TS:1\r\n";
  if (const std::size_t at = text.find(kMark); at != std::string::npos) {
    text.erase(at, kMark.size());
  }
  const Framed framed = frame(as_bytes(text), text.size());
  require(framed.error.empty());
  require(framed.safe == static_cast<std::int64_t>(text.size()));
}

std::string take_apart(ByteView bytes, std::size_t size) {
  std::string seen;
  aof::CommandReader reader(0, std::nullopt, [&](const aof::Command& command) {
    seen += std::to_string(command.end) + "/" + std::to_string(command.word_count) + "/";
    seen += command.database ? std::to_string(*command.database) : "-";
    for (const std::string& word : command.words) {
      seen += "/" + word;
    }
  });
  const std::string error =
      feed_in_pieces(bytes, size, [&](ByteView piece) { reader.feed(piece); });
  return seen + error;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes = std::as_bytes(std::span(data, size));
  const Framed framed = frame(bytes, size);
  const Written written = write_increment(bytes, size);
  const std::string commands = take_apart(bytes, size);
  for (const std::size_t piece : {1U, 2U, 3U, 7U, 17U, 64U}) {
    require(frame(bytes, piece) == framed);
    require(write_increment(bytes, piece) == written);
    require(take_apart(bytes, piece) == commands);
  }
  if (written.error.empty()) {
    check_finished(written.text);
  }
  return 0;
}
