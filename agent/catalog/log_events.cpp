#include "catalog/log_events.h"

#include "base/clock.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace keyrewind::catalog {
namespace {

/// Digits of a lineage in the ids of events.
constexpr std::size_t kShownLineage = 8;

const std::string kCommand = "command";

}  // namespace

void EventFinder::add(const Segment& segment, std::vector<TimelineEvent>& events) {
  find_commands(segment, events);
  find_failovers(segment, events);
  find_resumptions(segment, events);
  find_clock_steps(segment, events);
}

void EventFinder::add(const LogPage& page, std::vector<TimelineEvent>& events) {
  for (const TimelineEvent& event : page.events) {
    if (event.kind != kCommand) {
      ++ids_[id_of(event.offset, event.kind)];
    }
    events.push_back(event);
  }
  replid_ = page.ids.back().replid;
  last_ = page.last;
}

std::string EventFinder::id_of(std::int64_t offset, const std::string& kind) const {
  return fmt::format("{}-{}-{}", lineage_.substr(0, kShownLineage), offset, kind);
}

TimelineEvent& EventFinder::add_event(const std::string& kind, std::int64_t offset, Timestamp at,
                                      std::vector<TimelineEvent>& events) {
  TimelineEvent event;
  event.id = id_of(offset, kind);
  // Several at one offset are told apart by their order, which never changes.
  const int count = ++ids_[event.id];
  if (count > 1) {
    event.id += fmt::format("-{}", count);
  }
  event.kind = kind;
  event.at = at;
  event.lineage = lineage_;
  event.offset = offset;
  event.before = offset;
  return events.emplace_back(std::move(event));
}

void EventFinder::find_commands(const Segment& segment, std::vector<TimelineEvent>& events) {
  for (const aof::NotedCommand& noted : segment.noted) {
    // Its offset alone tells it from all others.
    events.push_back({.id = fmt::format("{}-{}", lineage_.substr(0, kShownLineage), noted.end),
                      .kind = kCommand,
                      .command = noted.command,
                      .database = noted.database,
                      .at = arrival(segment, noted.end),
                      .lineage = lineage_,
                      .offset = noted.end,
                      .before = noted.before,
                      .detail = {}});
  }
  if (segment.noted_left_out != 0) {
    add_event("left_out", segment.end, segment.marks.back().at, events).detail =
        fmt::format("{} further commands up to here are not listed", segment.noted_left_out);
  }
}

void EventFinder::find_failovers(const Segment& segment, std::vector<TimelineEvent>& events) {
  for (const HistoryId& id : segment.ids) {
    if (!replid_.empty() && id.replid != replid_) {
      add_event("failover", id.offset, arrival(segment, id.offset), events).detail =
          fmt::format("the history goes on as {}", id.replid);
    }
    replid_ = id.replid;
  }
}

void EventFinder::find_resumptions(const Segment& segment, std::vector<TimelineEvent>& events) {
  for (const Resumption& resumption : segment.resumptions) {
    const auto behind = std::upper_bound(
        segment.marks.begin(), segment.marks.end(), resumption.offset,
        [](std::int64_t offset, const TimeMark& mark) { return offset < mark.offset; });
    const std::optional<TimeMark> since =
        behind == segment.marks.begin() ? last_ : *std::prev(behind);
    add_event("resumed", resumption.offset, resumption.at, events).detail =
        since ? fmt::format("from {}; nobody was attached since {}", resumption.node,
                            to_rfc3339(since->at))
              : fmt::format("from {}", resumption.node);
  }
}

/// Leaves the segment's last mark behind, so it comes after the others.
void EventFinder::find_clock_steps(const Segment& segment, std::vector<TimelineEvent>& events) {
  for (const TimeMark& mark : segment.marks) {
    if (last_ && mark.at < last_->at) {
      TimelineEvent& event = add_event("clock_step", mark.offset, mark.at, events);
      event.before = last_->offset;
      event.detail = fmt::format("the clock went back by {}", to_human(last_->at - mark.at));
    }
    last_ = mark;
  }
}

}  // namespace keyrewind::catalog
