#include "restore/log_reader.h"

#include "base/error.h"
#include "catalog/log.h"
#include "catalog/segment.h"
#include "catalog/segment_data.h"
#include "flow/parallel_for.h"
#include "flow/read_ahead.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <deque>
#include <exception>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace keyrewind::restore {
namespace {

using catalog::Digest;
using catalog::FrameRun;
using catalog::Link;
using catalog::Segment;
using catalog::SegmentEntry;

/// How often the log is listed again without coming any further, before a segment that is listed
/// and not there is taken for missing.
constexpr int kListings = 5;

/// So many segments are fetched ahead of without a pause.
constexpr std::size_t kBatch = 64;

/// Indexes are small, so more of them are on their way than of data.
constexpr std::size_t kIndexesAtOnce = 16;

std::uint64_t length(std::int64_t begin, std::int64_t end) {
  return static_cast<std::uint64_t>(end - begin);
}

/// A segment to read from, with its name.
struct OpenSegment {
  const SegmentEntry* entry = nullptr;
  const Segment* index = nullptr;
};

/// What is to be read of one.
struct Part {
  OpenSegment segment;
  std::optional<Segment> whole{};  ///< The index of an encrypted one.
  std::exception_ptr damage{};     ///< Or why that can't be had.
  std::vector<FrameRun> runs{};

  const Segment& index() const { return whole ? *whole : *segment.index; }
};

class LogReader {
 public:
  LogReader(const catalog::Catalog& catalog, const catalog::Window& window, std::int64_t begin,
            std::int64_t end, const ReadOptions& options, const LogSink& sink, Progress& progress,
            std::stop_token stop)
      : store_(catalog.store()),
        source_(catalog.source()),
        shard_(window.snapshots.empty() ? "0" : window.snapshots.front().snapshot.shard),
        lineage_(window.lineage),
        begin_(begin),
        end_(end),
        options_(options),
        at_(begin),
        sound_(begin),
        sink_(sink),
        progress_(progress),
        stop_(std::move(stop)) {
    for (std::size_t i = 0; i < std::min(window.log.size(), window.segments.size()); ++i) {
      entries_.push_back(catalog::entry_of(source_, shard_, lineage_, window.log[i]));
      known_.push_back({&entries_.back(), &window.segments[i]});
      indexes_.emplace(entries_.back().object, &window.segments[i]);
    }
  }

  void run() {
    while (at_ < end_) {
      std::vector<Part> parts = next_parts();
      if (parts.empty() || !read(parts)) {
        list_again();
      }
    }
  }

 private:
  using Fetched = flow::ReadAhead<Bytes>;

  static bool holds(const SegmentEntry& entry, std::int64_t offset) {
    return entry.begin <= offset && offset < entry.end;
  }

  /// The known segments from `at_` on, one behind the other; none if what comes next is not known.
  std::vector<Part> next_parts() {
    std::vector<Part> parts;
    std::int64_t reached = at_;
    for (const OpenSegment& segment : known_) {
      if (reached < end_ && parts.size() < kBatch && holds(*segment.entry, reached)) {
        parts.push_back({segment});
        reached = segment.entry->end;
      }
    }
    open_whole(parts);
    return parts;
  }

  /// Opens the indexes of encrypted segments, and finds what is to be fetched of all.
  void open_whole(std::vector<Part>& parts) {
    flow::parallel_for(
        {"index", kIndexesAtOnce}, parts.size(),
        [&](std::uint64_t number, std::stop_token inner) {
          Part& part = parts[number];
          if (part.segment.index->held_bytes == 0) {
            return;
          }
          try {
            part.whole = catalog::read_whole_index(store_, part.segment.entry->object,
                                                   *part.segment.index, inner);
          } catch (const Error& error) {
            if (error.kind() != ErrorKind::corrupt) {
              throw;
            }
            part.damage = std::current_exception();
          }
        },
        stop_);
    std::int64_t reached = at_;
    for (Part& part : parts) {
      if (part.damage) {
        return;
      }
      // After a change of objects in the middle of a link, all of that link is checked again.
      const std::int64_t from =
          reached == begin_ ? reached : boundary_before(part.index(), reached);
      part.runs = catalog::data_runs(part.index(), from, end_, run_bytes());
      reached = part.index().end;
    }
  }

  /// What one request may fetch: a few of them, and a frame inflated, must fit into the memory.
  std::uint64_t run_bytes() const {
    const std::uint64_t room = options_.memory > kBaseMemory ? options_.memory - kBaseMemory : 0;
    return std::clamp<std::uint64_t>(room / (buffers() + 1), 1, kFetchBytes);
  }

