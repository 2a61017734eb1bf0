#include "store/file_store.h"

#include "base/error.h"
#include "codec/sha256.h"
#include "flow/pause.h"
#include "io/fd.h"
#include "io/file.h"
#include "store/folder.h"
#include "store/stop.h"
#include "store/stored_digest.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <system_error>
#include <utility>

namespace keyrewind::store {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kPartialEnding = ".partial";
constexpr std::string_view kLockEnding = ".lock";
constexpr unsigned kFileMode = 0640;

/// How often a folder that somebody prunes at the same moment is made again.
constexpr int kMakeFolderAttempts = 16;

/// A record's lock is held for one small write: who waits longer waits for a process that hangs.
constexpr std::chrono::milliseconds kRecordLockPause{5};
constexpr int kRecordLockAttempts = 2000;

bool is_partial(std::string_view name) {
  return name.ends_with(kPartialEnding);
}

bool is_lock(std::string_view name) {
  return name.ends_with(kLockEnding);
}

/// "<name>" of "<name>.<random>.partial".
std::string_view upload_of(std::string_view partial) {
  partial.remove_suffix(kPartialEnding.size());
  return partial.substr(0, partial.rfind('.'));
}

Error taken(const std::string& name) {
  return {Side::repository, ErrorKind::failed, fmt::format("object {} is there already", name)};
}

/// What a store's URL looks like for the folder `root`.
std::string url_of(const fs::path& root) {
  return "file://" + root.native();
}

/// Throws Error(unavailable) unless the repository's folder is there.
void check_root(const fs::path& root) {
  struct stat status {};
  if (::stat(root.c_str(), &status) != 0) {
    if (!is_absent(errno)) {
      throw folder_error(errno, "look at", root);
    }
    throw Error(Side::repository, ErrorKind::unavailable,
                fmt::format("repository {} is not there; check repository.url, and that its file "
                            "system is mounted",
                            url_of(root)));
  }
  if (!S_ISDIR(status.st_mode)) {
    throw Error(Side::repository, ErrorKind::unavailable,
                fmt::format("repository {} is not a folder; check repository.url", url_of(root)));
  }
}

fs::path path_of(const fs::path& root, const std::string& name) {
  if (!is_valid_name(name)) {
    throw Error(ErrorKind::internal, fmt::format("'{}' is no name of an object", name));
  }
  return root / name;
}

/// An object open to be read.
struct Object {
  io::Fd file;
  std::uint64_t bytes = 0;
};

std::optional<Object> open_object(const fs::path& root, const std::string& name) {
  check_root(root);
  const fs::path path = path_of(root, name);
  io::Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file) {
    if (is_absent(errno)) {
      return std::nullopt;
    }
    throw folder_error(errno, "open", path);
  }
  struct stat status {};
  if (::fstat(file.number(), &status) != 0) {
    throw folder_error(errno, "look at", path);
  }
  if (!S_ISREG(status.st_mode)) {
    return std::nullopt;
  }
  return Object{std::move(file), static_cast<std::uint64_t>(status.st_size)};
}

/// Makes the folders that `path` stands in, then calls `make`, which creates something there.
template <typename Make>
auto in_folder_of(const fs::path& root, const fs::path& path, const Make& make) {
  for (int attempt = 1;; ++attempt) {
    check_root(root);
    try {
      make_folders(path.parent_path(), root);
      return make();
    } catch (const Error& error) {
      // A remove in another thread or process may have pruned the folder again.
      if (error.kind() != ErrorKind::unavailable || attempt == kMakeFolderAttempts) {
        throw;
      }
    }
  }
}

std::unique_ptr<io::AtomicFile> make_file(const fs::path& root, const std::string& name) {
  const fs::path path = path_of(root, name);
  return in_folder_of(root, path, [&] {
    return std::make_unique<io::AtomicFile>(path, Side::repository, kFileMode);
  });
}

/// One file that gets its name when it is complete.
class FileUpload final : public Upload {
 public:
  FileUpload(std::unique_ptr<io::AtomicFile> file, std::string name, std::stop_token stop)
      : file_(std::move(file)), name_(std::move(name)), stop_(std::move(stop)) {}

