#include "backup/spool.h"

#include "base/error.h"
#include "base/log.h"
#include "base/random.h"
#include "io/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <system_error>
#include <utility>

namespace keyrewind::backup {
namespace {

namespace fs = std::filesystem;

constexpr const char* kJournalEnding = ".journal";
constexpr const char* kEventEnding = ".event";
constexpr const char* kPartialEnding = ".partial";
constexpr std::uint64_t kMaxEventBytes = 64U << 10U;
constexpr std::size_t kSaltBytes = 16;
constexpr const char* kIdEnding = ".id";
constexpr std::uint64_t kMaxIdBytes = 256;

fs::path make_folder(fs::path folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) {
    throw io::file_error(Side::here, error.value(), "make the spool folder", folder);
  }
  return folder;
}

io::Fd lock_folder(const fs::path& folder) {
  io::Fd folder_file(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder_file) {
    throw io::file_error(Side::here, errno, "open the spool folder", folder);
  }
  if (::flock(folder_file.number(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) {
      throw io::file_error(Side::here, errno, "lock the spool folder", folder);
    }
    throw Error(ErrorKind::busy,
                fmt::format("the spool {} is in use by another agent; stop that one, or give this "
                            "one its own log.spool.dir",
                            folder.string()));
  }
  return folder_file;
}

/// What names this folder for as long as it exists; beside it, where nobody clears up.
std::string read_or_make_id(fs::path folder) {
  const fs::path path = folder += kIdEnding;
  if (fs::exists(path)) {
    const Bytes content = io::read_file(path, kMaxIdBytes, Side::here);
    std::string id(as_text(content));
    while (!id.empty() && id.back() == '\n') {
      id.pop_back();
    }
    if (!id.empty()) {
      return id;
    }
  }
  const std::string id = random_hex(8);
  try {
    io::AtomicFile file(path, Side::here);
    file.append(as_bytes(id + "\n"));
    file.commit(io::AtomicFile::IfExists::replace);
  } catch (const Error& error) {
    // Then the next process has another one, and waits for this one's lease to lapse.
    log::warn("spool got no lasting id", {{"error", error.what()}});
  }
  return id;
}

void remove_file(const fs::path& path) {
  std::error_code error;
  fs::remove(path, error);
  if (error) {
    throw io::file_error(Side::here, error.value(), "remove", path);
  }
}

/// The files of `folder` with this ending, by the number in their names.
std::map<std::uint64_t, fs::path> numbered_files(const fs::path& folder, const char* ending) {
  std::map<std::uint64_t, fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string stem = entry.path().stem().string();
    if (entry.path().extension() == ending && !stem.empty() && stem.size() < 19 &&
        stem.find_first_not_of("0123456789") == std::string::npos) {
      files.emplace(std::stoull(stem), entry.path());
    }
  }
  return files;
}

std::uint64_t size_of(const fs::path& path) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  return error ? 0 : size;
}

/// What the journal at `path` tells; nothing if not even its head can be read.
std::optional<JournalSummary> try_read(const fs::path& path) {
  try {
    return read_through(path);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::corrupt) {
      throw;
    }
    return std::nullopt;
  }
}

}  // namespace

Spool::Spool(SpoolOptions options, std::string source, std::string shard)
    : folder_(make_folder(options.dir / source / shard)),
      source_(std::move(source)),
      shard_(std::move(shard)),
      lock_(lock_folder(folder_)),
      id_(read_or_make_id(folder_)),
      max_bytes_(options.max_bytes) {
  take_up();
}

void Spool::take_up() {
  const auto journals = numbered_files(folder_, kJournalEnding);
  bool unreadable = false;
  for (const auto& [number, path] : journals) {
    next_number_ = number + 1;
    // Behind one that cannot be read nothing is known to follow.
    const std::optional<JournalSummary> summary = unreadable ? std::nullopt : try_read(path);
    unreadable = !summary;
    if (!summary || !follows(*summary)) {
      const bool was_being_begun = unreadable && number == journals.rbegin()->first;
      if (!was_being_begun) {
        log::warn("spooled journal does not follow the ones before; its bytes are asked for again",
                  {{"journal", path.filename().string()}, {"bytes", size_of(path)}});
      }
      remove_file(path);
      continue;
    }
    if (summary->end == summary->head.position.offset) {
      remove_file(path);
      continue;
    }
    sealed_.push_back({.path = path,
                       .head = summary->head,
                       .end = summary->end,
                       .last = summary->last,
                       .bytes = size_of(path),
                       .recovered = true});
    sealed_bytes_ += sealed_.back().bytes;
    tail_ = Tail{summary->head.lineage, {summary->replid, summary->end}, summary->database};
  }
  take_up_events();
  if (!sealed_.empty()) {
    log::info(
        "spool taken up",
        {{"journals", sealed_.size()}, {"bytes", bytes()}, {"offset", tail_->position.offset}});
  }
}

/// Whether a journal is of this shard and goes on where the ones before end, or begins anew.
bool Spool::follows(const JournalSummary& journal) const {
  const JournalHead& head = journal.head;
  return head.source == source_ && head.shard == shard_ &&
         (!tail_ || tail_->lineage != head.lineage ||
          tail_->position.offset == head.position.offset);
}

