#pragma once

#include "aof/command_walk.h"
#include "aof/framer.h"
#include "base/bytes.h"
#include "base/clock.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

namespace keyrewind::aof {

/// Turns a stretch of the replication stream into an increment of a multi-part AOF (protocol.md 6).
///
/// It begins with SELECT; the stream's bytes follow verbatim, but for CLUSTER commands, which a
/// server refuses to load or would act on and which are left out; `#TS:<unix seconds>` lines stand
/// where a new second begins, outside transactions. It ends where the caller ends the stream, which
/// must be a safe offset.
class IncrementWriter {
 public:
  using Write = std::function<void(ByteView)>;

  /// `database` is the one selected at `offset`, which is a safe one. Writes the SELECT.
  IncrementWriter(std::int64_t offset, std::uint64_t database, Write write);

  /// Takes some of the stream, all of which had arrived by `arrived`. Throws Error(corrupt), naming
  /// the offset, where the stream is none; what was written is then of no use. What arrives in a
  /// second that has passed already (the clock was set back) gets no line of its own.
  ///
  /// Throws Error(incompatible) at CLUSTER FLUSHSLOT, the one CLUSTER command that takes keys away
  /// without naming them (Valkey 9.1 sends it verbatim and no UNLINK): without it the data would
  /// be wrong.
  void append(ByteView raw, Timestamp arrived);

  /// Says that the increment is whole. Throws Error(corrupt) if the stream ends within a command or
  /// transaction.
  void finish();

  /// What was written so far: bytes, whole commands of the stream, CLUSTER commands left out.
  std::uint64_t bytes() const noexcept { return bytes_; }
  std::uint64_t commands() const noexcept { return framer_.commands() - left_out_; }
  std::uint64_t left_out() const noexcept { return left_out_; }

 private:
  friend class CommandWalk;

  /// What is known of the present command.
  enum class Verdict : std::uint8_t { unknown, kept, left_out };

  static constexpr std::size_t kWordBytes = 16;  ///< More than "CLUSTER" and "FLUSHSLOT".
  bool wants(std::uint64_t index) const noexcept {
    return index == 0 || (index == 1 && verdict_ == Verdict::left_out);
  }
  void see(std::uint64_t index, std::string_view beginning, std::uint64_t size);

  std::size_t take_command(ByteView bytes);
  bool is_safe() const noexcept { return framer_.safe() == framer_.offset(); }
  void write_waiting_second();
  void write(ByteView bytes);

  CommandWalk walk_;
  Framer framer_;
  Write write_;
  std::optional<std::chrono::sys_seconds> last_second_;     ///< That has a line or waits for one.
  std::optional<std::chrono::sys_seconds> waiting_second_;  ///< Its line waits for a safe place.
  Verdict verdict_ = Verdict::unknown;
  Bytes held_back_;  ///< The beginning of a command whose name is not known yet: some bytes.
  std::uint64_t bytes_ = 0;
  std::uint64_t left_out_ = 0;
};

}  // namespace keyrewind::aof
