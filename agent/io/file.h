#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "io/fd.h"

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

/// Files as a backup program needs them: every failure names the file, and what must survive a
/// power cut is synced together with its folder.
///
/// All functions throw Error with the given side: denied for EACCES, EPERM and EROFS, unavailable
/// for ENOENT and ENOSPC at Side::repository, and failed otherwise. The message is
/// "<doing> <path>: <what the kernel said>".
namespace keyrewind::io {

/// Opens for reading.
Fd open_to_read(const std::filesystem::path& path, Side side);

/// The whole file. Throws Error(corrupt) if it is larger than `max_bytes`: a length that somebody
/// else chose is never an allocation.
Bytes read_file(const std::filesystem::path& path, std::uint64_t max_bytes, Side side);

/// Fills `into` from `offset` on. Throws Error(corrupt) if the file ends before.
void read_exactly(const Fd& file, std::uint64_t offset, std::span<std::byte> into,
                  const std::filesystem::path& path, Side side);

/// Makes the names in a folder durable.
void sync_folder(const std::filesystem::path& folder, Side side);

/// What an Error of errno `number` looks like here, for callers that make the system call
/// themselves.
Error file_error(Side side, int number, const std::string& doing,
                 const std::filesystem::path& path);

/// Free bytes for an ordinary user on the file system that holds `path`.
std::uint64_t free_bytes(const std::filesystem::path& path, Side side);

/// A file that appears whole under its name when `commit` returns, or not at all.
///
/// It is written as "<name>.<random>.partial" beside its final name. The destructor of a file that
/// was not committed removes what was written; it never commits, so a failure half-way leaves
/// nothing under the final name.
class AtomicFile {
 public:
  enum class IfExists { fail, replace };

  /// Creates the partial file with mode `mode` (less the umask) in the folder of `path`, which must
  /// exist.
  AtomicFile(std::filesystem::path path, Side side, unsigned mode = 0640);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  /// Appends all of `bytes`, and asks the kernel to begin writing them to the disk, so that the
  /// sync in `commit` has little left to wait for.
  void append(ByteView bytes);

  /// Syncs the file, gives it its name and syncs the folder. Returns false, leaving what is there
  /// untouched, if the name is taken and `if_exists` is `fail`.
  bool commit(IfExists if_exists = IfExists::fail);

  std::uint64_t size() const noexcept { return size_; }

 private:
  std::filesystem::path path_;
  std::filesystem::path partial_;
  Side side_;
  Fd file_;
  std::uint64_t size_ = 0;
  std::uint64_t written_out_ = 0;  ///< Up to where the kernel has been asked to write.
  bool committed_ = false;
};

}  // namespace keyrewind::io