void Spool::take_up_events() {
  std::vector<fs::path> unfinished;
  for (const auto& entry : fs::directory_iterator(folder_)) {
    if (entry.path().extension() == kPartialEnding) {
      unfinished.push_back(entry.path());
    } else if (entry.path().extension() == kEventEnding) {
      try {
        events_.push_back(
            catalog::decode_event(io::read_file(entry.path(), kMaxEventBytes, Side::here)));
      } catch (const Error& error) {
        log::warn("spooled event cannot be read",
                  {{"event", entry.path().filename().string()}, {"error", error.what()}});
      }
    }
  }
  std::ranges::for_each(unfinished, remove_file);
}

std::optional<Spool::Tail> Spool::tail() const {
  const std::lock_guard lock(mutex_);
  return tail_;
}

void Spool::begin(const std::string& lineage, const replica::Position& position,
                  std::optional<std::uint64_t> database) {
  JournalHead head{source_, shard_, lineage, position, database, random_hex(kSaltBytes)};
  const fs::path path = folder_ / fmt::format("{:010}{}", next_number_++, kJournalEnding);
  writer_ = std::make_unique<JournalWriter>(path, head);
  head_ = std::move(head);
  appended_ = position.offset;
  current_bytes_ = writer_->bytes();
  const std::lock_guard lock(mutex_);
  tail_ = Tail{lineage, position, database};
}

void Spool::append(ByteView raw, Timestamp arrived) {
  while (!raw.empty()) {
    const ByteView part = raw.first(std::min(raw.size(), kMaxJournalData));
    writer_->write({JournalRecord::Kind::data, appended_, arrived, part});
    appended_ += static_cast<std::int64_t>(part.size());
    raw = raw.subspan(part.size());
  }
  last_ = arrived;
  current_bytes_ = writer_->bytes();
}

void Spool::note_resumed(const std::string& node, Timestamp at) {
  writer_->write({JournalRecord::Kind::resumed, appended_, at, as_bytes(node)});
}

void Spool::note_renamed(const std::string& replid, Timestamp at) {
  writer_->write({JournalRecord::Kind::renamed, appended_, at, as_bytes(replid)});
  const std::lock_guard lock(mutex_);
  tail_->position.replid = replid;
}

void Spool::seal(const replica::Position& end, std::optional<std::uint64_t> database) {
  // Without this record the end is found by reading the journal through.
  writer_->write({JournalRecord::Kind::sealed, end.offset, last_, {}});
  finish_current(Tail{head_.lineage, end, database});
}

void Spool::finish_current(Tail tail) {
  const auto writer = std::move(writer_);
  const std::int64_t end = tail.position.offset;
  current_bytes_ = 0;
  if (end == head_.position.offset) {
    // Nothing in it, but what it notes of the history must not get lost with it.
    remove_file(writer->path());
    const std::lock_guard lock(mutex_);
    tail_ = std::move(tail);
    changed_.notify_all();
    return;
  }
  const Timestamp last = end == appended_ ? last_ : read_through(writer->path()).last;
  const std::uint64_t bytes =
      size_of(writer->path());  // More than was written if the disk is full.
  const std::lock_guard lock(mutex_);
  tail_ = std::move(tail);
  sealed_.push_back({.path = writer->path(),
                     .head = head_,
                     .end = end,
                     .last = last,
                     .bytes = bytes,
                     .recovered = false});
  sealed_bytes_ += bytes;
  changed_.notify_all();
}

void Spool::rescue() {
  if (!writer_) {
    return;
  }
  const JournalSummary summary = read_through(writer_->path());
  appended_ = summary.end;
  last_ = summary.last;
  finish_current(Tail{head_.lineage, {summary.replid, summary.end}, summary.database});
}

std::optional<Spool::Sealed> Spool::next(std::stop_token stop) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, stop, [&] { return !sealed_.empty() || !events_.empty(); });
  if (stop.stop_requested()) {
    throw Error(ErrorKind::cancelled, "stopped");
  }
  return sealed_.empty() ? std::nullopt : std::optional(sealed_.front());
}

bool Spool::shipped() const {
  const std::lock_guard lock(mutex_);
  return sealed_.empty();
}

bool Spool::wait_until_shipped(std::chrono::milliseconds patience) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, patience, [&] { return sealed_.empty(); });
}

void Spool::remove_first() {
  const Sealed first = [&] {
    const std::lock_guard lock(mutex_);
    return sealed_.front();
  }();
  remove_file(first.path);
  sealed_bytes_ -= first.bytes;
  const std::lock_guard lock(mutex_);
  sealed_.pop_front();
  changed_.notify_all();
}

fs::path Spool::event_file(const catalog::Event& event) const {
  return folder_ / (event.id + kEventEnding);
}

void Spool::note(const catalog::Event& event) {
  io::AtomicFile file(event_file(event), Side::here);
  const std::string text = catalog::encode(event);
  file.append(as_bytes(text));
  file.commit(io::AtomicFile::IfExists::replace);
  const std::lock_guard lock(mutex_);
  events_.push_back(event);
  changed_.notify_all();
}

std::vector<catalog::Event> Spool::events() const {
  const std::lock_guard lock(mutex_);
  return events_;
}

void Spool::forget(const catalog::Event& event) {
  remove_file(event_file(event));
  const std::lock_guard lock(mutex_);
  std::erase(events_, event);
}

}  // namespace keyrewind::backup
