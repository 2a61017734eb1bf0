#pragma once

#include "base/bytes.h"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace keyrewind::store {

struct ObjectInfo {
  std::string name;
  std::uint64_t bytes = 0;  ///< As stored: of an encrypted object more than what it holds.

  bool operator==(const ObjectInfo&) const = default;
};

/// What an upload has become.
struct StoredBytes {
  std::uint64_t bytes = 0;
  std::array<std::byte, 32> sha256{};  ///< Of the bytes as they are stored.

  bool operator==(const StoredBytes&) const = default;
};

/// A small object that changes, the exception to the rule: what leases are made of. Its version
/// names this content: no other content that the record ever has goes by it, as long as its writers
/// put something unique into each.
struct Record {
  Bytes content;
  std::string version;
};

/// The most bytes that a record may have.
inline constexpr std::uint64_t kMaxRecordBytes = 64U << 10U;

/// The end of the names of encrypted objects: the name says it, so that nobody needs to look.
inline constexpr std::string_view kEncryptedSuffix = ".age";

/// Takes an object of a listing.
using TakeObject = std::function<void(const ObjectInfo& object)>;

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
  virtual StoredBytes complete() = 0;
};

/// Held by at most one process in the world; released when destroyed, and when the process dies:
/// at once for a folder, after the lock's time to live where only time can tell.
class StoreLock {
 public:
  virtual ~StoreLock() = default;

  /// Whether it still is: a lock that lapses may have been lost to somebody else meanwhile, who
  /// then works on. Asked before what nobody else may do at the same time; it may wait for a store
  /// that does not answer just now.
  virtual bool held() const { return true; }
};

/// Where objects are kept: a flat space of names to immutable bytes.
///
/// Names are relative, of the characters [A-Za-z0-9._=-] in components joined by '/', none empty,
/// "." or ".."; callers never pass anything else. An object once visible never changes; but for
/// records there is no call that overwrites. All members may be called from any thread at once.
///
/// Stores stack: one that encrypts stands on one that keeps. Names that end in kEncryptedSuffix are
/// then encrypted on their way in and decrypted on their way out, all others pass as they are.
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

  /// The same in any order, one after the other: for listings that are too long to be held.
  virtual void visit(const std::string& prefix, const TakeObject& take, std::stop_token stop) const;

  /// Whether the place holds nothing at all, foreign things included.
  virtual bool empty(std::stop_token stop) const = 0;

  /// Removes an object; not an error if there is none.
  virtual void remove(const std::string& name, std::stop_token stop) = 0;

  /// The same for many, with as few requests as the store allows. When it throws, any of them may
  /// be gone.
  virtual void remove_all(const std::vector<std::string>& names, std::stop_token stop);

  /// Takes over the object `name` of `from` as it is stored there, under the same name, without its
  /// bytes passing through this machine. Returns false, having done nothing, if these two stores
  /// cannot do that: the caller then reads and writes. Throws like Upload::complete.
  virtual bool copy_within(const ObjectStore& from, const std::string& name, std::stop_token stop);

  /// The record `name`, or nothing if there is none. Records show in listings like objects.
  virtual std::optional<Record> read_record(const std::string& name,
                                            std::stop_token stop) const = 0;

  /// Writes a record if it still has the version `expected`; nothing: if there is none yet. Of
  /// several racers exactly one wins, and gets the version that it wrote; the others get nothing.
  /// After an Error(unavailable) either may be: read it again. Throws Error(config) where
  /// `conditional_writes` says no.
  virtual std::optional<std::string> swap_record(const std::string& name, ByteView content,
                                                 const std::optional<std::string>& expected,
                                                 std::stop_token stop) = 0;

  /// Whether put_if_absent and swap_record let exactly one of several racers win. If they do not,
  /// the reason, for people: "it answers 501 to If-None-Match"; put_if_absent then looks first and
  /// is right as long as nobody races. Found out by trying, once.
  struct ConditionalWrites {
    bool work = true;
    std::string reason{};
  };
  virtual ConditionalWrites conditional_writes(std::stop_token stop);

  /// How far the store's clock is ahead of ours, as its last answer told; nothing if it has none.
  virtual std::optional<std::chrono::seconds> clock_ahead() const { return std::nullopt; }

  /// Whether names that end in kEncryptedSuffix may be written here, and then are encrypted.
  virtual bool encrypts() const { return false; }

  /// Whether this process can read what the object holds: it is not encrypted, or there is an
  /// identity for it, or this process wrote it.
  virtual bool can_read(const std::string& name) const;

  /// The objects as they are stored, encrypted ones as ciphertext: what copies and checks of stored
  /// bytes read. Itself where nothing is encrypted. Lives as long as this.
  virtual ObjectStore& stored() { return *this; }

  /// Removes what uploads left that never completed: those of the names that begin with `prefix`
  /// and for which `which` holds. The caller makes sure, by a lock, that none of them is still
  /// running. Returns how many there were.
  virtual std::size_t remove_abandoned_uploads(const std::string& prefix, const WhichNames& which,
                                               std::stop_token stop) = 0;

  /// Takes the lock `name`, which is no object of that name and shows in no listing of it. Nothing
  /// if somebody holds it. Where a process's death does not end a lock, it lapses: taking it may
  /// then wait for that, up to the lock's time to live.
  virtual std::unique_ptr<StoreLock> try_lock(const std::string& name, std::stop_token stop) = 0;
};

/// Whether `name` keeps to the alphabet above.
bool is_valid_name(const std::string& name) noexcept;

}  // namespace keyrewind::store
