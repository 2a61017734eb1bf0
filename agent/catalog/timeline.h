#pragma once

#include "base/clock.h"
#include "catalog/catalog.h"
#include "catalog/log.h"
#include "catalog/log_runs.h"
#include "catalog/manifest.h"
#include "catalog/segment.h"
#include "catalog/timeline_event.h"

#include <cstdint>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace keyrewind::catalog {

/// A snapshot in its backup.
struct SnapshotPoint {
  Commit commit;
  Snapshot snapshot;
};

/// A span of one lineage to every moment of which a shard can be restored: it begins at a snapshot,
/// and the log goes on from there without a break. A snapshot that no log fits is a window of one
/// moment, or of several if it was taken again at the same offset.
struct Window {
  std::string lineage;
  std::int64_t begin = 0;  ///< Offset of the first snapshot.
  std::int64_t end = 0;
  Timestamp from{};                      ///< When that snapshot was taken.
  Timestamp until{};                     ///< When the last byte had arrived.
  std::vector<SnapshotPoint> snapshots;  ///< By offset; at least one.
  std::vector<LogSpan> log;              ///< The log that covers it, in order, and…
  std::vector<Segment> segments;         ///< …the indexes, one a span; none in an outline.
};

/// Moments that cannot be restored: between two windows, or behind the last one if the repository
/// knows of later ones.
struct Gap {
  Timestamp from{};
  Timestamp until{};
  std::string lineage;      ///< Of the window before.
  std::int64_t offset = 0;  ///< Where that ends.
  std::string reason;       ///< "the servers no longer had the stream from here on", or the name of
                            ///< a segment that is missing or damaged.
};

/// A backup, and what belongs to it beside commit and manifest.
struct BackupParts {
  Commit commit;
  std::vector<StoredObject> parts;  ///< The snapshots of all shards, and the details.
};

/// What can be restored of one shard, oldest first.
struct Timeline {
  std::vector<Window> windows;
  std::vector<Gap> gaps;
  std::vector<TimelineEvent> events;
  std::vector<LogBreak> breaks;                 ///< Where the log is damaged or missing.
  std::vector<LogRun> unused;                   ///< Log that lies in no window.
  std::vector<std::string> problems;            ///< Damaged or missing objects, a line each.
  std::vector<std::string> unreadable_backups;  ///< The ids of those that are damaged.
  std::vector<BackupParts> backups;             ///< The others, oldest first.
  std::map<std::string, std::int64_t> trims;    ///< From where on each lineage's log counts.
};

/// Reads the commits, manifests, events and all segment indexes of the source's shard "0".
///
/// A snapshot belongs to the log that goes by its replication id at its offset, whatever lineage it
/// names; where the id changes, both hold. What is damaged or missing is a problem and ends a
/// window, but never the reading; where several segments hold the same bytes, one that can be read
/// is enough. Throws Error(unavailable | denied) if the repository could not be read or is none.
Timeline read_timeline(const Catalog& catalog, std::stop_token stop);

/// The same without the indexes of segments, from as few objects as will do (FORMAT.md, section
/// "Pages"): seconds where the log has a million segments. That a segment or a backup is there is
/// known from the listing; that one which a page tells of is damaged is not noticed.
Timeline read_outline(const Catalog& catalog, std::stop_token stop);

}  // namespace keyrewind::catalog