  std::size_t buffers() const { return std::max<std::size_t>(options_.connections, 1) + 1; }

  /// Reads the parts. Returns false if the object of one of them has gone.
  bool read(std::vector<Part>& parts) {
    std::vector<std::pair<const Part*, const FrameRun*>> jobs;
    for (const Part& part : parts) {
      for (const FrameRun& run : part.runs) {
        jobs.emplace_back(&part, &run);
      }
    }
    Fetched fetched(
        {"fetch", options_.connections, buffers()}, jobs.size(),
        [&](std::uint64_t number, Bytes& into, std::stop_token inner) {
          const auto& [part, run] = jobs[number];
          into.resize(static_cast<std::size_t>(run->bytes));
          store_.read(part->segment.entry->object, run->offset, into, inner);
        },
        stop_);
    return std::ranges::all_of(parts, [&](const Part& part) { return read(part, fetched); });
  }

  bool read(const Part& part, Fetched& fetched) {
    current_ = part.segment.entry->object;
    check_chain(*part.segment.index);
    try {
      read_frames(part, fetched);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::corrupt || sink_failed_) {
        throw;
      }
      if (!store_.head(current_, stop_)) {
        return false;
      }
      throw damage(fmt::format("log object {}", error.what()));
    }
    current_.clear();
    return true;
  }

  void read_frames(const Part& part, Fetched& fetched) {
    if (part.damage) {
      std::rethrow_exception(part.damage);
    }
    std::optional<catalog::SegmentDecoder> decoder;
    for (const FrameRun& run : part.runs) {
      if (!decoder) {
        decoder.emplace(current_, part.index(), run.first);
      }
      const auto stored = fetched.next(stop_);
      decoder->feed(**stored,
                    [&](ByteView raw, std::int64_t begin) { take(part.index(), raw, begin); });
    }
  }

  /// What was merged since the log was listed stands in another object now.
  void list_again() {
    known_.clear();
    listings_ = at_ == listed_at_ ? listings_ + 1 : 1;
    listed_at_ = at_;
    const auto logs = catalog::list_logs(store_, source_, shard_, stop_);
    const auto log = logs.find(lineage_);
    listed_ = log == logs.end() ? std::vector<SegmentEntry>() : catalog::cover(log->second, at_);
    std::erase_if(listed_, [&](const SegmentEntry& entry) { return entry.begin >= end_; });
    const bool goes_on =
        std::ranges::any_of(listed_, [&](const SegmentEntry& entry) { return holds(entry, at_); });
    if (!goes_on || listings_ > kListings) {
      throw damage(current_.empty() ? fmt::format("the log ends at offset {}", at_)
                                    : fmt::format("log object {} is missing", current_));
    }
    open_listed();
  }

  /// Opens what is listed and not known yet, as far as that can be read. Throws if what comes next
  /// is damaged.
  void open_listed() {
    std::vector<Opened> opened(listed_.size());
    flow::parallel_for(
        {"index", kIndexesAtOnce}, listed_.size(),
        [&](std::uint64_t number, std::stop_token inner) {
          if (!indexes_.contains(listed_[number].object)) {
            opened[number] = open(listed_[number], inner);
          }
        },
        stop_);
    for (std::size_t i = 0; i < listed_.size(); ++i) {
      const SegmentEntry& entry = listed_[i];
      if (opened[i].damage && holds(entry, at_)) {
        current_ = entry.object;
        throw damage(fmt::format("log object {}", *opened[i].damage));
      }
      if (opened[i].segment) {
        opened_.push_back(*std::move(opened[i].segment));
        indexes_.emplace(entry.object, &opened_.back());
      }
      const auto index = indexes_.find(entry.object);
      if (index == indexes_.end()) {
        current_ = entry.object;
        return;
      }
      known_.push_back({&entry, index->second});
    }
  }

  /// An index that was read, or is damaged, or neither: the object has gone.
  struct Opened {
    std::optional<Segment> segment{};
    std::optional<std::string> damage{};
  };

