#pragma once

#include "aof/command_walk.h"
#include "aof/framer.h"
#include "base/bytes.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace keyrewind::aof {

/// One command of the stream, for looking at.
struct Command {
  std::int64_t end = 0;                   ///< The offset behind its last byte.
  std::optional<std::uint64_t> database;  ///< Selected when it ran; nothing if not known.
  std::vector<std::string> words;         ///< The beginnings of its first words, name first.
  std::uint64_t word_count = 0;           ///< All of them.
};

/// Takes commands apart, for searching: slower than Framer, and only the first kShownWords words of
/// each are kept, and of each word its first kShownBytes bytes, so that memory stays bounded.
class CommandReader {
 public:
  static constexpr std::size_t kShownWords = 64;
  static constexpr std::size_t kShownBytes = 1024;
  using Take = std::function<void(const Command&)>;

  /// `offset` is a safe one, `database` the one selected there.
  CommandReader(std::int64_t offset, std::optional<std::uint64_t> database, Take take);

  /// Calls `take` for every command whose last byte is among those fed. Throws like Framer::feed,
  /// and at a bare newline, too: a stored stream has none.
  void feed(ByteView bytes);

 private:
  friend class CommandWalk;

  static constexpr std::size_t kWordBytes = kShownBytes;
  bool wants(std::uint64_t index) const noexcept { return index < kShownWords; }
  void see(std::uint64_t index, std::string_view beginning, std::uint64_t size);

  CommandWalk walk_;
  Framer framer_;
  Take take_;
  Command command_;
};

}  // namespace keyrewind::aof
