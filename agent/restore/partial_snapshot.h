#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "catalog/manifest.h"
#include "flow/byte_channel.h"
#include "flow/group.h"
#include "io/fd.h"
#include "restore/read_snapshot.h"

#include <cstdint>
#include <filesystem>
#include <string>

namespace keyrewind::restore {

/// A snapshot's RDB that grows in a folder in such a way that a restore which is interrupted, even
/// by a kill or a power cut, is taken up where it stopped:
///
///   snapshot.partial   the RDB's first bytes
///   snapshot.json      whose they are, and how many of them are on the disk for sure
///
/// No server takes these names for data. What was written is synced and noted every
/// kNoteBytes, by a thread of its own.
class PartialSnapshot {
 public:
  static constexpr std::uint64_t kNoteBytes = 64U << 20U;

  /// Takes up what an earlier one left in `folder`, which must exist, if that is of `snapshot`;
  /// else removes it and begins anew. Of a snapshot whose digests are not known nothing is taken
  /// up, since nothing would tell whether it is sound. Throws Error(failed) as all members do.
  PartialSnapshot(std::filesystem::path folder, const catalog::Snapshot& snapshot);

  /// What was not noted is lost.
  ~PartialSnapshot();
  PartialSnapshot(const PartialSnapshot&) = delete;
  PartialSnapshot& operator=(const PartialSnapshot&) = delete;

  /// How much of the RDB is there.
  std::uint64_t bytes() const noexcept { return bytes_; }

  /// Gives what is there to `sink`.
  void replay(const Sink& sink) const;

  /// Takes the bytes that come next.
  void append(ByteView raw);

  /// Makes all that is there durable and notes it, for a successor. Nothing may be appended
  /// afterwards.
  void keep();

  /// The same for the whole RDB, which `path` on the same file system then names, too. It stays
  /// here as well, as long as nobody removes it, where the file system has hard links.
  void complete(const std::filesystem::path& path);

 private:
  void open();
  void note(std::uint64_t bytes) const;
  void sync() const;

  const std::filesystem::path file_path_;
  const std::filesystem::path note_path_;
  const std::string object_;
  const std::string sha256_;
  const std::uint64_t raw_bytes_;
  const bool resumable_;

  io::Fd file_;
  std::uint64_t bytes_ = 0;
  std::uint64_t written_out_ = 0;  ///< Up to where the kernel has been asked to write.
  std::uint64_t handed_over_ = 0;  ///< Up to where the thread has been asked to note.
  flow::ByteChannel<std::uint64_t> to_note_;
  flow::Group group_;  ///< Last: its thread uses all of the above.
};

/// Where a restore into `target` builds what it then puts in place.
std::filesystem::path temporary_folder(const std::filesystem::path& target);

/// Whether a restore that ended so is worth going on with: the repository failed or nobody wanted
/// to wait, while what is there is sound.
bool can_go_on_after(const Error& error) noexcept;

/// How much of `snapshot` a successor in `folder` would find.
std::uint64_t bytes_kept(const std::filesystem::path& folder, const catalog::Snapshot& snapshot);

/// Removes a partial snapshot from `folder`.
void forget_kept(const std::filesystem::path& folder);

/// Removes everything from `folder` but a partial snapshot. Returns whether there is one, of
/// whichever snapshot; if not, the folder is gone, too.
bool clear_but_kept(const std::filesystem::path& folder);

}  // namespace keyrewind::restore
