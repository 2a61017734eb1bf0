#pragma once

#include "base/bytes.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

namespace keyrewind::store {

struct ObjectInfo {
  std::string name;
  std::uint64_t bytes = 0;

  bool operator==(const ObjectInfo&) const = default;
};

/// Picks objects by their names.
using WhichNames = std::function<bool(const std::string& name)>;

/// One object on its way into a store: it appears whole when `complete` returns, or not at all.
/// An upload that is destroyed before `complete` is aborted. One thread uses it at a time.
class Upload {
 public:
  virtual ~Upload() = default;

  /// Takes any number of bytes. Memory use does not depend on how many come in all.
  virtual void append(ByteView bytes) = 0;

  /// Makes the object durable, then visible. Throws Error(failed) if the name is taken: names are
  /// unique, so this is a bug or somebody else's doing. Nothing may be called afterwards.
  virtual void complete() = 0;
};

/// Held by at most one process in the world; released when destroyed or when the process dies.
class StoreLock {
 public:
  virtual ~StoreLock() = default;
};

/// Where objects are kept: a flat space of names to immutable bytes.
///
/// Names are relative, of the characters [A-Za-z0-9._=-] in components joined by '/', none empty,
/// "." or ".."; callers never pass anything else. An object once visible never changes; there is no
/// call that overwrites. All members may be called from any thread at once.
///
/// Failures are Error(Side::repository, …): unavailable (not there, no space, no answer) and
/// denied. They end the call without a trace, but for partial uploads, which
/// `remove_abandoned_uploads` clears away. Once `stop` is requested a call throws
/// Error(cancelled) and changes nothing any more.
///
/// tests/support/store_contract.h holds the suite that every implementation passes.
class ObjectStore {
 public:
  virtual ~ObjectStore() = default;

  /// The URL for messages, without secrets.
  virtual std::string url() const = 0;

  /// Makes the place itself if it isn't there: for file the last folder of the path, whose parent
  /// must exist. The other calls never make it and throw Error(unavailable) where it is missing.
  virtual void create() = 0;

  /// Writes a small object if its name is free. Returns whether it did: of several racers exactly
  /// one gets true. When it returns, the object is durable.
  virtual bool put_if_absent(const std::string& name, ByteView content, std::stop_token stop) = 0;

  /// Begins a large object.
  virtual std::unique_ptr<Upload> upload(const std::string& name, std::stop_token stop) = 0;

  /// The whole object, or nothing if there is none. Throws Error(corrupt) above `max_bytes`.
  virtual std::optional<Bytes> get(const std::string& name, std::uint64_t max_bytes,
                                   std::stop_token stop) const = 0;

  /// Fills `into` with the object's bytes from `offset` on. Throws Error(corrupt) if there is no
  /// such object or it ends before: whoever calls this knows from a manifest that it should be
  /// there.
  virtual void read(const std::string& name, std::uint64_t offset, std::span<std::byte> into,
                    std::stop_token stop) const = 0;

  /// Its size, or nothing if there is no such object.
  virtual std::optional<ObjectInfo> head(const std::string& name, std::stop_token stop) const = 0;

  /// All objects whose names begin with `prefix`, in byte order of their names. Partial uploads
  /// do not show.
  virtual std::vector<ObjectInfo> list(const std::string& prefix, std::stop_token stop) const = 0;

  /// Whether the place holds nothing at all, foreign things included.
  virtual bool empty(std::stop_token stop) const = 0;

  /// Removes an object; not an error if there is none.
  virtual void remove(const std::string& name, std::stop_token stop) = 0;

  /// Removes what uploads left that never completed: those of the names that begin with `prefix`
  /// and for which `which` holds. The caller makes sure, by a lock, that none of them is still
  /// running. Returns how many there were.
  virtual std::size_t remove_abandoned_uploads(const std::string& prefix, const WhichNames& which,
                                               std::stop_token stop) = 0;

  /// Takes the lock `name`, which is no object and shows in no listing. Nothing if somebody holds
  /// it.
  virtual std::unique_ptr<StoreLock> try_lock(const std::string& name, std::stop_token stop) = 0;
};

/// Whether `name` keeps to the alphabet above.
bool is_valid_name(const std::string& name) noexcept;

}  // namespace keyrewind::store
