#include "restore/partial_snapshot.h"

#include "io/file.h"

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <optional>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

namespace keyrewind::restore {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFile = "snapshot.partial";
constexpr const char* kNote = "snapshot.json";
constexpr const char* kNoteKind = "keyrewind-partial-snapshot";
constexpr std::uint64_t kMaxNoteBytes = 64U << 10U;

/// How much is appended before the kernel is told to begin writing it out.
constexpr std::uint64_t kWriteOutBytes = 1U << 20U;

/// What is read at once of what is there already.
constexpr std::uint64_t kReplayBytes = 1U << 20U;

[[noreturn]] void fail(int number, const std::string& doing, const fs::path& path) {
  throw io::file_error(Side::here, number, doing, path);
}

void remove_tree(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) {
    fail(error.value(), "remove", path);
  }
}

/// What a note says.
struct Note {
  std::string object;
  std::string sha256;
  std::uint64_t bytes = 0;
};

/// Nothing if there is none, or the file has less than it says.
std::optional<Note> read_note(const fs::path& folder) {
  std::error_code missing;
  const std::uint64_t size = fs::file_size(folder / kFile, missing);
  if (missing || !fs::exists(folder / kNote, missing)) {
    return std::nullopt;
  }
  const Bytes content = io::read_file(folder / kNote, kMaxNoteBytes, Side::here);
  const auto fields = nlohmann::json::parse(as_text(content), nullptr, false);
  if (!fields.is_object() || fields.value("kind", "") != kNoteKind) {
    return std::nullopt;
  }
  const auto bytes = fields.find("bytes");
  if (bytes == fields.end() || !bytes->is_number_unsigned()) {
    return std::nullopt;
  }
  Note note{fields.value("object", ""), fields.value("sha256", ""), bytes->get<std::uint64_t>()};
  return note.bytes <= size ? std::optional(std::move(note)) : std::nullopt;
}

bool is_of(const Note& note, const catalog::Snapshot& snapshot) {
  return note.object == snapshot.object.name && note.sha256 == snapshot.object.sha256 &&
         note.bytes <= snapshot.rdb.bytes;
}

}  // namespace

PartialSnapshot::PartialSnapshot(fs::path folder, const catalog::Snapshot& snapshot)
    : file_path_(folder / kFile),
      note_path_(folder / kNote),
      object_(snapshot.object.name),
      sha256_(snapshot.object.sha256),
      raw_bytes_(snapshot.rdb.bytes),
      resumable_(snapshot.digests_known),
      to_note_(1),
      group_(std::stop_token()) {
  bytes_ = bytes_kept(folder, snapshot);
  if (bytes_ == 0) {
    forget_kept(folder);
  }
  open();
  group_.spawn("sync", [this](std::stop_token stop) {
    while (const auto bytes = to_note_.pop(stop)) {
      sync();
      note(*bytes);
    }
  });
}

PartialSnapshot::~PartialSnapshot() = default;

void PartialSnapshot::replay(const Sink& sink) const {
  Bytes buffer(static_cast<std::size_t>(std::min(bytes_, kReplayBytes)));
  for (std::uint64_t at = 0; at < bytes_;) {
    const auto part = std::span(buffer).first(std::min<std::uint64_t>(bytes_ - at, buffer.size()));
    io::read_exactly(file_, at, part, file_path_, Side::here);
    sink(part);
    at += part.size();
  }
}

void PartialSnapshot::append(ByteView raw) {
  while (!raw.empty()) {
    const ssize_t written = ::write(file_.number(), raw.data(), raw.size());
    if (written < 0 && errno == EINTR) {
      continue;
    }
    if (written < 0) {
      fail(errno, "write", file_path_);
    }
    raw = raw.subspan(static_cast<std::size_t>(written));
    bytes_ += static_cast<std::uint64_t>(written);
  }
  if (bytes_ - written_out_ >= kWriteOutBytes) {
    // A hint only: whatever it cannot do is left to `sync`, which does report.
    ::sync_file_range(file_.number(), static_cast<off_t>(written_out_),
                      static_cast<off_t>(bytes_ - written_out_), SYNC_FILE_RANGE_WRITE);
    written_out_ = bytes_;
  }
  // While a disk is slow to sync, the next note waits, not the data.
  constexpr std::chrono::milliseconds kNoPatience{0};
  if (resumable_ && bytes_ - handed_over_ >= kNoteBytes &&
      to_note_.push(bytes_, 1, kNoPatience, {})) {
    handed_over_ = bytes_;
  }
}

void PartialSnapshot::keep() {
  to_note_.finish();
  group_.wait();
  sync();
  if (resumable_) {
    note(bytes_);
  }
}

void PartialSnapshot::complete(const fs::path& path) {
  keep();
  std::error_code ignored;
  fs::remove(path, ignored);
  if (link(file_path_.c_str(), path.c_str()) != 0 &&
      rename(file_path_.c_str(), path.c_str()) != 0) {
    fail(errno, "rename to", path);
  }
  io::sync_folder(path.parent_path(), Side::here);
}

/// Opens the file behind the `bytes_` that count.
void PartialSnapshot::open() {
  constexpr mode_t kMode = 0640;
  file_ = io::Fd(::open(file_path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kMode));
  if (!file_) {
    fail(errno, "create", file_path_);
  }
  const auto end = static_cast<off_t>(bytes_);
  if (ftruncate(file_.number(), end) != 0 || lseek(file_.number(), end, SEEK_SET) != end) {
    fail(errno, "truncate", file_path_);
  }
  written_out_ = bytes_;
  handed_over_ = bytes_;
}

void PartialSnapshot::note(std::uint64_t bytes) const {
  const nlohmann::ordered_json fields{{"kind", kNoteKind}, {"format", 1},    {"object", object_},
                                      {"sha256", sha256_}, {"bytes", bytes}, {"of", raw_bytes_}};
  io::AtomicFile file(note_path_, Side::here);
  file.append(as_bytes(fields.dump(2) + "\n"));
  file.commit(io::AtomicFile::IfExists::replace);
}

void PartialSnapshot::sync() const {
  while (fdatasync(file_.number()) != 0) {
    if (errno != EINTR) {
      fail(errno, "sync", file_path_);
    }
  }
}

fs::path temporary_folder(const fs::path& target) {
  return target / ".keyrewind-tmp";
}

bool can_go_on_after(const Error& error) noexcept {
  const bool is_trouble =
      error.kind() == ErrorKind::unavailable || error.kind() == ErrorKind::denied;
  return error.kind() == ErrorKind::cancelled || (error.side() == Side::repository && is_trouble);
}

std::uint64_t bytes_kept(const fs::path& folder, const catalog::Snapshot& snapshot) {
  const auto note = read_note(folder);
  return note && snapshot.digests_known && is_of(*note, snapshot) ? note->bytes : 0;
}

void forget_kept(const fs::path& folder) {
  remove_tree(folder / kNote);
  remove_tree(folder / kFile);
}

bool clear_but_kept(const fs::path& folder) {
  std::error_code missing;
  if (!fs::is_directory(folder, missing)) {
    return false;
  }
  const auto note = read_note(folder);
  if (!note || note->bytes == 0) {
    remove_tree(folder);
    return false;
  }
  std::vector<fs::path> others;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name != kFile && name != kNote) {
      others.push_back(entry.path());
    }
  }
  std::ranges::for_each(others, remove_tree);
  return true;
}

}  // namespace keyrewind::restore
