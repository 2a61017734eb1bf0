#pragma once

#include "base/bytes.h"
#include "rdb/lengths.h"
#include "rdb/shapes.h"
#include "rdb/summary.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace keyrewind::rdb {

/// Follows the records of an RDB in pieces of any size, and notes what the Summary wants to know.
/// It is given everything but the checksum.
///
/// It needs contiguous memory only for an atom (a length, the head of a string): what a piece ends
/// with is carried over to the next. Where it is inside nested values is a small stack of steps and
/// counts, so memory does not depend on any length or count in the data.
class Structure {
 public:
  enum class State {
    following,
    ended,    ///< The end record was the last that it was given.
    newer,    ///< Stopped at a type or opcode that it does not know.
    damaged,  ///< Stopped at something that no format allows, as far as it knows.
  };

  /// `magic` is "REDIS" or "VALKEY"; the first piece begins with it.
  Structure(std::string magic, int version);

  /// Does nothing any more once it has stopped.
  void follow(ByteView bytes);

  State state() const noexcept { return state_; }
  /// Why it stopped; "" if it did not.
  const std::string& reason() const noexcept { return summary_.opaque_reason; }
  std::uint64_t keys() const noexcept { return keys_; }

  /// What was learned, without what only the checksum tells.
  Summary take_summary();

 private:
  using Cursor = const unsigned char*;

  /// A run of steps that is being walked along, and how often it has still to be begun.
  struct Frame {
    const Step* begin = nullptr;
    const Step* next = nullptr;
    const Step* end = nullptr;
    std::uint64_t left = 0;
  };

  /// A string of interest, as far as it has come in.
  struct Capture {
    Step::Kind purpose = Step::Kind::string;
    Encoding encoding = Encoding::raw;
    std::uint64_t inflated = 0;
    std::uint64_t wanted = 0;  ///< How many bytes of it to keep.
    Bytes bytes;
  };

  Cursor follow_string_keys(Cursor at, Cursor end);
  Cursor follow_plain_steps(Cursor at, Cursor end);
  Cursor skip_body(Cursor at, Cursor end);
  Cursor carry(Cursor at, Cursor end);
  Cursor take_carried(Cursor at, Cursor end);

  // Each takes one atom off the front and returns its size, or 0 if it is not all there.
  std::size_t take_atom(Cursor at, Cursor end);
  std::size_t take_record(Cursor at);
  std::size_t take_string(Step::Kind purpose, Cursor at, Cursor end);
  std::size_t take_length(const Step& step, Cursor at, Cursor end);
  std::size_t take_score(Cursor at);

  void use_length(const Step& step, std::uint64_t value);
  void begin_module_item(std::uint64_t kind);
  void push(const Step* steps, std::uint8_t size, std::uint64_t times);
  void advance();

  void begin_capture(Step::Kind purpose, const StringHead& head);
  void finish_capture();
  void note_aux(std::optional<std::string> value);

  void count_key(const Shape& shape, int type);
  bool enter_database();
  std::uint64_t& module_keys(std::uint64_t id);
  void stop(State state, std::string reason);

  /// A stream's group's consumer's pending entries lie deepest.
  static constexpr std::size_t kDeepest = 6;

  const Shape* const shapes_;
  State state_ = State::following;
  std::uint64_t offset_ = 0;    ///< Of the piece at hand within the RDB.
  std::uint64_t position_ = 0;  ///< Of the atom at hand within the RDB.

  std::array<Frame, kDeepest> frames_{};
  std::size_t depth_ = 0;   ///< 0 between records.
  std::uint64_t skip_ = 0;  ///< Bytes to come that need no look.
  bool capturing_ = false;  ///< But those are to be kept.
  Capture capture_;
  std::string aux_name_;

  std::array<unsigned char, kLongestAtom> carried_{};
  std::size_t carried_size_ = 0;

  std::uint64_t database_number_ = 0;
  DatabaseCounts* database_ = nullptr;  ///< Null until its first key.
  bool expires_ = false;                ///< The next key does.
  std::uint64_t keys_ = 0;
  Summary summary_;
};

}  // namespace keyrewind::rdb
