#include "catalog/log_runs.h"

#include "base/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace keyrewind::catalog {
namespace {

/// How often a log is listed again because segments were merged or removed in the meantime.
constexpr int kListings = 5;

/// Opens segments, each only once.
class Indexes {
 public:
  Indexes(const store::ObjectStore& store, std::stop_token stop)
      : store_(store), stop_(std::move(stop)) {}

  /// Nothing if it is damaged or gone.
  const Segment* open(const SegmentEntry& entry) {
    const auto known = opened_.find(entry.object);
    if (known != opened_.end()) {
      return known->second ? &*known->second : nullptr;
    }
    try {
      std::optional<Segment> segment = read_segment(store_, entry, stop_);
      if (!segment) {
        gone_ = true;
        return nullptr;
      }
      return &*opened_.emplace(entry.object, std::move(segment)).first->second;
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::corrupt && error.kind() != ErrorKind::incompatible) {
        throw;
      }
      opened_.emplace(entry.object, std::nullopt);
      problems_.emplace_back(error.what());
      return nullptr;
    }
  }

  bool is_damaged(const SegmentEntry& entry) const {
    const auto known = opened_.find(entry.object);
    return known != opened_.end() && !known->second;
  }

  /// Whether one was gone since the last question.
  bool take_gone() noexcept { return std::exchange(gone_, false); }

  const std::vector<std::string>& problems() const noexcept { return problems_; }

 private:
  const store::ObjectStore& store_;
  const std::stop_token stop_;
  std::map<std::string, std::optional<Segment>> opened_;  ///< By object; nothing if damaged.
  std::vector<std::string> problems_;
  bool gone_ = false;
};

/// Finds the runs of one lineage.
class LineageReader {
 public:
  LineageReader(std::string lineage, std::vector<SegmentEntry> segments, Indexes& indexes,
                LogRuns& log)
      : lineage_(std::move(lineage)),
        segments_(std::move(segments)),
        indexes_(indexes),
        log_(log),
        reached_(segments_.front().begin) {}

  void read() {
    while (const std::optional<std::int64_t> begin = next_begin()) {
      read_run(*begin);
    }
    std::int64_t end = reached_;
    for (const SegmentEntry& damaged : damaged_) {
      end = std::max(end, damaged.end);
    }
    if (end > reached_) {
      note_break(end);
    }
  }

 private:
  /// The first offset from `reached_` on at which there is any log left.
  std::optional<std::int64_t> next_begin() const {
    std::optional<std::int64_t> begin;
    for (const SegmentEntry& segment : segments_) {
      if (segment.end > reached_) {
        const std::int64_t first = std::max(segment.begin, reached_);
        begin = begin ? std::min(*begin, first) : first;
      }
    }
    return begin;
  }

  /// Reads the run from `begin` on, or finds that a segment can't be read and drops it.
  void read_run(std::int64_t begin) {
    LogRun run{lineage_, {}, {}};
    for (const SegmentEntry& entry : cover(segments_, begin)) {
      const Segment* const segment = indexes_.open(entry);
      if (segment == nullptr) {
        drop(entry);
        return;
      }
      if (!run.segments.empty() && segment->previous != chain_end(run.segments.back())) {
        break;
      }
      run.objects.push_back(entry);
      run.segments.push_back(*segment);
    }
    if (run.begin() != reached_ || !is_first()) {
      note_break_before(run);
    }
    reached_ = run.end();
    log_.runs.push_back(std::move(run));
  }

  void drop(const SegmentEntry& entry) {
    if (indexes_.is_damaged(entry)) {
      damaged_.push_back(entry);
    }
    std::erase(segments_, entry);
  }

  bool is_first() const { return log_.runs.empty() || log_.runs.back().lineage != lineage_; }

  void note_break_before(const LogRun& run) {
    if (run.begin() > reached_) {
      note_break(run.begin());
      return;
    }
    log_.breaks.push_back(
        {lineage_,
         reached_,
         reached_,
         fmt::format("{} does not follow what stands before it", run.objects.front().object),
         {}});
    log_.problems.push_back(log_.breaks.back().reason);
  }

  /// Notes that nothing can be read from `reached_` to `end`, and why.
  void note_break(std::int64_t end) {
    LogBreak broken{lineage_, reached_, end, {}, {}};
    for (const SegmentEntry& entry : damaged_) {
      if (entry.begin < end && entry.end > reached_) {
        broken.last = std::max(broken.last, entry.last);
        if (broken.reason.empty()) {
          broken.reason = fmt::format("{} is damaged", entry.object);
        }
      }
    }
    if (broken.reason.empty()) {
      broken.reason = fmt::format("the log of lineage {} is missing from offset {} to {}", lineage_,
                                  reached_, end);
      log_.problems.push_back(broken.reason);
    }
    log_.breaks.push_back(std::move(broken));
  }

  const std::string lineage_;
  std::vector<SegmentEntry> segments_;
  Indexes& indexes_;
  LogRuns& log_;
  std::int64_t reached_;
  std::vector<SegmentEntry> damaged_;
};

}  // namespace

LogRuns read_log_runs(const store::ObjectStore& store, const std::string& source,
                      const std::string& shard, std::stop_token stop) {
  Indexes indexes(store, stop);
  for (int listing = 1;; ++listing) {
    LogRuns log;
    for (auto& [lineage, segments] : list_logs(store, source, shard, stop)) {
      LineageReader(lineage, std::move(segments), indexes, log).read();
    }
    if (indexes.take_gone() && listing < kListings) {
      continue;
    }
    log.problems.insert(log.problems.begin(), indexes.problems().begin(), indexes.problems().end());
    return log;
  }
}

}  // namespace keyrewind::catalog
