#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "base/progress.h"
#include "catalog/catalog.h"
#include "catalog/timeline.h"
#include "restore/read_options.h"

#include <cstdint>
#include <functional>
#include <stop_token>

namespace keyrewind::restore {

/// Takes some of the stream in order, all of which had arrived by `arrived`, the earliest time that
/// is known of it.
using LogSink = std::function<void(ByteView raw, Timestamp arrived)>;

/// Reads the log of `window` from the offset `begin` to `end`, in bounded memory: what comes next,
/// of one segment or of several, is fetched ahead with several requests at once. Every frame is
/// checked against its SHA-256 before it is inflated, every link of the hash chain against the raw
/// bytes as far as they are read whole, and the links against each other: a segment that is
/// missing, altered or in the wrong place is found. A segment that has been merged into another
/// since it was listed is read from there. `sink` is called by the calling thread.
///
/// Throws Error(Side::repository, corrupt) that names the object and the last offset up to which
/// the log is sound.
void read_log(const catalog::Catalog& catalog, const catalog::Window& window, std::int64_t begin,
              std::int64_t end, const ReadOptions& options, const LogSink& sink, Progress& progress,
              std::stop_token stop);

/// The same with the defaults.
void read_log(const catalog::Catalog& catalog, const catalog::Window& window, std::int64_t begin,
              std::int64_t end, const LogSink& sink, Progress& progress, std::stop_token stop);

}  // namespace keyrewind::restore
