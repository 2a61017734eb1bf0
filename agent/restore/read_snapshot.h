#pragma once

#include "base/bytes.h"
#include "base/progress.h"
#include "catalog/manifest.h"
#include "restore/read_options.h"
#include "store/object_store.h"

#include <functional>
#include <stop_token>

namespace keyrewind::restore {

/// Takes the RDB's bytes in order. It may throw to end the reading.
using Sink = std::function<void(ByteView)>;

/// Reads a snapshot back: fetches and inflates its frames side by side, and gives the RDB to `sink`
/// in order. Every frame is checked against its SHA-256 before it is inflated; what comes out is
/// scanned and compared with the manifest, as far as that can be read: length, SHA-256, CRC64 and
/// counts. Nothing is fetched twice.
///
/// `sink` sees bytes before the last check is made, so what it builds counts only once this
/// returns. Throws Error(Side::repository, corrupt) that names the object and what is wrong with
/// it; if the repository fails, `sink` has got everything that came before.
void read_snapshot(const store::ObjectStore& store, const catalog::Snapshot& snapshot,
                   const ReadOptions& options, const Sink& sink, Progress& progress,
                   std::stop_token stop);

/// Gives the RDB's first bytes, however many, to a sink: what an earlier reading gave to its own.
using Replay = std::function<void(const Sink&)>;

/// The same where an earlier reading ended: the bytes that `replay` gives are scanned and compared
/// like those that are fetched, of which `sink` gets the ones behind them.
void resume_snapshot(const store::ObjectStore& store, const catalog::Snapshot& snapshot,
                     const ReadOptions& options, const Replay& replay, const Sink& sink,
                     Progress& progress, std::stop_token stop);

/// Reads the object as it is stored, once, and checks its SHA-256; of a plain one also those of its
/// index and of each frame, which tells where the damage is. Takes no identity. Throws like
/// `read_snapshot`.
void check_stored_bytes(store::ObjectStore& store, const catalog::Snapshot& snapshot,
                        const ReadOptions& options, Progress& progress, std::stop_token stop);

}  // namespace keyrewind::restore
