#include "base/error.h"
#include "base/log.h"
#include "base/random.h"
#include "catalog/catalog.h"
#include "catalog/commit_pages.h"
#include "catalog/commits.h"
#include "catalog/details.h"
#include "catalog/json_object.h"
#include "catalog/leftovers.h"
#include "catalog/names.h"
#include "catalog/repository.h"
#include "codec/sha256.h"
#include "flow/pause.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>

namespace keyrewind::catalog {
namespace {

/// A prune has the lock for moments, while it clears away what killed runs left.
constexpr std::chrono::milliseconds kLockPatience{3000};
constexpr std::chrono::milliseconds kLockPause{100};

constexpr std::string_view kSourceKind = "keyrewind-source";
constexpr std::size_t kRandomIdBytes = 3;

/// How many commits may turn up under a lock that only we hold, before something is badly wrong.
constexpr int kCommitAttempts = 100;

std::unique_ptr<store::StoreLock> lock(store::ObjectStore& store, const std::string& source,
                                       const std::stop_token& stop) {
  const auto deadline = std::chrono::steady_clock::now() + kLockPatience;
  std::unique_ptr<store::StoreLock> lock = store.try_lock(names::writer_lock(source), stop);
  while (!lock && std::chrono::steady_clock::now() < deadline) {
    flow::pause(kLockPause, stop);
    lock = store.try_lock(names::writer_lock(source), stop);
  }
  if (!lock) {
    throw Error(Side::repository, ErrorKind::busy,
                fmt::format("another backup of '{}' is running; wait for it or stop it", source));
  }
  return lock;
}

/// The newest commit that can be read. A damaged one must not stop the next backup.
std::optional<Commit> read_newest(const store::ObjectStore& store, const std::string& source,
                                  const std::vector<CommitEntry>& commits,
                                  const std::stop_token& stop) {
  for (auto entry = commits.rbegin(); entry != commits.rend(); ++entry) {
    try {
      if (std::optional<Commit> commit = read_commit(store, source, *entry, stop)) {
        return commit;
      }
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::corrupt && error.kind() != ErrorKind::incompatible) {
        throw;
      }
      log::warn("backup cannot be read", {{"backup", entry->name.id}, {"error", error.what()}});
    }
  }
  return std::nullopt;
}

/// Whether `name` holds just `content`.
bool holds(const store::ObjectStore& store, const std::string& name, ByteView content,
           const std::stop_token& stop) {
  try {
    const std::optional<Bytes> there = store.get(name, content.size(), stop);
    return there && std::equal(there->begin(), there->end(), content.begin(), content.end());
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::corrupt) {
      return false;  // Longer than ours.
    }
    throw;
  }
}

/// Puts an object and returns whether it stands there now. An error may hide a success whose answer
/// was lost, and "taken" may be our own first attempt, so the object itself is asked. The content
/// is unique: it holds the random id.
bool put_surely(store::ObjectStore& store, const std::string& name, ByteView content,
                const std::stop_token& stop) {
  try {
    return store.put_if_absent(name, content, stop) || holds(store, name, content, stop);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::cancelled) {
      throw;
    }
    const Error first = error;
    try {
      if (holds(store, name, content, stop)) {
        return true;
      }
    } catch (const Error&) {
      throw first;  // It stays unknown. What the next run finds is complete or cleared away.
    }
    throw;
  }
}

/// Leaves the note that this source has backups, without which "none" would not be a loss. The
/// backup stands already, so a failure ends nothing; the next run tries again.
void write_source_record(store::ObjectStore& store, const std::string& source, const Clock& clock,
                         const std::stop_token& stop) {
  nlohmann::ordered_json document = begin_document(kSourceKind);
  document["source"] = source;
  document["created"] = to_rfc3339(clock.now());
  try {
    if (!store.head(names::source_record(source), stop)) {
      store.put_if_absent(names::source_record(source), as_bytes(to_text(document)), stop);
    }
  } catch (const Error& error) {
    log::warn("source record not written",
              {{"object", names::source_record(source)}, {"error", error.what()}});
  }
}

/// "Valkey 8.1.1", or more of them where the shards differ.
std::string describe_servers(const Manifest& manifest) {
  std::string text;
  for (const auto& [shard, server] : manifest.servers) {
    const std::string product = server.product == "valkey"  ? "Valkey"
                                : server.product == "redis" ? "Redis"
                                                            : server.product;
    const std::string one = product + " " + server.version;
    if (text.find(one) == std::string::npos) {
      text += (text.empty() ? "" : ", ") + one;
    }
  }
  return text;
}

Commit commit_of(const Manifest& manifest, const std::string& encoded) {
  Commit commit;
  commit.id = manifest.id;
  commit.source = manifest.source;
  commit.created = manifest.created;
  commit.finished = manifest.finished;
  commit.keys = manifest.keys();
  commit.raw_bytes = manifest.raw_bytes();
  commit.stored_bytes = manifest.stored_bytes();
  commit.server = describe_servers(manifest);
  commit.opaque = std::any_of(manifest.snapshots.begin(), manifest.snapshots.end(),
                              [](const Snapshot& snapshot) { return snapshot.rdb.opaque(); });
  commit.labels = manifest.labels;
  commit.origin = manifest.origin;
  commit.manifest = {names::manifest(manifest.source, manifest.id), encoded.size(),
                     codec::sha256_hex(as_bytes(encoded))};
  return commit;
}

