#pragma once

#include "replica/connection.h"
#include "replica/position.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <stop_token>
#include <string>

namespace keyrewind::replica {

/// The log connection (design.md section 4): the stream of every write from a position on.
///
/// Under load bytes gather for up to 2 ms between two reads, which saves the CPU that a server on
/// the same machine needs; an idle stream costs nothing and is read at once.
///
/// One thread uses it, but for `wake`. All failures are Error(Side::source, …) as Connection's: the
/// connection is then gone, and the position is where to go on elsewhere.
class LogStream {
  struct State;

 public:
  /// Attaches at `position`: announces `listening-port -1` and `capa eof capa psync2` (never a
  /// version), sends PSYNC and waits for +CONTINUE. Returns nothing if the server does not have the
  /// position any more: it would make a full sync, which is prevented by hanging up at once. Throws
  /// if the server can't be asked (unavailable, which includes -LOADING, -NOMASTERLINK and
  /// -MASTERDOWN; denied; protocol).
  static std::unique_ptr<LogStream> attach(const SourceOptions& options, const Position& position,
                                           std::stop_token stop);
  explicit LogStream(std::unique_ptr<State> state);  ///< For `attach`.
  ~LogStream();

  const Greeting& greeting() const noexcept;

  /// The id under which the history goes on: another one after a failover.
  const std::string& replid() const noexcept;

  /// Waits until something has arrived, at most `wait`, and reads it: at most `into.size()` bytes.
  /// Returns 0 if nothing came, or because of `wake`. Throws Error(unavailable) once the server has
  /// closed the connection, or has sent nothing for the source's `silence_timeout` (a primary pings
  /// every 10 s).
  std::size_t receive(std::span<std::byte> into, std::chrono::milliseconds wait);

  /// Tells the server that the history up to `received` is here, and up to `durable` in the
  /// repository: `REPLCONF ACK <received> FACK <durable>`. A server older than Redis 7.2 knows no
  /// FACK and gets none. Must be called at least every second. A connection that is gone shows in
  /// the next `receive`, behind what the server sent before.
  void acknowledge(std::int64_t received, std::int64_t durable);

  /// Ends the present `receive`, or the next one, early. Any thread may call it.
  void wake() noexcept;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace keyrewind::replica