  Opened open(const SegmentEntry& entry, const std::stop_token& stop) const {
    try {
      return {.segment = catalog::read_segment(store_, entry, stop)};
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::corrupt) {
        throw;
      }
      return {.damage = error.what()};
    }
  }

  /// That the chain of this segment goes on from, or is the same as, that of the one before it.
  void check_chain(const Segment& segment) {
    std::map<std::int64_t, Digest> chain{{segment.begin, segment.previous}};
    Digest digest = segment.previous;
    for (const Link& link : segment.links) {
      digest = catalog::chain_after(digest, link);
      chain.emplace(link.end, digest);
    }
    const bool joined = chain_.empty() || std::ranges::any_of(chain, [&](const auto& boundary) {
                          return chain_.contains(boundary.first);
                        });
    const bool differs = std::ranges::any_of(chain, [&](const auto& boundary) {
      const auto known = chain_.find(boundary.first);
      return known != chain_.end() && known->second != boundary.second;
    });
    if (!joined || differs) {
      throw damage(fmt::format(
          "log object {} is damaged: the hash chain of the log before does not lead to it",
          current_));
    }
    chain_ = std::move(chain);
  }

  /// The last boundary of a link that is not beyond `offset`.
  static std::int64_t boundary_before(const Segment& segment, std::int64_t offset) {
    const auto next = std::ranges::upper_bound(segment.links, offset, {}, &Link::end);
    return next == segment.links.begin() ? segment.begin : std::prev(next)->end;
  }

  /// Takes what is wanted of the bytes from the offset `begin` on.
  void take(const Segment& segment, ByteView raw, std::int64_t begin) {
    const std::int64_t end = begin + static_cast<std::int64_t>(raw.size());
    if (end > at_ && at_ < end_) {
      const ByteView next = raw.subspan(length(begin, at_));
      deliver(segment, next.first(std::min<std::uint64_t>(next.size(), length(at_, end_))));
      sound_ = std::max(begin_, boundary_before(segment, at_));
    }
  }

  /// Cuts at the marks.
  void deliver(const Segment& segment, ByteView part) {
    while (!part.empty()) {
      const auto mark =
          std::ranges::upper_bound(segment.marks, at_, {}, &catalog::TimeMark::offset);
      const std::uint64_t until_mark =
          mark == segment.marks.end() ? part.size() : length(at_, mark->offset);
      const ByteView piece = part.first(std::min<std::uint64_t>(part.size(), until_mark));
      at_ += static_cast<std::int64_t>(piece.size());
      sink_failed_ = true;
      sink_(piece, mark == segment.marks.end() ? catalog::arrival(segment, segment.end) : mark->at);
      sink_failed_ = false;
      progress_.bytes += piece.size();
      part = part.subspan(piece.size());
    }
  }

  Error damage(const std::string& what) const {
    return {Side::repository, ErrorKind::corrupt,
            fmt::format("{}; the log is sound up to offset {}, which --at offset:{} restores", what,
                        sound_, sound_)};
  }

  store::ObjectStore& store_;
  const std::string source_;
  const std::string shard_;
  const std::string lineage_;
  const std::int64_t begin_;
  const std::int64_t end_;
  const ReadOptions& options_;
  std::int64_t at_;     ///< Behind the last byte handed on.
  std::int64_t sound_;  ///< The last boundary of a link up to which all is checked.
  const LogSink& sink_;
  Progress& progress_;
  const std::stop_token stop_;

  std::deque<SegmentEntry> entries_;  ///< Those of the window.
  std::vector<OpenSegment> known_;    ///< From the window, or once one of those had gone…
  std::vector<SegmentEntry> listed_;  ///< …from the repository.
  std::map<std::string, const Segment*> indexes_;  ///< All that are open, by object.
  std::deque<Segment> opened_;                     ///< Those of them that the window did not have.
  std::string current_;                            ///< The object that is read or could not be.
  std::int64_t listed_at_ = -1;
  int listings_ = 0;
  bool sink_failed_ = false;  ///< It has thrown: that is no damage of an object.

  std::map<std::int64_t, Digest> chain_;  ///< At all boundaries of the segment opened last.
};

}  // namespace

void read_log(const catalog::Catalog& catalog, const catalog::Window& window, std::int64_t begin,
              std::int64_t end, const ReadOptions& options, const LogSink& sink, Progress& progress,
              std::stop_token stop) {
  progress.total_bytes += length(begin, std::max(begin, end));
  LogReader(catalog, window, begin, end, options, sink, progress, std::move(stop)).run();
}

void read_log(const catalog::Catalog& catalog, const catalog::Window& window, std::int64_t begin,
              std::int64_t end, const LogSink& sink, Progress& progress, std::stop_token stop) {
  read_log(catalog, window, begin, end, {}, sink, progress, std::move(stop));
}

}  // namespace keyrewind::restore
