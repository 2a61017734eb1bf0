#pragma once

#include "replica/connection.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>

namespace keyrewind::replica {

/// The snapshot connection (design.md section 4): asks a node for an RDB of now and hands its bytes on.
///
/// Life: construct (connects, announces `rdb-only`, and waits for +FULLRESYNC; the server forks) →
/// `read` until it returns 0 → the RDB is whole. The server buffers no stream for this connection,
/// so reading slowly is harmless within its repl-timeout. One thread uses it.
class SnapshotStream {
 public:
  /// Which history the snapshot belongs to, and at which offset it is exact.
  struct Position {
    std::string replid;  ///< 40 hexadecimal digits.
    std::int64_t offset = 0;
  };

  SnapshotStream(const SourceOptions& options, std::stop_token stop);

  const Greeting& greeting() const noexcept;
  const Position& position() const noexcept { return position_; }

  /// The RDB's length, once the server has said it: a server with `repl-diskless-sync no` does, one
  /// that streams as it saves does not. Known after the first `read`.
  std::optional<std::uint64_t> length() const noexcept { return length_; }

  /// Reads some of the RDB into `into`, which is at least 4 KiB. Returns 0 at its end: after `length`
  /// bytes, or when the 40-byte mark of a `$EOF:` payload has come.
  /// Throws Error(Side::source, unavailable) if the connection ends before.
  std::size_t read(std::span<std::byte> into);
};

}  // namespace keyrewind::replica
