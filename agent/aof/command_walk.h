#pragma once

#include "base/bytes.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace keyrewind::aof {

/// The most words that a command may have and the most bytes of a word. A server's own limit is
/// INT_MAX words (src/networking.c, processMultibulkBuffer); it takes words of any size from its
/// primary, so that the bound only has to be above what fits into a server.
inline constexpr std::uint64_t kMaxWords = (1ULL << 31U) - 1;
inline constexpr std::uint64_t kMaxWordBytes = 1ULL << 40U;

/// Whether `word` is `name`, which is in lower case, in any case: so servers compare names.
bool is_word(std::string_view word, std::string_view name) noexcept;

/// Goes through a stream of commands in pieces of any size, and shows the beginnings of those words
/// that its visitor wants. The rest of a payload is skipped without being read.
///
///   stream  = *command
///   command = "*" number CRLF 1*word       ; number of words, 1 to kMaxWords
///   word    = "$" number CRLF payload CRLF ; number of bytes, 0 to kMaxWordBytes
///   number  = "0" / %x31-39 *DIGIT
///
/// A visitor has
///
///   static constexpr std::size_t kWordBytes;     // How much of a word it wants to see.
///   bool wants(std::uint64_t index) const;       // Asked for each word, the name is 0.
///   void see(std::uint64_t index, std::string_view beginning, std::uint64_t size);
///
/// where `beginning` is valid during the call, and `see` is called as soon as that much of the word
/// has come by.
class CommandWalk {
 public:
  explicit CommandWalk(std::int64_t offset) : offset_(offset) {}

  /// Takes `bytes` up to the end of the present command, or all if it does not end among them, and
  /// returns how much that was. Throws Error(Side::source, protocol), naming the offset, at the
  /// first byte that can't be where it is; the walk then stands at that byte and is over.
  template <typename Visitor>
  std::size_t take_command(ByteView bytes, Visitor& visitor);

  bool between_commands() const noexcept { return words_left_ == 0 && state_ == State::mark; }

  /// Behind the last byte taken.
  std::int64_t offset() const noexcept { return offset_; }

  /// Of the present command, or the last one; name included.
  std::uint64_t word_count() const noexcept { return word_count_; }

 private:
  /// What the next byte has to be. A header is that of a command as long as no words are left.
  enum class State : std::uint8_t {
    mark,            ///< "*" or "$".
    first_digit,     ///< Of the number in the header.
    further_digits,  ///< Or the end of them.
    header_cr,
    header_lf,
    payload,
    payload_cr,
    payload_lf,
  };

  struct Header {
    std::size_t size = 0;  ///< 0 if it is not there whole, or not so simple.
    std::uint64_t number = 0;
  };

  static Header simple_header(std::string_view text, char mark) noexcept;

  template <typename Visitor>
  std::size_t take_whole_words(std::string_view text, Visitor& visitor);
  template <typename Visitor>
  std::size_t take_part(std::string_view text, Visitor& visitor);
  template <typename Visitor>
  void begin_payload(Visitor& visitor);
  template <typename Visitor>
  void gather(std::string_view text, Visitor& visitor);

  bool in_command_header() const noexcept { return words_left_ == 0; }
  std::uint64_t index() const noexcept { return word_count_ - words_left_; }
  void take_header_byte(char byte);
  void take_digit(char byte);
  void expect(char wanted, char byte) const;
  [[noreturn]] void refuse(char byte, const std::string& wanted) const;

  std::int64_t offset_;
  std::uint64_t word_count_ = 0;
  std::uint64_t words_left_ = 0;    ///< The present one included.
  std::uint64_t number_ = 0;        ///< In the header, as far as it is read.
  std::uint64_t payload_left_ = 0;  ///< Bytes.
  State state_ = State::mark;
  bool gathering_ = false;  ///< The visitor wants the present word, and has not seen it yet.
  std::string gathered_;    ///< The beginning of it.
};

