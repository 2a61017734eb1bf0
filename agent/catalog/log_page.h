#pragma once

#include "base/bytes.h"
#include "catalog/segment.h"
#include "catalog/timeline_event.h"

#include <cstdint>
#include <string>
#include <vector>

namespace keyrewind::catalog {

/// What the indexes of many segments that follow each other say, as far as a timeline tells of it:
/// one object is read in place of a thousand. FORMAT.md, section "Pages".
struct LogPage {
  std::string source;
  std::string shard;
  std::string lineage;
  std::int64_t begin = 0;  ///< Of the first segment.
  std::int64_t end = 0;    ///< Of the last one.
  Digest previous{};       ///< The hash chain before the first link…
  Digest chain{};          ///< …and behind the last.
  std::vector<HistoryId>
      ids;          ///< The first one stands at `begin`, the others where the id changes.
  TimeMark last{};  ///< The last mark, which stands at `end`.
  std::vector<TimelineEvent> events;  ///< In the order of the segments.

  bool operator==(const LogPage&) const = default;
};

/// So many segments make a page, the fewer the less is to be read where none is written yet.
inline constexpr std::size_t kSegmentsPerPage = 1024;

/// So many stay behind the last page: those may still be merged.
inline constexpr std::size_t kSegmentsBehindPages = 256;

/// A page holds no more events than about that many, however few segments they come from.
inline constexpr std::size_t kEventsPerPage = 20'000;

/// The most that a page may have, inflated and as stored.
inline constexpr std::uint64_t kMaxLogPageBytes = 64U << 20U;

/// A Zstandard frame of JSON.
Bytes encode(const LogPage& page);

/// Reads what `encode` wrote. Throws Error(corrupt) if it is not that, Error(incompatible) if its
/// format version is newer.
LogPage decode_log_page(ByteView frame);

}  // namespace keyrewind::catalog
