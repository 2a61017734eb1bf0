#pragma once

#include "base/bytes.h"
#include "base/progress.h"
#include "catalog/manifest.h"
#include "store/object_store.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <stop_token>

namespace keyrewind::restore {

/// How much of this machine reading a snapshot may use.
struct ReadOptions {
  std::size_t threads = 2;             ///< That fetch and inflate; memory may allow fewer.
  std::uint64_t memory = 128U << 20U;  ///< Bytes, for the whole process.
  bool check_object = false;           ///< Check the SHA-256 of the object as a whole, too.
};

/// Takes the RDB's bytes in order. It may throw to end the reading.
using Sink = std::function<void(ByteView)>;

/// Reads a snapshot back: fetches and inflates its frames side by side, and gives the RDB to `sink`
/// in order. Every frame is checked against its SHA-256 before it is inflated; what comes out is
/// scanned and compared with the manifest: length, SHA-256, CRC64 and counts.
///
/// `sink` sees bytes before the last check is made, so what it builds counts only once this
/// returns. Throws Error(Side::repository, corrupt) that names the object and what is wrong with
/// it.
void read_snapshot(store::ObjectStore& store, const catalog::Snapshot& snapshot,
                   const ReadOptions& options, const Sink& sink, Progress& progress,
                   std::stop_token stop);

/// Reads the stored object without inflating it and checks every SHA-256: of the object, of its
/// index and of each frame. Throws like `read_snapshot`.
void check_stored_bytes(store::ObjectStore& store, const catalog::Snapshot& snapshot,
                        const ReadOptions& options, Progress& progress, std::stop_token stop);

}  // namespace keyrewind::restore
