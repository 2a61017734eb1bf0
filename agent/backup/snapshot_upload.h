#pragma once

#include "base/bytes.h"
#include "base/progress.h"
#include "catalog/manifest.h"
#include "store/object_store.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>

namespace keyrewind::backup {

/// How much of this machine a snapshot may use on its way.
struct PipelineOptions {
  int compression_level = 1;
  std::size_t threads = 2;             ///< That compress; memory may allow fewer.
  std::uint64_t memory = 128U << 20U;  ///< Bytes, for the whole process.
  std::uint64_t receive_rate = 0;      ///< Bytes of RDB a second; 0: as fast as they come.
};

/// Reads some bytes of an RDB into a buffer of at least 4 KiB; 0 says that it is whole. Throws if
/// it is cut short.
using ReadSome = std::function<std::size_t(std::span<std::byte>)>;

/// What is known of a snapshot once it is stored, for the manifest.
struct StoredSnapshot {
  catalog::StoredObject object;
  std::uint64_t index_offset = 0;
  std::uint64_t index_bytes = 0;
  std::string index_sha256;
  std::string raw_sha256;
  rdb::Summary rdb;
};

/// Bytes of RDB in one zstd frame, but for the last: small enough for several in memory, large
/// enough that compression does not suffer.
inline constexpr std::size_t kPieceBytes = 4U << 20U;

/// Stores the RDB that `read` gives as the object `name`, in one pass and in bounded memory:
///
///   read → scan, CRC64, SHA-256 → pieces → zstd frames, SHA-256 each → upload → index
///
/// The store encrypts it if the name says so, and says of which bytes the object then is.
/// The object is complete only if the RDB came whole and its checksum holds; on any failure it is
/// aborted and the first error is thrown.
StoredSnapshot store_snapshot(const ReadSome& read, store::ObjectStore& store,
                              const std::string& name, const PipelineOptions& options,
                              Progress& progress, std::stop_token stop);

}  // namespace keyrewind::backup
