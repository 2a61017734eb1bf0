#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "io/fd.h"
#include "replica/position.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

/// Journals: the files of the spool. One holds the stretch of a lineage's stream that becomes one
/// segment, with when its bytes arrived.
///
/// A journal survives kill -9 at any instruction: it is a head and then records, each with a
/// CRC64, and reading ends at the first one that is not whole. It need not survive a power cut: the
/// position to go on from is then that of the repository.
namespace keyrewind::backup {

/// Where a journal begins.
struct JournalHead {
  std::string source;
  std::string shard;
  std::string lineage;
  replica::Position position;             ///< A safe one.
  std::optional<std::uint64_t> database;  ///< Selected there, if known.
  /// 32 random hexadecimal digits, for the digest of what it becomes if that is encrypted.
  std::string salt{};

  bool operator==(const JournalHead&) const = default;
};

/// One entry of a journal.
struct JournalRecord {
  enum class Kind : std::uint32_t {
    data = 1,     ///< `text` is stream, the first byte of it behind `offset`, arrived by `at`.
    resumed = 2,  ///< At `offset` the stream was taken up again from the node `text`.
    renamed = 3,  ///< From `offset` on the history goes by the replication id `text`.
    sealed = 4,   ///< The journal's stream ends at `offset`, whatever was written behind it.
  };

  Kind kind = Kind::data;
  std::int64_t offset = 0;
  Timestamp at{};
  ByteView text;  ///< Valid until the next record is read.
};

/// Writes one. Throws Error(Side::here, …) as the io room does when the disk is full, read-only or
/// broken; what was whole before stays readable.
class JournalWriter {
 public:
  /// Creates the file, which must not exist; it is not left behind without its head.
  JournalWriter(std::filesystem::path path, const JournalHead& head);

  void write(const JournalRecord& record);

  const std::filesystem::path& path() const noexcept { return path_; }
  std::uint64_t bytes() const noexcept { return bytes_; }

 private:
  std::filesystem::path path_;
  io::Fd file_;
  std::uint64_t bytes_ = 0;
};

/// Reads one from its beginning.
class JournalReader {
 public:
  /// Throws Error(corrupt) if there is no whole head.
  explicit JournalReader(std::filesystem::path path);

  const JournalHead& head() const noexcept { return head_; }

  /// The next record; nothing at the end, or where the file is no longer whole.
  std::optional<JournalRecord> next();

 private:
  ByteView read(std::size_t bytes);

  std::filesystem::path path_;
  io::Fd file_;
  JournalHead head_;
  Bytes buffer_;
  std::size_t begin_ = 0;  ///< Of what is buffered and not yet given.
  std::size_t end_ = 0;
};

/// The most that one data record may hold.
inline constexpr std::size_t kMaxJournalData = 1U << 20U;

/// What reading a journal through tells.
struct JournalSummary {
  JournalHead head;
  bool sealed = false;
  std::int64_t end = 0;                   ///< As sealed, else the last safe offset.
  std::string replid;                     ///< That the history has at `end`.
  std::optional<std::uint64_t> database;  ///< Selected at `end`.
  Timestamp last{};                       ///< When its last byte before `end` had arrived.
};

/// Reads on as far as the file is whole and its stream well-formed. Throws Error(corrupt) as
/// JournalReader does.
JournalSummary read_through(const std::filesystem::path& path);

}  // namespace keyrewind::backup
