#include "catalog/backup_lock.h"

#include "base/error.h"
#include "base/random.h"
#include "catalog/json_object.h"
#include "catalog/names.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

namespace keyrewind::catalog {
namespace {

// Written to every lock: FORMAT.md, section "Locks".
constexpr std::string_view kLockKind = "keyrewind-lock";
constexpr std::uint64_t kMaxLockBytes = 64U << 10U;
constexpr std::size_t kRandomIdBytes = 3;

/// Nothing if it was removed since it was listed.
std::optional<BackupLock> read_lock(const store::ObjectStore& store, const std::string& object,
                                    const names::LockName& name, const std::stop_token& stop) {
  try {
    const std::optional<Bytes> content = store.get(object, kMaxLockBytes, stop);
    if (!content) {
      return std::nullopt;
    }
    BackupLock lock = decode_backup_lock(*content);
    if (lock.backup != name.backup) {
      throw Error(Side::repository, ErrorKind::corrupt, "the lock does not fit its name");
    }
    return lock;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::corrupt && error.kind() != ErrorKind::incompatible) {
      throw;
    }
    return BackupLock{name.backup, std::nullopt, fmt::format("{}: {}", object, error.what()), {}};
  }
}

bool ends_later(const BackupLock& a, const BackupLock& b) {
  return b.until && (!a.until || *a.until > *b.until);
}

}  // namespace

std::string encode(const BackupLock& lock) {
  nlohmann::ordered_json document = begin_document(kLockKind);
  document["backup"] = lock.backup;
  document["until"] = nullptr;
  if (lock.until) {
    document["until"] = to_rfc3339(*lock.until);
  }
  document["note"] = lock.note;
  document["created"] = to_rfc3339(lock.created);
  return to_text(document);
}

BackupLock decode_backup_lock(ByteView json) {
  const JsonDocument document(json, "the lock", kLockKind);
  const JsonObject& root = document.root();
  BackupLock lock;
  lock.backup = root.text("backup");
  if (root.has("until")) {
    lock.until = root.time("until");
  }
  lock.note = root.text("note");
  lock.created = root.time("created");
  return lock;
}

std::map<std::string, BackupLock> list_locks(const Catalog& catalog, std::stop_token stop) {
  std::map<std::string, BackupLock> locks;
  const store::ObjectStore& store = catalog.store();
  for (const store::ObjectInfo& object : store.list(names::locks(catalog.source()), stop)) {
    const auto name = names::parse_lock(catalog.source(), object.name);
    if (!name) {
      continue;
    }
    if (const auto lock = read_lock(store, object.name, *name, stop)) {
      const auto [known, added] = locks.try_emplace(lock->backup, *lock);
      if (!added && ends_later(*lock, known->second)) {
        known->second = *lock;
      }
    }
  }
  return locks;
}

const BackupLock* find_lock(const std::map<std::string, BackupLock>& locks,
                            const std::string& backup, Timestamp now) {
  const auto lock = locks.find(backup);
  return lock != locks.end() && lock->second.in_force(now) ? &lock->second : nullptr;
}

void put_lock(Catalog& catalog, const BackupLock& lock, std::stop_token stop) {
  store::ObjectStore& store = catalog.store();
  const std::vector<std::string> old = lock_objects(catalog, lock.backup, stop);
  const std::string name =
      names::lock(catalog.source(), lock.backup,
                  fmt::format("{}-{}", to_compact(lock.created), random_hex(kRandomIdBytes)));
  if (!store.put_if_absent(name, as_bytes(encode(lock)), stop)) {
    throw Error(Side::repository, ErrorKind::failed,
                fmt::format("object {} is there already", name));
  }
  store.remove_all(old, stop);
}

bool remove_locks(Catalog& catalog, const std::string& backup, std::stop_token stop) {
  const std::vector<std::string> objects = lock_objects(catalog, backup, stop);
  catalog.store().remove_all(objects, stop);
  return !objects.empty();
}

std::vector<std::string> lock_objects(const Catalog& catalog, const std::string& backup,
                                      std::stop_token stop) {
  std::vector<std::string> objects;
  const std::string folder = fmt::format("{}{}/", names::locks(catalog.source()), backup);
  for (const store::ObjectInfo& object : catalog.store().list(folder, stop)) {
    if (names::parse_lock(catalog.source(), object.name)) {
      objects.push_back(object.name);
    }
  }
  return objects;
}

}  // namespace keyrewind::catalog