  void append(ByteView bytes) override {
    throw_if_stopped(stop_);
    file_->append(bytes);
    digest_.feed(bytes);
  }

  StoredBytes complete() override {
    throw_if_stopped(stop_);
    if (!file_->commit(io::AtomicFile::IfExists::fail)) {
      throw taken(name_);
    }
    return digest_.finish();
  }

 private:
  const std::unique_ptr<io::AtomicFile> file_;
  const std::string name_;
  const std::stop_token stop_;
  StoredDigest digest_;
};

/// An open file with a flock(2) on it, which goes when it is closed, whoever closes it.
class FileLock final : public StoreLock {
 public:
  explicit FileLock(io::Fd file) : file_(std::move(file)) {}

 private:
  const io::Fd file_;
};

/// Leaves the holder's process id in the lock file for people who wonder. Nothing depends on it.
void note_holder(const io::Fd& lock) {
  const std::string pid = fmt::format("{}\n", ::getpid());
  if (::ftruncate(lock.number(), 0) == 0) {
    [[maybe_unused]] const ssize_t written = ::pwrite(lock.number(), pid.data(), pid.size(), 0);
  }
}

}  // namespace

FileStore::FileStore(fs::path root) : root_(std::move(root)) {}

std::string FileStore::url() const {
  return url_of(root_);
}

void FileStore::create() {
  if (!make_folder(root_)) {
    throw Error(Side::repository, ErrorKind::unavailable,
                fmt::format("repository folder {} can't be made: its parent {} does not exist; "
                            "create it",
                            root_.native(), root_.parent_path().native()));
  }
  check_root(root_);
}

bool FileStore::put_if_absent(const std::string& name, ByteView content, std::stop_token stop) {
  if (head(name, stop)) {
    return false;
  }
  const std::unique_ptr<io::AtomicFile> file = make_file(root_, name);
  file->append(content);
  return file->commit(io::AtomicFile::IfExists::fail);
}

std::unique_ptr<Upload> FileStore::upload(const std::string& name, std::stop_token stop) {
  throw_if_stopped(stop);
  return std::make_unique<FileUpload>(make_file(root_, name), name, std::move(stop));
}

std::optional<Bytes> FileStore::get(const std::string& name, std::uint64_t max_bytes,
                                    std::stop_token stop) const {
  throw_if_stopped(stop);
  const std::optional<Object> object = open_object(root_, name);
  if (!object) {
    return std::nullopt;
  }
  if (object->bytes > max_bytes) {
    throw Error(Side::repository, ErrorKind::corrupt,
                fmt::format("object {} has {} bytes where at most {} are expected", name,
                            object->bytes, max_bytes));
  }
  Bytes content(static_cast<std::size_t>(object->bytes));
  io::read_exactly(object->file, 0, content, path_of(root_, name), Side::repository);
  return content;
}

void FileStore::read(const std::string& name, std::uint64_t offset, std::span<std::byte> into,
                     std::stop_token stop) const {
  throw_if_stopped(stop);
  const std::optional<Object> object = open_object(root_, name);
  if (!object) {
    throw Error(Side::repository, ErrorKind::corrupt,
                fmt::format("object {} is missing from {}", name, url()));
  }
  if (offset > object->bytes || into.size() > object->bytes - offset) {
    throw Error(Side::repository, ErrorKind::corrupt,
                fmt::format("object {} ends at {} bytes, before the {} bytes from {}", name,
                            object->bytes, into.size(), offset));
  }
  io::read_exactly(object->file, offset, into, path_of(root_, name), Side::repository);
}

std::optional<ObjectInfo> FileStore::head(const std::string& name, std::stop_token stop) const {
  throw_if_stopped(stop);
  check_root(root_);
  const fs::path path = path_of(root_, name);
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    if (is_absent(errno)) {
      return std::nullopt;
    }
    throw folder_error(errno, "look at", path);
  }
  if (!S_ISREG(status.st_mode)) {
    return std::nullopt;
  }
  return ObjectInfo{name, static_cast<std::uint64_t>(status.st_size)};
}

