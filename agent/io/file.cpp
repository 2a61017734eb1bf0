#include "io/file.h"

#include "base/random.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

namespace keyrewind::io {

namespace fs = std::filesystem;

namespace {

/// How much is appended before the kernel is told to begin writing it out.
constexpr std::uint64_t kWriteOutBytes = 1 << 20;

/// First guess for files that do not tell their size, such as those of /proc.
constexpr std::uint64_t kUnknownSizeGuess = 4096;

ErrorKind kind_of(Side side, int number) {
  switch (number) {
    case EACCES:
    case EPERM:
    case EROFS:
      return ErrorKind::denied;
    case ENOENT:
    case ENOSPC:
    case EDQUOT:
      return side == Side::repository ? ErrorKind::unavailable : ErrorKind::failed;
    default:
      return ErrorKind::failed;
  }
}

fs::path folder_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

/// Opens `path`; a failure names `path_to_show`.
Fd open_or_throw(const fs::path& path, int flags, unsigned mode, const char* doing,
                 const fs::path& path_to_show, Side side) {
  while (true) {
    Fd file(::open(path.c_str(), flags | O_CLOEXEC, mode));
    if (file) {
      return file;
    }
    if (errno != EINTR) {
      throw file_error(side, errno, doing, path_to_show);
    }
  }
}

void sync_or_throw(const Fd& file, const fs::path& path, Side side) {
  while (::fsync(file.number()) != 0) {
    if (errno != EINTR) {
      throw file_error(side, errno, "sync", path);
    }
  }
}

/// Calls `read_some(into)`, one of the kernel's read functions, until `into` is full or the file
/// ends; returns how much that was.
template <typename ReadSome>
std::size_t fill(std::span<std::byte> into, ReadSome read_some, const fs::path& path, Side side) {
  std::size_t done = 0;
  while (done < into.size()) {
    const ssize_t got = read_some(into.subspan(done), done);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      throw file_error(side, errno, "read", path);
    }
    if (got == 0) {
      break;
    }
    done += static_cast<std::size_t>(got);
  }
  return done;
}

Error too_large(Side side, const fs::path& path, std::uint64_t max_bytes) {
  return {side, ErrorKind::corrupt,
          fmt::format("read {}: it has more than the {} bytes that are allowed", path.native(),
                      max_bytes)};
}

/// Renames, over whatever has the new name. Returns 0 or an errno.
int rename_over(const fs::path& from, const fs::path& to) {
  return ::rename(from.c_str(), to.c_str()) == 0 ? 0 : errno;
}

/// Renames unless the new name is taken. Returns 0 or an errno.
int rename_if_absent(const fs::path& from, const fs::path& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) {
    return 0;
  }
  if (errno != EINVAL && errno != ENOSYS) {
    return errno;
  }
  // File systems that do not know the flag (NFS, some FUSE) still refuse to link over a file.
  if (::link(from.c_str(), to.c_str()) != 0) {
    return errno;
  }
  ::unlink(from.c_str());
  return 0;
}

}  // namespace

Fd open_to_read(const fs::path& path, Side side) {
  return open_or_throw(path, O_RDONLY, 0, "open", path, side);
}

Bytes read_file(const fs::path& path, std::uint64_t max_bytes, Side side) {
  const Fd file = open_to_read(path, side);
  struct stat status {};
  if (::fstat(file.number(), &status) != 0) {
    throw file_error(side, errno, "read", path);
  }
  const auto size = static_cast<std::uint64_t>(std::max<off_t>(status.st_size, 0));
  if (size > max_bytes) {
    throw too_large(side, path, max_bytes);
  }

  // One byte more than expected, so that a file that grew, or never told its size, shows itself.
  Bytes bytes(std::min(max_bytes, std::max(size, kUnknownSizeGuess)) + 1);
  std::size_t filled = 0;
  // Not pread: pipes have no offsets, and a password may come through one.
  const auto read_on = [&](std::span<std::byte> into, std::size_t) {
    return ::read(file.number(), into.data(), into.size());
  };
  while (true) {
    filled += fill(std::span(bytes).subspan(filled), read_on, path, side);
    if (filled > max_bytes) {
      throw too_large(side, path, max_bytes);
    }
    if (filled < bytes.size()) {
      bytes.resize(filled);
      return bytes;
    }
    bytes.resize(std::min<std::uint64_t>(max_bytes + 1, bytes.size() * 2));
  }
}

void read_exactly(const Fd& file, std::uint64_t offset, std::span<std::byte> into,
                  const fs::path& path, Side side) {
  const auto read_there = [&](std::span<std::byte> rest, std::size_t done) {
    return ::pread(file.number(), rest.data(), rest.size(), static_cast<off_t>(offset + done));
  };
  const std::size_t got = fill(into, read_there, path, side);
  if (got < into.size()) {
    throw Error(side, ErrorKind::corrupt,
                fmt::format("read {}: it ends at byte {}, before byte {}", path.native(),
                            offset + got, offset + into.size()));
  }
}

void sync_folder(const fs::path& folder, Side side) {
  const Fd file = open_or_throw(folder, O_RDONLY | O_DIRECTORY, 0, "open", folder, side);
  // Some file systems cannot sync a folder and say EINVAL; they make names durable by themselves.
  if (::fsync(file.number()) != 0 && errno != EINVAL) {
    throw file_error(side, errno, "sync", folder);
  }
}

Error file_error(Side side, int number, const std::string& doing, const fs::path& path) {
  const bool full = number == ENOSPC || number == EDQUOT;
  return {side, kind_of(side, number),
          fmt::format("{} {}: {}{}", doing, path.native(), errno_text(number),
                      full ? "; free some space" : "")};
}

std::uint64_t free_bytes(const fs::path& path, Side side) {
  struct statvfs status {};
  if (::statvfs(path.c_str(), &status) != 0) {
    throw file_error(side, errno, "look at", path);
  }
  return std::uint64_t{status.f_bavail} * status.f_frsize;
}

AtomicFile::AtomicFile(fs::path path, Side side, unsigned mode)
    : path_(std::move(path)),
      partial_(fmt::format("{}.{}.partial", path_.native(), random_hex(8))),
      side_(side),
      file_(open_or_throw(partial_, O_WRONLY | O_CREAT | O_EXCL, mode, "create", path_, side)) {}

AtomicFile::~AtomicFile() {
  if (!committed_) {
    ::unlink(partial_.c_str());
  }
}

void AtomicFile::append(ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file_.number(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) {
      continue;
    }
    if (written < 0) {
      throw file_error(side_, errno, "write", path_);
    }
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    size_ += static_cast<std::uint64_t>(written);
  }
  if (size_ - written_out_ >= kWriteOutBytes) {
    // A hint only: whatever it cannot do is left to the sync in `commit`, which does report.
    ::sync_file_range(file_.number(), static_cast<off_t>(written_out_),
                      static_cast<off_t>(size_ - written_out_), SYNC_FILE_RANGE_WRITE);
    written_out_ = size_;
  }
}

bool AtomicFile::commit(IfExists if_exists) {
  sync_or_throw(file_, path_, side_);
  file_.close();
  const bool may_replace = if_exists == IfExists::replace;
  const int failure =
      may_replace ? rename_over(partial_, path_) : rename_if_absent(partial_, path_);
  if (failure == EEXIST && !may_replace) {
    return false;
  }
  if (failure != 0) {
    throw file_error(side_, failure, "rename to", path_);
  }
  committed_ = true;
  sync_folder(folder_of(path_), side_);
  return true;
}

}  // namespace keyrewind::io
