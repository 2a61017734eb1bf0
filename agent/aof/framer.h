#pragma once

#include "aof/command_walk.h"
#include "base/bytes.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace keyrewind::aof {

/// A command in the stream that a person may one day want undone.
struct NotedCommand {
  /// What was sent, without the user's keys: "FLUSHALL", "FLUSHDB", "SWAPDB", "FUNCTION FLUSH",
  /// "CLUSTER FLUSHSLOT", "DEL of 25000 keys".
  std::string command;
  std::optional<std::uint64_t> database;  ///< That was selected; nothing if not known.
  std::int64_t before = 0;  ///< The last offset in front of it at which the stream may be cut.
  std::int64_t end = 0;     ///< The offset behind its last byte.

  bool operator==(const NotedCommand&) const = default;
};

/// DEL and UNLINK of at least so many keys are noted.
inline constexpr std::uint64_t kManyKeys = 1000;

/// Finds the boundaries of commands in a replication stream, whatever the pieces in which it
/// arrives, and without copying any of it (protocol.md section 3).
///
/// An offset is the number of bytes of history before it, as the servers count: the state "at
/// offset n" is the one after n bytes. A cut is *safe* on a boundary outside MULTI: the state there
/// is one that the primary really had.
class Framer {
 public:
  /// Of the commands noted in one transaction, which share their `before`, no more than these first
  /// ones are kept.
  static constexpr std::size_t kMaxNotedInTransaction = 100000;

  /// `offset` is a safe one, and `database` the one selected there if it is known.
  Framer(std::int64_t offset, std::optional<std::uint64_t> database);

  /// Takes the beginning of `bytes` and returns how much: all, or what comes before a bare newline
  /// between two commands, which is a server's sign of life and no part of the stream. Throws
  /// Error(Side::source, protocol), naming the offset, where the stream is none: no command is an
  /// array of bulk strings of 0 to 2^40 bytes each, or MULTI and EXEC don't alternate. Nothing may
  /// be fed after that; `safe` holds.
  std::size_t feed(ByteView bytes);

  /// How many bare newlines `bytes` begins with, to be left out; 0 within a command.
  std::size_t keep_alives(ByteView bytes) const noexcept;

  /// Behind the last byte fed.
  std::int64_t offset() const noexcept { return walk_.offset(); }
  /// The database selected behind the last whole command, which may be one within MULTI.
  std::optional<std::uint64_t> database() const noexcept { return database_; }
  /// The last safe offset, and the database selected there.
  std::int64_t safe() const noexcept { return safe_; }
  std::optional<std::uint64_t> safe_database() const noexcept { return safe_database_; }
  bool in_transaction() const noexcept { return in_transaction_; }

  /// Whole commands so far, PING and REPLCONF included.
  std::uint64_t commands() const noexcept { return commands_; }

  /// How often the server asked for an acknowledgement (REPLCONF GETACK) so far.
  std::uint64_t acknowledgements_wanted() const noexcept { return acknowledgements_wanted_; }

  /// What was noted since the last call, up to `safe`: a transaction's commands come once it has
  /// been executed, so that who resumes at `safe` notes nothing twice.
  std::vector<NotedCommand> take_noted();

 private:
  friend class CommandWalk;

  /// What a command means here; most mean nothing.
  enum class Kind : std::uint8_t {
    other,
    multi,
    exec,
    discard,
    select,
    replconf,
    getack,  ///< REPLCONF GETACK.
    function,
    function_flush,
    cluster,
    cluster_flushslot,
    flushall,
    flushdb,
    swapdb,
    del,
    unlink,
  };

  /// The longest name of interest has eight letters, the longest number of a database 20 digits.
  static constexpr std::size_t kWordBytes = 24;
  static Kind kind_of(std::string_view name) noexcept;
  bool wants(std::uint64_t index) const noexcept;
  void see(std::uint64_t index, std::string_view beginning, std::uint64_t size);
  void see_argument(std::string_view argument);

  void end_command();
  void act();
  void begin_transaction();
  void end_transaction();
  void note(std::string command);
  void note_many(const char* name);
  [[noreturn]] void refuse(const char* what) const;

  CommandWalk walk_;
  std::optional<std::uint64_t> database_;
  std::optional<std::uint64_t> to_select_;  ///< By the present SELECT.
  std::int64_t safe_;
  std::optional<std::uint64_t> safe_database_;
  bool in_transaction_ = false;
  Kind kind_ = Kind::other;
  std::uint64_t commands_ = 0;
  std::uint64_t acknowledgements_wanted_ = 0;
  std::vector<NotedCommand> noted_;
  std::vector<NotedCommand> noted_in_transaction_;
};

}  // namespace keyrewind::aof
