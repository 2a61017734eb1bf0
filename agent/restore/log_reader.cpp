#include "restore/log_reader.h"

#include "base/error.h"
#include "catalog/log.h"
#include "catalog/segment.h"
#include "catalog/segment_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace keyrewind::restore {
namespace {

using catalog::Digest;
using catalog::Link;
using catalog::Segment;
using catalog::SegmentEntry;

/// How often the log is listed again without coming any further, before a segment that is listed
/// and not there is taken for missing.
constexpr int kListings = 5;

/// Thrown inside when an object has gone since it was listed, and when enough has been read.
struct Vanished {};
struct Enough {};

std::uint64_t length(std::int64_t begin, std::int64_t end) {
  return static_cast<std::uint64_t>(end - begin);
}

/// A segment to read from, with its name.
struct OpenSegment {
  const SegmentEntry* entry = nullptr;
  const Segment* index = nullptr;
};

class LogReader {
 public:
  LogReader(const catalog::Catalog& catalog, const catalog::Window& window, std::int64_t begin,
            std::int64_t end, const LogSink& sink, Progress& progress, std::stop_token stop)
      : store_(catalog.store()),
        source_(catalog.source()),
        shard_(window.snapshots.empty() ? "0" : window.snapshots.front().snapshot.shard),
        lineage_(window.lineage),
        begin_(begin),
        end_(end),
        at_(begin),
        sound_(begin),
        sink_(sink),
        progress_(progress),
        stop_(std::move(stop)) {
    for (std::size_t i = 0; i < std::min(window.objects.size(), window.segments.size()); ++i) {
      known_.push_back({&window.objects[i], &window.segments[i]});
    }
  }

  void run() {
    while (at_ < end_) {
      if (!read_next()) {
        list_again();
      }
    }
  }

 private:
  /// Reads the segment that holds what comes next. Returns false if there is none, or it has gone.
  bool read_next() {
    const std::optional<OpenSegment> segment = next_segment();
    if (!segment) {
      return false;
    }
    current_ = segment->entry->object;
    try {
      read(*segment);
    } catch (const Vanished&) {
      return false;
    }
    current_.clear();
    return true;
  }

  bool holds_next(const SegmentEntry& entry) const { return entry.begin <= at_ && at_ < entry.end; }

  /// As known before, else as listed again.
  std::optional<OpenSegment> next_segment() {
    for (const OpenSegment& segment : known_) {
      if (holds_next(*segment.entry)) {
        return segment;
      }
    }
    for (const SegmentEntry& entry : listed_) {
      if (holds_next(entry)) {
        return open(entry);
      }
    }
    return std::nullopt;
  }

  std::optional<OpenSegment> open(const SegmentEntry& entry) {
    current_ = entry.object;
    try {
      opened_ = catalog::read_segment(store_, entry, stop_);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::corrupt) {
        throw;
      }
      throw damage(fmt::format("log object {}", error.what()));
    }
    return opened_ ? std::optional(OpenSegment{&entry, &*opened_}) : std::nullopt;
  }

  /// What was merged since the log was listed stands in another object now.
  void list_again() {
    known_.clear();
    listings_ = at_ == listed_at_ ? listings_ + 1 : 1;
    listed_at_ = at_;
    const auto logs = catalog::list_logs(store_, source_, shard_, stop_);
    const auto log = logs.find(lineage_);
    listed_ = log == logs.end() ? std::vector<SegmentEntry>() : catalog::cover(log->second, at_);
    const bool goes_on =
        std::ranges::any_of(listed_, [&](const SegmentEntry& entry) { return holds_next(entry); });
    if (!goes_on || listings_ > kListings) {
      throw damage(current_.empty() ? fmt::format("the log ends at offset {}", at_)
                                    : fmt::format("log object {} is missing", current_));
    }
  }

  void read(const OpenSegment& segment) {
    check_chain(*segment.index);
    // After a change of objects in the middle of a link, all of that link is checked again.
    const std::int64_t from = at_ == begin_ ? at_ : boundary_before(*segment.index, at_);
    try {
      catalog::read_segment_data(
          store_, segment.entry->object, *segment.index, from,
          [&](ByteView raw, std::int64_t begin) { take(*segment.index, raw, begin); }, stop_);
    } catch (const Enough&) {
      return;
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::corrupt || sink_failed_) {
        throw;
      }
      if (!store_.head(segment.entry->object, stop_)) {
        throw Vanished();
      }
      throw damage(fmt::format("log object {}", error.what()));
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
    if (end > at_) {
      const ByteView next = raw.subspan(length(begin, at_));
      deliver(segment, next.first(std::min<std::uint64_t>(next.size(), length(at_, end_))));
      sound_ = std::max(begin_, boundary_before(segment, at_));
    }
    if (at_ == end_) {
      throw Enough();
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
  std::int64_t at_;     ///< Behind the last byte handed on.
  std::int64_t sound_;  ///< The last boundary of a link up to which all is checked.
  const LogSink& sink_;
  Progress& progress_;
  const std::stop_token stop_;

  std::vector<OpenSegment> known_;    ///< From the window…
  std::vector<SegmentEntry> listed_;  ///< …and once one of those had gone, from the repository.
  std::optional<Segment> opened_;     ///< The one of these that is read.
  std::string current_;               ///< The object that is read or could not be.
  std::int64_t listed_at_ = -1;
  int listings_ = 0;
  bool sink_failed_ = false;  ///< It has thrown: that is no damage of an object.

  std::map<std::int64_t, Digest> chain_;  ///< At all boundaries of the segment opened last.
};

}  // namespace

void read_log(const catalog::Catalog& catalog, const catalog::Window& window, std::int64_t begin,
              std::int64_t end, const LogSink& sink, Progress& progress, std::stop_token stop) {
  progress.total_bytes += length(begin, std::max(begin, end));
  LogReader(catalog, window, begin, end, sink, progress, std::move(stop)).run();
}

}  // namespace keyrewind::restore