void check_size(std::string_view what, const std::string& encoded) {
  if (encoded.size() > kMaxManifestBytes) {
    throw Error(ErrorKind::failed, fmt::format("the {} would have {} bytes, more than {}", what,
                                               encoded.size(), kMaxManifestBytes));
  }
}

/// Writes the details of an encrypted backup.
StoredObject store_details(store::ObjectStore& store, const Manifest& manifest,
                           const std::stop_token& stop) {
  for (const Snapshot& snapshot : manifest.snapshots) {
    if (!snapshot.object.encrypted()) {
      throw Error(ErrorKind::internal,
                  fmt::format("object {} of an encrypted backup is none", snapshot.object.name));
    }
  }
  const std::string encoded = encode_details(manifest);
  check_size("details", encoded);
  const std::string name = names::details(manifest.source, manifest.id);
  const std::unique_ptr<store::Upload> upload = store.upload(name, stop);
  upload->append(as_bytes(encoded));
  const store::StoredBytes stored = upload->complete();
  return {name, stored.bytes, to_hex(stored.sha256)};
}

void refuse_plaintext_beside(const Catalog& catalog, const BackupObjects& there) {
  if (there.any_encrypted) {
    throw Error(Side::repository, ErrorKind::config,
                fmt::format("'{}' in {} was encrypted before; set encryption.recipients, or "
                            "encryption.allow_plaintext: true to go on in plaintext",
                            catalog.source(), catalog.store().url()));
  }
}

/// Readers do without them, so a failure ends nothing; the next run tries again.
void write_pages(store::ObjectStore& store, const std::string& source,
                 const std::vector<CommitEntry>& commits, const std::stop_token& stop) {
  try {
    write_commit_pages(store, source, commits, stop);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::cancelled) {
      throw;
    }
    log::warn("page of backups not written", {{"source", source}, {"error", error.what()}});
  }
}

}  // namespace

void check_no_writer(store::ObjectStore& store, const std::string& source,
                     const std::stop_token& stop) {
  lock(store, source, stop);
}

void check_encryption(const Catalog& catalog, bool allow_plaintext, std::stop_token stop) {
  if (!catalog.store().encrypts() && !allow_plaintext) {
    refuse_plaintext_beside(catalog, list_backup_objects(catalog.store(), catalog.source(), stop));
  }
}

Writer::Writer(Catalog& catalog, const Clock& clock, const WriterOptions& options,
               std::stop_token stop)
    : catalog_(catalog), clock_(clock) {
  store::ObjectStore& store = catalog.store();
  const std::string& source = catalog.source();
  ensure_repository(store, clock, stop);
  lock_ = lock(store, source, stop);

  const std::vector<CommitEntry> commits = list_commits(store, source, stop);
  const BackupObjects there = list_backup_objects(store, source, stop);
  if (!store.encrypts() && !options.allow_plaintext) {
    refuse_plaintext_beside(catalog, there);
  }
  if (!commits.empty()) {
    last_sequence_ = commits.back().name.sequence;
    write_source_record(store, source, clock, stop);
  }
  const std::optional<Commit> newest = read_newest(store, source, commits, stop);
  if (newest && newest->created > clock.now()) {
    clock_behind_ = newest->created - clock.now();
  }
  removed_leftovers_ = remove_leftovers(catalog, commits, there.objects, clock.now(), stop);
  write_pages(store, source, commits, stop);
}

std::string Writer::new_id() const {
  return fmt::format("{}-{}", to_compact(clock_.now()), random_hex(kRandomIdBytes));
}

Commit Writer::commit(const Manifest& manifest, std::stop_token stop) {
  store::ObjectStore& store = catalog_.store();
  if (manifest.source != catalog_.source() || !names::is_valid_source(manifest.id)) {
    throw Error(ErrorKind::internal, fmt::format("backup '{}' of '{}' can't be committed here",
                                                 manifest.id, manifest.source));
  }
  Manifest complete = manifest;
  if (store.encrypts()) {
    complete.details = store_details(store, manifest, stop);
  }
  const std::string encoded = encode(complete);
  check_size("manifest", encoded);
  Commit commit = commit_of(complete, encoded);
  if (!put_surely(store, commit.manifest.name, as_bytes(encoded), stop)) {
    throw Error(Side::repository, ErrorKind::failed,
                fmt::format("object {} is there already", commit.manifest.name));
  }
  if (!lock_->held()) {
    // Whoever has it now takes what we have stored for a leftover.
    throw Error(Side::repository, ErrorKind::busy,
                fmt::format("the lock of '{}' was lost to another run meanwhile; this backup is "
                            "given up",
                            commit.source));
  }
  for (int attempt = 0; attempt < kCommitAttempts; ++attempt) {
    commit.sequence = ++last_sequence_;
    const std::string name = names::commit(commit.source, commit.sequence, commit.id);
    if (put_surely(store, name, as_bytes(encode(commit)), stop)) {
      write_source_record(store, commit.source, clock_, stop);
      return commit;
    }
  }
  throw Error(Side::repository, ErrorKind::failed,
              fmt::format("the commit of backup {} found no free name", commit.id));
}

}  // namespace keyrewind::catalog
