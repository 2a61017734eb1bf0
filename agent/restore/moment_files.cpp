#include "restore/moment_files.h"

#include "aof/increment.h"
#include "base/error.h"
#include "base/log.h"
#include "io/file.h"
#include "restore/log_reader.h"
#include "restore/partial_snapshot.h"
#include "restore/rdb_maker.h"
#include "restore/scratch_folder.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>

namespace keyrewind::restore {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(int number, const std::string& doing, const fs::path& path) {
  throw io::file_error(Side::here, number, doing, path);
}

void make_folder(const fs::path& folder) {
  if (mkdir(folder.c_str(), 0750) != 0 && errno != EEXIST) {
    fail(errno, "make folder", folder);
  }
}

void write_file(const fs::path& path, std::string_view content) {
  io::AtomicFile file(path, Side::here);
  file.append(as_bytes(content));
  file.commit(io::AtomicFile::IfExists::replace);
}

/// Gathers small writes to a file.
class BufferedFile {
 public:
  explicit BufferedFile(const fs::path& path) : file_(path, Side::here) {
    buffer_.reserve(kBufferBytes);
  }

  void append(ByteView bytes) {
    if (buffer_.size() + bytes.size() > kBufferBytes) {
      flush();
    }
    if (bytes.size() >= kBufferBytes) {
      file_.append(bytes);
    } else {
      buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
    }
  }

  void commit() {
    flush();
    file_.commit(io::AtomicFile::IfExists::replace);
  }

 private:
  static constexpr std::size_t kBufferBytes = 1U << 20U;

  void flush() {
    file_.append(buffer_);
    buffer_.clear();
  }

  io::AtomicFile file_;
  Bytes buffer_;
};

/// The database that is selected where the log begins: only the RDB knows (protocol.md section 3).
std::uint64_t stream_database(const catalog::Snapshot& snapshot) {
  const auto aux = snapshot.rdb.aux.find("repl-stream-db");
  std::uint64_t database = 0;
  if (aux != snapshot.rdb.aux.end()) {
    const std::string& text = aux->second;
    std::from_chars(text.data(), text.data() + text.size(), database);
  }
  return database;
}

/// Writes the log from the snapshot to the moment; an empty file if there is none.
void write_increment(const Origin& origin, const fs::path& path) {
  BufferedFile file(path);
  if (origin.point.needs_log()) {
    const catalog::Snapshot& base = origin.point.base.snapshot;
    aof::IncrementWriter increment(base.offset, stream_database(base),
                                   [&](ByteView bytes) { file.append(bytes); });
    read_log(
        origin.catalog, origin.point.window, base.offset, origin.point.offset, origin.options,
        [&](ByteView raw, Timestamp arrived) { increment.append(raw, arrived); }, origin.progress,
        origin.stop);
    increment.finish();
  }
  file.commit();
}

void copy_file_whole(const fs::path& from, const fs::path& to) {
  const io::Fd file = io::open_to_read(from, Side::here);
  std::uint64_t left = fs::file_size(from);
  io::AtomicFile copied(to, Side::here);
  Bytes buffer(1U << 20U);
  for (std::uint64_t offset = 0; left > 0;) {
    const auto part = std::span(buffer).first(std::min<std::uint64_t>(left, buffer.size()));
    io::read_exactly(file, offset, part, from, Side::here);
    copied.append(part);
    offset += part.size();
    left -= part.size();
  }
  copied.commit();
}

/// A server's RDB has the modes that the server gives it, and may not be on the disk yet.
void make_like_ours(const fs::path& rdb) {
  constexpr mode_t kMode = 0640;
  struct stat info {};
  if (stat(rdb.c_str(), &info) != 0 || chmod(rdb.c_str(), info.st_mode & kMode) != 0) {
    fail(errno, "set the mode of", rdb);
  }
  const io::Fd file = io::open_to_read(rdb, Side::here);
  if (fsync(file.number()) != 0) {
    fail(errno, "sync", rdb);
  }
}

/// Fetches what is missing of the snapshot.
void write_partial(const Origin& origin, const fs::path& path) {
  PartialSnapshot partial(origin.unfinished, origin.point.base.snapshot);
  try {
    resume_snapshot(
        origin.catalog.store(), origin.point.base.snapshot, origin.options,
        [&](const Sink& sink) { partial.replay(sink); }, [&](ByteView raw) { partial.append(raw); },
        origin.progress, origin.stop);
  } catch (const Error& error) {
    if (can_go_on_after(error)) {
      partial.keep();
    }
    throw;
  }
  partial.complete(path);
}

/// What an earlier restore left was synced before it was noted, but disks err, too: then all is
/// fetched.
void write_resumed(const Origin& origin, const fs::path& path) {
  const std::uint64_t done = origin.progress.bytes;
  const std::uint64_t total = origin.progress.total_bytes;
  const std::uint64_t kept = bytes_kept(origin.unfinished, origin.point.base.snapshot);
  try {
    write_partial(origin, path);
  } catch (const Error& error) {
    if (kept == 0 || error.kind() != ErrorKind::corrupt) {
      throw;
    }
    log::warn("what an interrupted restore left is not used", {{"error", error.what()}});
    forget_kept(origin.unfinished);
    origin.progress.bytes = done;
    origin.progress.total_bytes = total;
    write_partial(origin, path);
  }
}

void write_base(const Origin& origin, const fs::path& path) {
  if (!origin.unfinished.empty()) {
    write_resumed(origin, path);
    return;
  }
  write_snapshot(origin.catalog.store(), origin.point.base.snapshot, origin.options, path,
                 origin.progress, origin.stop);
}

}  // namespace