/// The header at the beginning of `text`, if its number has at most three digits: the others belong
/// to so much data that reading them slowly costs nothing.
inline CommandWalk::Header CommandWalk::simple_header(std::string_view text, char mark) noexcept {
  constexpr std::size_t kSmallestWord = 6;  // "$0", CRLF, nothing, CRLF; no header has more here.
  constexpr unsigned kTen = 10;
  const auto digit = [&](std::size_t at) {
    return static_cast<unsigned char>(text[at]) - unsigned{'0'};
  };
  if (text.size() < kSmallestWord || text[0] != mark || digit(1) >= kTen) {
    return {};
  }
  std::uint64_t number = digit(1);
  std::size_t at = 2;
  if (digit(2) < kTen && number != 0) {
    number = number * kTen + digit(2);
    at = 3;
    if (digit(3) < kTen) {
      number = number * kTen + digit(3);
      at = 4;
    }
  }
  return text[at] == '\r' && text[at + 1] == '\n' ? Header{at + 2, number} : Header{};
}

template <typename Visitor>
std::size_t CommandWalk::take_command(ByteView bytes, Visitor& visitor) {
  const std::string_view text = as_text(bytes);
  const std::int64_t begin = offset_;
  std::size_t taken = 0;
  while (taken < text.size()) {
    if (state_ == State::mark) {
      taken += take_whole_words(text.substr(taken), visitor);
      if (between_commands() && taken > 0) {
        break;
      }
    }
    while (taken < text.size()) {
      offset_ = begin + static_cast<std::int64_t>(taken);
      taken += take_part(text.substr(taken), visitor);
      if (state_ == State::mark) {
        break;
      }
    }
    if (between_commands()) {
      break;
    }
  }
  offset_ = begin + static_cast<std::int64_t>(taken);
  return taken;
}

/// The path that nearly all data goes: takes what headers and words lie whole in `text`.
template <typename Visitor>
inline std::size_t CommandWalk::take_whole_words(std::string_view text, Visitor& visitor) {
  constexpr std::size_t kLineEnd = 2;
  std::size_t at = 0;
  if (in_command_header()) {
    const Header header = simple_header(text, '*');
    if (header.size == 0 || header.number == 0) {
      return 0;
    }
    word_count_ = header.number;
    words_left_ = header.number;
    at = header.size;
  }
  while (words_left_ > 0) {
    const Header header = simple_header(text.substr(at), '$');
    const std::size_t payload = at + header.size;
    if (header.size == 0 || text.size() - payload < header.number + kLineEnd) {
      break;
    }
    const std::size_t end = payload + header.number;
    if (text[end] != '\r' || text[end + 1] != '\n') {
      break;
    }
    if (visitor.wants(index())) {
      visitor.see(index(),
                  text.substr(payload, std::min<std::size_t>(header.number, Visitor::kWordBytes)),
                  header.number);
    }
    at = end + kLineEnd;
    --words_left_;
  }
  return at;
}

/// Takes a byte of what is around payloads, or what there is of a payload.
template <typename Visitor>
std::size_t CommandWalk::take_part(std::string_view text, Visitor& visitor) {
  if (state_ == State::payload) {
    const std::size_t size = std::min<std::uint64_t>(payload_left_, text.size());
    gather(text.substr(0, size), visitor);
    payload_left_ -= size;
    state_ = payload_left_ == 0 ? State::payload_cr : State::payload;
    return size;
  }
  const bool is_word = !in_command_header();
  take_header_byte(text.front());
  if (is_word && state_ == State::payload) {
    begin_payload(visitor);
  }
  return 1;
}

template <typename Visitor>
void CommandWalk::begin_payload(Visitor& visitor) {
  payload_left_ = number_;
  gathering_ = visitor.wants(index());
  gathered_.clear();
  if (payload_left_ == 0) {
    gather({}, visitor);
    state_ = State::payload_cr;
  }
}

template <typename Visitor>
void CommandWalk::gather(std::string_view text, Visitor& visitor) {
  if (!gathering_) {
    return;
  }
  const std::size_t wanted = std::min<std::uint64_t>(number_, Visitor::kWordBytes);
  gathered_ += text.substr(0, wanted - gathered_.size());
  if (gathered_.size() == wanted) {
    gathering_ = false;
    visitor.see(index(), gathered_, number_);
  }
}

}  // namespace keyrewind::aof
