#include "restore/open_log.h"

#include "base/error.h"
#include "catalog/log.h"
#include "flow/parallel_for.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace keyrewind::restore {
namespace {

using catalog::LogSpan;
using catalog::SnapshotPoint;
using catalog::Timeline;
using catalog::TimelineEvent;
using catalog::Window;

/// Indexes are small, so many of them are on their way at once.
constexpr std::size_t kIndexesAtOnce = 16;

/// Names tell times to the second, rounded down.
constexpr std::chrono::seconds kRounding{1};

/// Spans of a window's log, from `first` to before `end`.
struct SpanRange {
  std::size_t first = 0;
  std::size_t end = 0;
};

/// The first span that holds anything behind `offset`.
std::size_t span_behind(const Window& window, std::int64_t offset) {
  const auto found = std::ranges::upper_bound(window.log, offset, {}, &LogSpan::end);
  return static_cast<std::size_t>(found - window.log.begin());
}

/// Chooses what of a window's log is to be opened.
class Choice {
 public:
  Choice(const Timeline& timeline, const Moment& moment, const std::optional<std::string>& backup)
      : timeline_(timeline), moment_(moment), backup_(backup) {
    for (const Window& window : timeline.windows) {
      newest_ = std::max(newest_, is_meant(window) ? window.until : Timestamp());
    }
  }

  SpanRange of(const Window& window) const {
    if (!is_meant(window)) {
      return {};
    }
    switch (moment_.kind) {
      case Moment::Kind::latest:
        return window.until == newest_ ? up_to(window, window.end) : SpanRange();
      case Moment::Kind::offset:
        return up_to(window, moment_.offset);
      case Moment::Kind::before_event:
        return before_event(window);
      case Moment::Kind::time:
        return around(window, moment_.time);
    }
    return {};
  }

 private:
  const SnapshotPoint* snapshot_of_backup(const Window& window) const {
    const auto found = std::ranges::find_if(
        window.snapshots, [&](const SnapshotPoint& point) { return point.commit.id == backup_; });
    return found == window.snapshots.end() ? nullptr : &*found;
  }

  bool is_meant(const Window& window) const {
    return !backup_ || snapshot_of_backup(window) != nullptr;
  }

  /// Where a restore of something behind `offset` begins to read.
  std::size_t base_before(const Window& window, std::int64_t offset) const {
    std::int64_t base = window.begin;
    if (const SnapshotPoint* const wanted = snapshot_of_backup(window)) {
      base = wanted->snapshot.offset;
    } else {
      for (const SnapshotPoint& point : window.snapshots) {
        base = point.snapshot.offset <= offset ? std::max(base, point.snapshot.offset) : base;
      }
    }
    // With the span that ends there, which tells when its last byte arrived.
    return span_behind(window, base - 1);
  }

  SpanRange up_to(const Window& window, std::int64_t offset) const {
    if (offset < window.begin || offset > window.end) {
      return {};
    }
    const std::size_t end = std::min(window.log.size(), span_behind(window, offset - 1) + 1);
    return {std::min(base_before(window, offset), end), end};
  }

  SpanRange before_event(const Window& window) const {
    SpanRange range{window.log.size(), 0};
    for (const TimelineEvent& event : timeline_.events) {
      if (event.lineage == window.lineage && event.id.starts_with(moment_.event)) {
        const SpanRange one = up_to(window, event.before);
        range = {std::min(range.first, one.first), std::max(range.end, one.end)};
      }
    }
    return range.first < range.end ? range : SpanRange();
  }

  /// The spans with the last mark before `time` and the first one behind it, wherever these are.
  SpanRange around(const Window& window, Timestamp time) const {
    if (has_clock_step(window)) {
      return {0, window.log.size()};
    }
    SpanRange near{window.log.size(), 0};
    Timestamp before = window.from;
    for (std::size_t i = 0; i < window.log.size(); ++i) {
      const Timestamp last = window.log[i].last;
      if (std::min(before, last) <= time && time <= std::max(before, last) + kRounding) {
        near = {std::min(near.first, i), i + 1};
      }
      before = last;
    }
    if (near.first >= near.end) {
      return {};
    }
    const std::size_t first = near.first == 0 ? 0 : near.first - 1;
    return {std::min(base_before(window, window.log[first].begin), first),
            std::min(near.end + 1, window.log.size())};
  }

  /// Then a time may come twice, anywhere.
  bool has_clock_step(const Window& window) const {
    return std::ranges::any_of(timeline_.events, [&](const TimelineEvent& event) {
      return event.kind == "clock_step" && event.lineage == window.lineage;
    });
  }

  const Timeline& timeline_;
  const Moment& moment_;
  const std::optional<std::string>& backup_;
  Timestamp newest_{};
};

/// Reads the indexes of the window's log. Returns false if one is damaged or has just gone.
bool open_all(const catalog::Catalog& catalog, Window& window, const std::stop_token& stop) {
  const std::string& shard = window.snapshots.front().snapshot.shard;
  window.segments.resize(window.log.size());
  std::atomic<bool> all = true;
  flow::parallel_for(
      {"index", kIndexesAtOnce}, window.log.size(),
      [&](std::uint64_t number, std::stop_token inner) {
        const auto entry =
            catalog::entry_of(catalog.source(), shard, window.lineage, window.log[number]);
        try {
          auto segment = catalog::read_segment(catalog.store(), entry, inner);
          all = all && segment.has_value();
          window.segments[number] = segment ? *std::move(segment) : catalog::Segment();
        } catch (const Error& error) {
          if (error.kind() != ErrorKind::corrupt && error.kind() != ErrorKind::incompatible) {
            throw;
          }
          all = false;
        }
      },
      stop);
  return all;
}

}  // namespace

Timeline read_timeline_for(const catalog::Catalog& catalog, const Moment& moment,
                           const std::optional<std::string>& backup, std::stop_token stop) {
  Timeline timeline = catalog::read_outline(catalog, stop);
  const Choice choice(timeline, moment, backup);
  for (Window& window : timeline.windows) {
    const SpanRange range = choice.of(window);
    window.log = std::vector<LogSpan>(window.log.begin() + static_cast<std::ptrdiff_t>(range.first),
                                      window.log.begin() + static_cast<std::ptrdiff_t>(range.end));
    if (!open_all(catalog, window, stop)) {
      return catalog::read_timeline(catalog, stop);
    }
  }
  return timeline;
}

}  // namespace keyrewind::restore
