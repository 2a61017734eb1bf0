#pragma once

#include "replica/connection.h"
#include "replica/position.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>

namespace keyrewind::replica {

/// The snapshot connection (design.md section 4): asks a node for an RDB of now and hands its bytes
/// on.
///
/// Life: construct (connects, announces `rdb-only`, and waits for +FULLRESYNC; the server forks) →
/// `read` until it returns 0 → the RDB is whole. The server buffers no stream for this connection,
/// so reading slowly is harmless within its repl-timeout. One thread uses it.
class SnapshotStream {
 public:
  using Position = replica::Position;

  SnapshotStream(const SourceOptions& options, std::stop_token stop);

  const Greeting& greeting() const noexcept;

  /// Which history the snapshot belongs to, and at which offset it is exact.
  const Position& position() const noexcept { return position_; }

  /// The RDB's length, once the server has said it: a server with `repl-diskless-sync no` does, one
  /// that streams as it saves does not. Known after the first `read`.
  std::optional<std::uint64_t> length() const noexcept { return length_; }

  /// Reads some of the RDB into `into`, which is at least 4 KiB. Returns 0 at its end: after
  /// `length` bytes, or when the 40-byte mark of a `$EOF:` payload has come. Throws
  /// Error(Side::source, unavailable) if the connection ends before.
  std::size_t read(std::span<std::byte> into);

 private:
  static constexpr std::size_t kMarkBytes = 40;

  void announce();
  void ask_for_snapshot();
  void read_header();
  std::size_t read_counted(std::span<std::byte> into);
  std::size_t read_marked(std::span<std::byte> into);
  std::string read_line();
  std::size_t receive(std::span<std::byte> into);
  std::string peer() const;
  Error unexpected(std::string_view what, const std::string& line) const;

  Connection connection_;
  Position position_;
  bool has_header_ = false;
  bool ended_ = false;
  std::optional<std::uint64_t> length_;
  std::string mark_;            ///< Ends a payload whose length was not said; else empty.
  std::uint64_t received_ = 0;  ///< Bytes of the payload, with those held back.

  /// Bytes that came together with the lines before the payload.
  std::array<std::byte, 4096> buffer_{};
  std::span<std::byte> buffered_;

  /// The last bytes of a marked payload so far: either data or the mark, the next read tells.
  std::array<std::byte, kMarkBytes> held_back_{};
  std::size_t held_back_size_ = 0;
};

}  // namespace keyrewind::replica
