#include "aof/command_walk.h"

#include "base/error.h"

#include <fmt/format.h>

namespace keyrewind::aof {
namespace {

bool is_digit(char byte) {
  return byte >= '0' && byte <= '9';
}

std::string shown(char byte) {
  return byte > ' ' && byte <= '~' ? fmt::format("'{}'", byte)
                                   : fmt::format("0x{:02x}", static_cast<unsigned char>(byte));
}

}  // namespace

bool is_word(std::string_view word, std::string_view name) noexcept {
  const auto lower_case = [](char letter) {
    return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
  };
  return std::ranges::equal(word, name, {}, lower_case);
}

void CommandWalk::take_header_byte(char byte) {
  switch (state_) {
    case State::mark:
      expect(in_command_header() ? '*' : '$', byte);
      number_ = 0;
      state_ = State::first_digit;
      return;
    case State::first_digit:
    case State::further_digits:
      take_digit(byte);
      return;
    case State::header_cr:
      expect('\r', byte);
      state_ = State::header_lf;
      return;
    case State::header_lf:
      expect('\n', byte);
      if (in_command_header()) {
        word_count_ = number_;
        words_left_ = number_;
        state_ = State::mark;
      } else {
        state_ = State::payload;
      }
      return;
    case State::payload:
      return;
    case State::payload_cr:
      expect('\r', byte);
      state_ = State::payload_lf;
      return;
    case State::payload_lf:
      expect('\n', byte);
      --words_left_;
      state_ = State::mark;
      return;
  }
}

void CommandWalk::take_digit(char byte) {
  constexpr std::uint64_t kTen = 10;
  if (state_ == State::further_digits && byte == '\r') {
    state_ = State::header_lf;
    return;
  }
  if (!is_digit(byte)) {
    refuse(byte, "a number");
  }
  number_ = number_ * kTen + static_cast<std::uint64_t>(byte - '0');
  const std::uint64_t most = in_command_header() ? kMaxWords : kMaxWordBytes;
  if (number_ > most) {
    refuse(byte, fmt::format("a number of at most {}", most));
  }
  if (number_ == 0 && in_command_header()) {
    refuse(byte, "a command of at least one word");
  }
  state_ = number_ == 0 ? State::header_cr : State::further_digits;
}

void CommandWalk::expect(char wanted, char byte) const {
  if (byte != wanted) {
    refuse(byte, shown(wanted));
  }
}

void CommandWalk::refuse(char byte, const std::string& wanted) const {
  throw Error(Side::source, ErrorKind::protocol,
              fmt::format("the replication stream is malformed at offset {}: {} instead of {}",
                          offset_, shown(byte), wanted));
}

}  // namespace keyrewind::aof
