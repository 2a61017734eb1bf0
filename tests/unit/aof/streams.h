#pragma once

#include "aof/framer.h"
#include "base/bytes.h"
#include "base/error.h"

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace keyrewind::test {

using Words = std::vector<std::string>;

inline std::string encode(const Words& words) {
  std::string bytes = "*" + std::to_string(words.size()) + "\r\n";
  for (const std::string& word : words) {
    bytes += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  }
  return bytes;
}

inline std::string stream_of(std::initializer_list<Words> commands) {
  std::string bytes;
  for (const Words& words : commands) {
    bytes += encode(words);
  }
  return bytes;
}

/// `name` and so many keys.
inline Words many(const std::string& name, std::size_t keys) {
  Words words(keys + 1, "key");
  words.front() = name;
  return words;
}

/// All that a framer says.
struct Framed {
  std::int64_t offset = 0;
  std::int64_t safe = 0;
  std::optional<std::uint64_t> safe_database;
  bool in_transaction = false;
  std::uint64_t commands = 0;
  std::uint64_t acknowledgements_wanted = 0;
  std::uint64_t keep_alives = 0;
  std::vector<aof::NotedCommand> noted;
  std::string error;

  bool operator==(const Framed&) const = default;
};

inline std::ostream& operator<<(std::ostream& out, const Framed& framed) {
  return out << "offset " << framed.offset << ", safe " << framed.safe << ", database "
             << (framed.safe_database ? std::to_string(*framed.safe_database) : "unknown") << ", "
             << framed.commands << " commands, " << framed.acknowledgements_wanted << " wanted, "
             << framed.keep_alives << " keep-alives, " << framed.noted.size() << " noted, error '"
             << framed.error << "'" << (framed.in_transaction ? ", in a transaction" : "");
}

/// Feeds `bytes` as their user does, in pieces of the sizes that `next_size` gives.
template <typename NextSize>
Framed frame_in(std::string_view bytes, NextSize next_size, std::int64_t offset = 0,
                std::optional<std::uint64_t> database = 0) {
  aof::Framer framer(offset, database);
  Framed framed;
  try {
    while (!bytes.empty()) {
      ByteView piece = as_bytes(bytes.substr(0, next_size()));
      bytes = bytes.substr(piece.size());
      while (!piece.empty()) {
        const std::size_t newlines = framer.keep_alives(piece);
        framed.keep_alives += newlines;
        piece = piece.subspan(newlines);
        piece = piece.subspan(framer.feed(piece));
      }
      std::ranges::move(framer.take_noted(), std::back_inserter(framed.noted));
    }
  } catch (const Error& error) {
    framed.error = error.what();
    std::ranges::move(framer.take_noted(), std::back_inserter(framed.noted));
  }
  framed.offset = framer.offset();
  framed.safe = framer.safe();
  framed.safe_database = framer.safe_database();
  framed.in_transaction = framer.in_transaction();
  framed.commands = framer.commands();
  framed.acknowledgements_wanted = framer.acknowledgements_wanted();
  return framed;
}

inline Framed frame(std::string_view bytes) {
  return frame_in(bytes, [&] { return bytes.size(); });
}

inline Framed frame_in_pieces(std::string_view bytes, std::size_t size) {
  return frame_in(bytes, [size] { return size; });
}

inline Framed frame_cut_at(std::string_view bytes, std::size_t cut) {
  bool first = true;
  return frame_in(bytes, [&] { return std::exchange(first, false) ? cut : bytes.size(); });
}

}  // namespace keyrewind::test