void write_snapshot(store::ObjectStore& store, const catalog::Snapshot& snapshot,
                    const ReadOptions& options, const fs::path& path, Progress& progress,
                    std::stop_token stop) {
  io::AtomicFile file(path, Side::here);
  read_snapshot(
      store, snapshot, options, [&](ByteView raw) { file.append(raw); }, progress, std::move(stop));
  file.commit(io::AtomicFile::IfExists::replace);
}

void write_aof(const Origin& origin, const fs::path& folder, const aof::Names& names) {
  make_folder(folder);
  write_base(origin, folder / names.base_file());
  write_increment(origin, folder / names.increment_file());
  write_file(folder / names.manifest_file(), aof::manifest_of(names));
}

void write_aof(const fs::path& rdb, const fs::path& folder, const aof::Names& names) {
  make_folder(folder);
  const fs::path base = folder / names.base_file();
  // No server ever changes an RDB in place, so two names for one file are safe.
  if (link(rdb.c_str(), base.c_str()) != 0) {
    copy_file_whole(rdb, base);
  }
  // The server appends to this one, so that the base stays as it was restored.
  write_file(folder / names.increment_file(), "");
  write_file(folder / names.manifest_file(), aof::manifest_of(names));
}

void write_rdb(const Origin& origin, const std::optional<ServerProgram>& maker,
               const fs::path& path) {
  if (!origin.point.needs_log()) {
    write_base(origin, path);
    return;
  }
  if (!maker) {
    throw Error(ErrorKind::internal, "no server to make an RDB with");
  }
  const fs::path beside = fs::absolute(path).parent_path();
  const ScratchFolder scratch(beside);
  const aof::Names names;
  write_aof(origin, scratch.path() / names.folder, names);
  make_rdb(*maker, scratch.path(), databases_of(origin.manifest, origin.point.base.snapshot),
           origin.stop);
  const fs::path made = scratch.path() / "dump.rdb";
  make_like_ours(made);
  if (rename(made.c_str(), path.c_str()) != 0) {
    fail(errno, "rename to", path);
  }
  io::sync_folder(beside, Side::here);
}

}  // namespace keyrewind::restore
