#pragma once

#include "base/bytes.h"
#include "rdb/summary.h"

#include <cstdint>
#include <memory>

namespace keyrewind::rdb {

/// Follows an RDB as it passes, in one pass and in pieces of any size, without decoding a value:
/// it counts, and checks the structure and the CRC64.
///
/// Memory is bounded whatever lengths the data claims. A value type, opcode or encoding that it
/// does not know turns the scan opaque: from there on only bytes and CRC64 are followed, and
/// `finish` says so in the summary, so that a backup of a newer server still succeeds.
class Scanner {
 public:
  Scanner();
  ~Scanner();
  Scanner(const Scanner&) = delete;
  Scanner& operator=(const Scanner&) = delete;

  /// Throws Error(corrupt) if the data does not begin as an RDB does.
  void feed(ByteView bytes);

  /// Says that the RDB is over, and gives what was learned. Called once.
  ///
  /// Throws Error(corrupt) if the checksum is wrong, if the data ends early, or if it has
  /// structural damage that no valid checksum vouches for. (If the checksum is valid, structure that
  /// can't be followed means a newer format, and the summary is opaque.)
  Summary finish();

  /// Keys seen so far, for progress.
  std::uint64_t keys() const noexcept;

 private:
  class Parser;

  std::unique_ptr<Parser> parser_;
};

}  // namespace keyrewind::rdb
