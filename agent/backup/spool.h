#pragma once

#include "backup/journal.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "catalog/log.h"
#include "io/fd.h"
#include "replica/position.h"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace keyrewind::backup {

struct SpoolOptions {
  std::filesystem::path dir;  ///< Made if it is not there. Each source has a folder in it.
  std::uint64_t max_bytes = 2ULL << 30U;
};

/// The folder that holds what was read from a server until the repository has it.
///
/// One thread writes: `begin`, `append` …, `seal`, and again. Another takes sealed journals in
/// order with `next` and removes them when they are stored. A spool belongs to one process at a
/// time and is taken up again by the next one, whatever ended the first: a journal without an end
/// is sealed at its last safe offset.
class Spool {
 public:
  /// Where the stream in the spool ends.
  struct Tail {
    std::string lineage;
    replica::Position position;
    std::optional<std::uint64_t> database;
  };

  /// Throws Error(busy) if another process holds the spool, and Error(Side::here, …) as the io room
  /// does if the folder can't be made or written.
  Spool(SpoolOptions options, std::string source, std::string shard);

  /// Nothing if the spool is empty.
  std::optional<Tail> tail() const;

  /// A name that nobody else has and that stays with the folder: for the holder of a lease.
  const std::string& id() const noexcept { return id_; }

  /// Where it is; files that are neither journals nor events are nobody's here.
  const std::filesystem::path& folder() const noexcept { return folder_; }

  /// Begins a journal. The one before must have been sealed.
  void begin(const std::string& lineage, const replica::Position& position,
             std::optional<std::uint64_t> database);

  /// Takes the next bytes of the stream.
  void append(ByteView raw, Timestamp arrived);

  /// Notes that the stream was taken up again, from `node`.
  void note_resumed(const std::string& node, Timestamp at);

  /// Notes that the history goes by another id from here on.
  void note_renamed(const std::string& replid, Timestamp at);

  /// Ends the journal at `end`, a safe offset not beyond what was appended, and lets `next` have
  /// it; an empty one is removed instead.
  void seal(const replica::Position& end, std::optional<std::uint64_t> database);

  /// Gives up the journal that is being written after a failure: it is sealed at its last safe
  /// offset, from what the disk has of it. Does nothing if none is being written.
  void rescue();

  /// What the folder holds, in bytes, and what it may hold.
  std::uint64_t bytes() const noexcept { return sealed_bytes_ + current_bytes_; }
  std::uint64_t max_bytes() const noexcept { return max_bytes_; }
  void set_max_bytes(std::uint64_t bytes) noexcept { max_bytes_ = bytes; }

  /// A sealed journal, waiting to be stored.
  struct Sealed {
    std::filesystem::path path;
    JournalHead head;
    std::int64_t end = 0;
    Timestamp last{};
    std::uint64_t bytes = 0;  ///< Of the file.
    bool recovered = false;   ///< By this process, from an earlier one.
  };

  /// Waits for the oldest sealed journal, which stays first until it is removed; or for an event:
  /// then there is nothing.
  std::optional<Sealed> next(std::stop_token stop);

  /// Whether no sealed journal is waiting.
  bool shipped() const;

  /// Waits until `shipped` or the time is over; says which.
  bool wait_until_shipped(std::chrono::milliseconds patience) const;

  /// Removes the oldest sealed journal. Only the thread that calls `next` may do so.
  void remove_first();

  /// Keeps an event until it is stored; the same way out as journals, but in any order. Survives
  /// kill -9.
  void note(const catalog::Event& event);
  std::vector<catalog::Event> events() const;
  void forget(const catalog::Event& event);

 private:
  void take_up();
  bool follows(const JournalSummary& journal) const;
  void take_up_events();
  std::filesystem::path event_file(const catalog::Event& event) const;
  void finish_current(Tail tail);

  const std::filesystem::path folder_;
  const std::string source_;
  const std::string shard_;
  io::Fd lock_;
  const std::string id_;

  // Never waits for the disk: `bytes` is asked by the thread that must not stop reading.
  std::atomic<std::uint64_t> max_bytes_;
  std::atomic<std::uint64_t> sealed_bytes_{0};
  std::atomic<std::uint64_t> current_bytes_{0};

  // Of the thread that writes.
  std::uint64_t next_number_ = 1;
  std::unique_ptr<JournalWriter> writer_;
  JournalHead head_;           ///< Of the journal being written.
  std::int64_t appended_ = 0;  ///< The offset behind its last byte.
  Timestamp last_{};           ///< When that had arrived.

  mutable std::mutex mutex_;  ///< Guards what follows.
  mutable std::condition_variable_any changed_;
  std::deque<Sealed> sealed_;
  std::vector<catalog::Event> events_;
  std::optional<Tail> tail_;
};

}  // namespace keyrewind::backup