std::vector<ObjectInfo> FileStore::list(const std::string& prefix, std::stop_token stop) const {
  std::vector<ObjectInfo> found;
  visit(
      prefix, [&](const ObjectInfo& object) { found.push_back(object); }, std::move(stop));
  std::sort(found.begin(), found.end(),
            [](const ObjectInfo& a, const ObjectInfo& b) { return a.name < b.name; });
  return found;
}

void FileStore::visit(const std::string& prefix, const TakeObject& take,
                      std::stop_token stop) const {
  throw_if_stopped(stop);
  check_root(root_);
  walk(root_, prefix, [&](const std::string& name, const fs::directory_entry& entry) {
    throw_if_stopped(stop);
    if (is_partial(name) || is_lock(name)) {
      return;
    }
    std::error_code error;
    const std::uint64_t bytes = entry.file_size(error);
    if (!error) {
      take({name, bytes});
    } else if (!is_absent(error.value())) {
      throw folder_error(error.value(), "look at", entry.path());
    }
  });
}

bool FileStore::empty(std::stop_token stop) const {
  throw_if_stopped(stop);
  check_root(root_);
  std::error_code error;
  fs::directory_iterator entry(root_, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    // The first run may have been killed before it wrote anything; a new volume has lost+found.
    if (!is_partial(name) && !is_lock(name) && name != "lost+found") {
      return false;
    }
  }
  if (error) {
    throw folder_error(error.value(), "read folder", root_);
  }
  return true;
}

void FileStore::remove(const std::string& name, std::stop_token stop) {
  throw_if_stopped(stop);
  check_root(root_);
  remove_file(path_of(root_, name), root_);
}

std::optional<Record> FileStore::read_record(const std::string& name, std::stop_token stop) const {
  std::optional<Bytes> content = get(name, kMaxRecordBytes, std::move(stop));
  if (!content) {
    return std::nullopt;
  }
  std::string version = codec::sha256_hex(*content);
  return Record{*std::move(content), std::move(version)};
}

std::optional<std::string> FileStore::swap_record(const std::string& name, ByteView content,
                                                  const std::optional<std::string>& expected,
                                                  std::stop_token stop) {
  std::unique_ptr<StoreLock> lock;
  for (int attempt = 0; !(lock = try_lock(name, stop)); ++attempt) {
    if (attempt == kRecordLockAttempts) {
      throw Error(Side::repository, ErrorKind::unavailable,
                  fmt::format("record {} of {} stays locked", name, url()));
    }
    flow::pause(kRecordLockPause, stop);
  }
  const std::optional<Record> there = read_record(name, stop);
  if (there ? expected != there->version : expected.has_value()) {
    return std::nullopt;
  }
  const std::unique_ptr<io::AtomicFile> file = make_file(root_, name);
  file->append(content);
  file->commit(io::AtomicFile::IfExists::replace);
  return codec::sha256_hex(content);
}

std::size_t FileStore::remove_abandoned_uploads(const std::string& prefix, const WhichNames& which,
                                                std::stop_token stop) {
  throw_if_stopped(stop);
  check_root(root_);
  std::vector<fs::path> abandoned;
  walk(root_, prefix, [&](const std::string& name, const fs::directory_entry& entry) {
    if (!is_partial(name)) {
      return;
    }
    const std::string upload(upload_of(name));
    if (upload.starts_with(prefix) && which(upload)) {
      abandoned.push_back(entry.path());
    }
  });
  std::size_t removed = 0;
  for (const fs::path& path : abandoned) {
    throw_if_stopped(stop);
    removed += remove_file(path, root_) ? 1U : 0U;
  }
  return removed;
}

std::unique_ptr<StoreLock> FileStore::try_lock(const std::string& name, std::stop_token stop) {
  throw_if_stopped(stop);
  fs::path path = path_of(root_, name);
  path += kLockEnding;
  io::Fd file = in_folder_of(root_, path, [&] {
    io::Fd made(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kFileMode));
    if (!made) {
      throw folder_error(errno, "open lock", path);
    }
    return made;
  });
  if (::flock(file.number(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) {
      return nullptr;
    }
    throw folder_error(errno, "lock", path);
  }
  note_holder(file);
  return std::make_unique<FileLock>(std::move(file));
}

}  // namespace keyrewind::store
