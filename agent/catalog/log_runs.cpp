#include "catalog/log_runs.h"

#include "base/error.h"
#include "catalog/names.h"
#include "flow/parallel_for.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <utility>

namespace keyrewind::catalog {
namespace {

/// How often a log is listed again because segments were merged or removed in the meantime.
constexpr int kListings = 5;

/// So many indexes are on their way at once: each is small, and the store may be far away.
constexpr std::size_t kIndexesAtOnce = 16;

/// Opens segments, each only once.
class Indexes {
 public:
  Indexes(const store::ObjectStore& store, std::stop_token stop)
      : store_(store), stop_(std::move(stop)) {}

  /// Reads those of `entries` that are not open yet, several at once, for `open` to find.
  void fetch(const std::vector<SegmentEntry>& entries) {
    std::vector<const SegmentEntry*> wanted;
    for (const SegmentEntry& entry : entries) {
      if (!opened_.contains(entry.object) && !fetched_.contains(entry.object)) {
        wanted.push_back(&entry);
      }
    }
    std::vector<Fetched> found(wanted.size());
    flow::parallel_for(
        {"index", kIndexesAtOnce}, wanted.size(),
        [&](std::uint64_t number, std::stop_token inner) {
          found[number] = read(*wanted[number], inner);
        },
        stop_);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      fetched_.emplace(wanted[i]->object, std::move(found[i]));
    }
  }

  /// Nothing if it is damaged or gone. Problems are noted in the order of these calls.
  const Segment* open(const SegmentEntry& entry) {
    const auto known = opened_.find(entry.object);
    if (known != opened_.end()) {
      return known->second ? &*known->second : nullptr;
    }
    const auto node = fetched_.extract(entry.object);
    Fetched fetched = node ? std::move(node.mapped()) : read(entry, stop_);
    if (fetched.problem) {
      opened_.emplace(entry.object, std::nullopt);
      problems_.push_back(*std::move(fetched.problem));
      return nullptr;
    }
    if (!fetched.segment) {
      gone_ = true;
      return nullptr;
    }
    return &*opened_.emplace(entry.object, std::move(fetched.segment)).first->second;
  }

  bool is_damaged(const SegmentEntry& entry) const {
    const auto known = opened_.find(entry.object);
    return known != opened_.end() && !known->second;
  }

  /// Whether one was gone since the last question.
  bool take_gone() noexcept { return std::exchange(gone_, false); }

  const std::vector<std::string>& problems() const noexcept { return problems_; }

 private:
  /// An index, or why it can't be read; neither if the object is gone.
  struct Fetched {
    std::optional<Segment> segment{};
    std::optional<std::string> problem{};
  };

  Fetched read(const SegmentEntry& entry, const std::stop_token& stop) const {
    try {
      return {.segment = read_segment(store_, entry, stop)};
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::corrupt && error.kind() != ErrorKind::incompatible) {
        throw;
      }
      return {.problem = error.what()};
    }
  }

  const store::ObjectStore& store_;
  const std::stop_token stop_;
  std::map<std::string, std::optional<Segment>> opened_;  ///< By object; nothing if damaged.
  std::map<std::string, Fetched> fetched_;                ///< By object, until it is opened.
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
    LogRun run{lineage_, {}, {}, {}};
    const std::vector<SegmentEntry> entries = cover(segments_, begin);
    indexes_.fetch(entries);
    for (const SegmentEntry& entry : entries) {
      const Segment* const segment = indexes_.open(entry);
      if (segment == nullptr) {
        drop(entry);
        return;
      }
      if (!run.segments.empty() && segment->previous != chain_end(run.segments.back())) {
        break;
      }
      run.spans.push_back({entry.begin, entry.end, entry.last, entry.bytes});
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
    const auto objects = store.list(names::lineages(source, shard), stop);
    log.trims = trims_among(objects, source, shard);
    for (auto& [lineage, segments] : logs_among(objects, source, shard)) {
      const auto trim = log.trims.find(lineage);
      if (trim != log.trims.end()) {
        std::erase_if(segments,
                      [&](const SegmentEntry& segment) { return segment.end < trim->second; });
      }
      if (!segments.empty()) {
        LineageReader(lineage, std::move(segments), indexes, log).read();
      }
    }
    if (indexes.take_gone() && listing < kListings) {
      continue;
    }
    log.problems.insert(log.problems.begin(), indexes.problems().begin(), indexes.problems().end());
    return log;
  }
}

}  // namespace keyrewind::catalog
