#pragma once

#include "base/bytes.h"
#include "rdb/summary.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace keyrewind::rdb {

class Structure;

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
  /// structural damage that no valid checksum vouches for. (If the checksum is valid, structure
  /// that can't be followed means a newer format, and the summary is opaque.)
  Summary finish();

  /// Keys seen so far, for progress.
  std::uint64_t keys() const noexcept;

 private:
  void read_magic(ByteView bytes);
  void pass_on(ByteView bytes);
  std::string flaw_in_structure() const;  ///< "" if there is none.

  static constexpr std::size_t kMagicSize = 9;
  static constexpr std::size_t kChecksumSize = 8;

  std::uint64_t bytes_ = 0;
  std::uint64_t crc_ = 0;                 ///< Of all but the bytes held back …
  std::byte last_passed_on_{};            ///< … and the last of them.
  std::string magic_;                     ///< With the version; up to kMagicSize bytes.
  Bytes held_back_;                       ///< The last bytes, which may be the checksum.
  std::unique_ptr<Structure> structure_;  ///< Once the magic is complete.
};

}  // namespace keyrewind::rdb
