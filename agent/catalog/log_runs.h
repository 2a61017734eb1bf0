#pragma once

#include "catalog/log.h"
#include "catalog/log_span.h"
#include "catalog/segment.h"

#include <cstdint>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace keyrewind::catalog {

/// An unbroken stretch of a lineage's log: each segment begins where the one before ends, and
/// carries its hash chain on.
struct LogRun {
  std::string lineage;
  std::vector<LogSpan> spans;         ///< At least one.
  std::vector<SegmentEntry> objects;  ///< One a span.
  std::vector<Segment> segments;      ///< Their indexes.

  std::int64_t begin() const noexcept { return segments.front().begin; }
  std::int64_t end() const noexcept { return segments.back().end; }
  Timestamp last() const noexcept { return segments.back().marks.back().at; }
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
};

/// Opens the index of each segment that it takes to cover the log. Where one is damaged, others
/// that hold the same bytes stand in for it if there are any; what is missing after that is a
/// break, and a problem.
LogRuns read_log_runs(const store::ObjectStore& store, const std::string& source,
                      const std::string& shard, std::stop_token stop);

}  // namespace keyrewind::catalog
