#pragma once

#include "catalog/log.h"
#include "catalog/log_page.h"
#include "catalog/log_span.h"
#include "catalog/segment.h"
#include "catalog/timeline_event.h"

#include <cstdint>
#include <functional>
#include <map>
#include <stop_token>
#include <string>
#include <vector>

namespace keyrewind::catalog {

/// An unbroken stretch of a lineage's log: each segment begins where the one before ends, and
/// carries its hash chain on.
struct LogRun {
  std::string lineage;
  std::int64_t begin = 0;
  std::int64_t end = 0;
  std::vector<LogSpan> spans;         ///< At least one.
  std::vector<HistoryId> ids;         ///< The first one stands at `begin`.
  Timestamp last{};                   ///< When its last byte had arrived.
  std::vector<TimelineEvent> events;  ///< What it shows by itself.
  std::vector<Segment> segments;      ///< The indexes, one a span; none in an outline.
};

/// Where a lineage's log is broken: what stands from `begin` to `end` cannot be read.
struct LogBreak {
  std::string lineage;
  std::int64_t begin = 0;
  std::int64_t end = 0;
  std::string reason;  ///< Names the object, or the offsets that are missing.
  Timestamp last{};    ///< When the last byte of it had arrived, as far as a name tells.
};

/// The log of a shard as far as it can be read.
struct LogRuns {
  std::vector<LogRun> runs;      ///< By lineage, and there by offset.
  std::vector<LogBreak> breaks;  ///< In the same order.
  std::vector<std::string> problems;
  std::map<std::string, std::int64_t> trims;  ///< From where on each lineage's log counts.
  std::vector<std::string> events;            ///< The objects of the shard's events.
};

/// How much is read.
enum class LogDetail {
  indexes,  ///< Every index that it takes to cover the log.
  outline,  ///< Pages in place of the indexes that they stand for: damage of those goes unnoticed.
};

/// Takes what would be a page, if there were one.
using TakeLogPage = std::function<void(const LogPage& page)>;

/// Reads the log of a shard. Where an index is damaged, other segments that hold the same bytes
/// stand in for it if there are any; what is missing after that is a break, and a problem. A page
/// that is damaged, or cannot be told to fit the segments there are, is passed over.
///
/// `take_page` is given a page for each kSegmentsPerPage segments that no page stands for, as long
/// as kSegmentsBehindPages come behind them.
LogRuns read_log_runs(const store::ObjectStore& store, const std::string& source,
                      const std::string& shard, LogDetail detail, std::stop_token stop,
                      const TakeLogPage& take_page = {});

/// Writes the pages that a log lacks. Returns how many. Whoever may write to the log may do this at
/// any time; a page is never wrong, since what it tells of never changes.
std::size_t write_log_pages(store::ObjectStore& store, const std::string& source,
                            const std::string& shard, std::stop_token stop);

}  // namespace keyrewind::catalog
