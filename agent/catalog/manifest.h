#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "catalog/origin.h"
#include "rdb/summary.h"
#include "replica/server_info.h"
#include "store/object_store.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace keyrewind::catalog {

/// The version of the layout that this program writes, and the newest that it reads.
inline constexpr int kFormatVersion = 1;

/// An object of the repository as a manifest vouches for it: by its bytes as they are stored.
struct StoredObject {
  std::string name;  ///< From the repository's root.
  std::uint64_t bytes = 0;
  std::string sha256;  ///< Lower-case hexadecimal.

  /// Whether it is an age file; its name says it.
  bool encrypted() const noexcept { return name.ends_with(store::kEncryptedSuffix); }

  bool operator==(const StoredObject&) const = default;
};

/// One snapshot of one shard, and how to read it back.
struct Snapshot {
  std::string shard;    ///< "0" where there is only one.
  std::string lineage;  ///< The replication id with which its history began, 40 hexadecimal digits.
  std::string replid;
  std::int64_t offset = 0;
  Timestamp taken{};               ///< When the server said where the snapshot stands.
  StoredObject object;             ///< Holds zstd frames, then their index.
  std::uint64_t index_offset = 0;  ///< Where in what the object holds its frame index begins.
  std::uint64_t index_bytes = 0;   ///< The index's size: with it ends what the object holds.
  /// Whether the next two and `rdb.crc64` are. Of an encrypted snapshot they stand in the backup's
  /// details: where those can't be read they are empty and 0, and there is nothing to compare with.
  bool digests_known = true;
  std::string index_sha256;
  std::string raw_sha256;  ///< Of the RDB itself.
  rdb::Summary rdb;        ///< Its bytes, CRC64 and counts.

  bool operator==(const Snapshot&) const = default;
};

/// A backup in full: `sources/<source>/backups/<id>/manifest.json`.
struct Manifest {
  std::string id;
  std::string source;
  Timestamp created{};  ///< When the run began, by this machine's clock.
  Timestamp finished{};
  std::string program;  ///< Version of Keyrewind that wrote it.
  std::map<std::string, std::string> labels;
  Origin origin{};
  std::string decision{};  ///< Why this node, now, and by this method; empty if nobody decided.
  std::vector<Snapshot> snapshots;                     ///< One a shard.
  std::map<std::string, replica::ServerInfo> servers;  ///< By shard: the node that was read.
  std::vector<std::string> warnings;
  /// Of an encrypted backup: what would tell of its content in plain, catalog/details.h.
  std::optional<StoredObject> details{};

  std::uint64_t keys() const noexcept;
  std::uint64_t raw_bytes() const noexcept;
  std::uint64_t stored_bytes() const noexcept;
};

/// What a listing shows without opening the manifest; the content of the commit object, whose
/// existence makes the backup available.
struct Commit {
  std::string id;
  std::uint64_t sequence = 0;  ///< From 1 on: the order of backups, whatever the clock says.
  std::string source;
  Timestamp created{};
  Timestamp finished{};
  std::uint64_t keys = 0;
  std::uint64_t raw_bytes = 0;
  std::uint64_t stored_bytes = 0;
  std::string server;  ///< "Valkey 8.1.1".
  bool opaque = false;
  std::map<std::string, std::string> labels;
  Origin origin{};
  StoredObject manifest;

  bool operator==(const Commit&) const = default;
};

/// JSON as FORMAT.md specifies it, ending in a newline. Of a manifest with details and of encrypted
/// snapshots it leaves out what the details hold.
std::string encode(const Manifest& manifest);
std::string encode(const Commit& commit);

/// Reads what `encode` wrote; unknown fields are passed over, as later versions may add some.
/// Throws Error(corrupt) if it is not that, Error(incompatible) if its format version is newer.
Manifest decode_manifest(ByteView json);
Commit decode_commit(ByteView json);

}  // namespace keyrewind::catalog
