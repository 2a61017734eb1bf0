#include "cli/timeline_view.h"

#include "base/size.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>

namespace keyrewind::cli {
namespace {

using api::stored_bytes;
using api::TimeSpan;
using catalog::Gap;
using catalog::SnapshotPoint;
using catalog::Timeline;
using catalog::TimelineEvent;
using catalog::Window;

/// Digits of a lineage that tell it from others, for people.
constexpr std::size_t kShownLineage = 8;
/// Room for "[", "]" and something between them.
constexpr std::size_t kLeastWidth = 20;

constexpr char kRestorable = '=';
constexpr char kEnd = '|';
constexpr char kGoesOn = '>';
constexpr char kSnapshot = 'S';
constexpr char kEvent = '!';
constexpr char kBoth = '*';

constexpr const char* kLegend =
    "= any moment can be restored, S snapshot, ! event, * both, | a window ends, > the newest "
    "one;\nblank: cannot be restored\n";

std::string short_name(const std::string& lineage) {
  return lineage.substr(0, kShownLineage);
}

/// "1 window", "2 windows".
std::string count(std::size_t number, const std::string& noun) {
  return fmt::format("{} {}{}", number, noun, number == 1 ? "" : "s");
}

std::size_t count_snapshots(const Timeline& timeline) {
  std::size_t number = 0;
  for (const Window& window : timeline.windows) {
    number += window.snapshots.size();
  }
  return number;
}

/// The times that bars show.
struct Scale {
  Timestamp from;
  Timestamp until;
  std::size_t columns;

  /// The column of a time; what is outside counts for the nearest one.
  std::size_t column(Timestamp time) const {
    const auto whole = static_cast<double>((until - from).count());
    if (whole <= 0) {
      return 0;
    }
    const double part = static_cast<double>((std::clamp(time, from, until) - from).count()) / whole;
    return static_cast<std::size_t>(part * static_cast<double>(columns - 1));
  }
  bool holds(Timestamp time) const { return from <= time && time <= until; }
};

Scale scale_of(const Timeline& timeline, const TimeSpan& span, std::size_t width) {
  Timestamp from = timeline.windows.front().from;
  Timestamp until = from;
  const auto widen = [&](Timestamp time) {
    from = std::min(from, time);
    until = std::max(until, time);
  };
  for (const Window& window : timeline.windows) {
    widen(window.from);
    widen(window.until);
  }
  for (const Gap& gap : timeline.gaps) {
    widen(gap.from);
    widen(gap.until);
  }
  from = std::max(from, span.from.value_or(from));
  until = std::min(until, span.until.value_or(until));
  return {from, std::max(from, until), std::max(width, kLeastWidth) - 2};
}

void mark(std::string& bar, std::size_t column, char letter) {
  char& cell = bar[column];
  cell = cell == letter || (cell != kSnapshot && cell != kEvent && cell != kBoth) ? letter : kBoth;
}

/// Windows that do not overlap, oldest first, share a bar.
using Row = std::vector<const Window*>;

std::vector<Row> rows_of(const Timeline& timeline) {
  std::vector<Row> rows;
  for (const Window& window : timeline.windows) {
    const auto free = std::find_if(
        rows.begin(), rows.end(), [&](const Row& row) { return row.back()->until <= window.from; });
    if (free == rows.end()) {
      rows.push_back({&window});
    } else {
      free->push_back(&window);
    }
  }
  return rows;
}

/// The window that is still growing, if one is.
const Window* newest(const Timeline& timeline) {
  const auto last = std::max_element(
      timeline.windows.begin(), timeline.windows.end(),
      [](const Window& left, const Window& right) { return left.until < right.until; });
  const bool is_cut_off = std::any_of(
      timeline.gaps.begin(), timeline.gaps.end(),
      [&](const Gap& gap) { return gap.lineage == last->lineage && gap.offset == last->end; });
  return is_cut_off || last->log.empty() ? nullptr : &*last;
}

/// The row in which an event is drawn: that of its window, else the first.
std::size_t row_of(const std::vector<Row>& rows, const TimelineEvent& event) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const bool is_here = std::any_of(rows[i].begin(), rows[i].end(), [&](const Window* window) {
      return window->lineage == event.lineage && window->begin <= event.offset &&
             event.offset <= window->end;
    });
    if (is_here) {
      return i;
    }
  }
  return 0;
}

void draw(std::string& bar, const Window& window, bool goes_on, const Scale& scale) {
  const std::size_t first = scale.column(window.from);
  const std::size_t last = scale.column(window.until);
  std::fill(bar.begin() + static_cast<std::ptrdiff_t>(first),
            bar.begin() + static_cast<std::ptrdiff_t>(last) + 1, kRestorable);
  if (scale.holds(window.until)) {
    bar[last] = goes_on ? kGoesOn : kEnd;
  }
  for (const SnapshotPoint& point : window.snapshots) {
    if (scale.holds(point.snapshot.taken)) {
      mark(bar, scale.column(point.snapshot.taken), kSnapshot);
    }
  }
}

/// "from … until" at both ends of a line as wide as the bars.
std::string scale_line(const Scale& scale) {
  const std::string from = to_rfc3339(scale.from);
  const std::string until = to_rfc3339(scale.until);
  const std::size_t width = scale.columns + 2;
  if (from == until) {
    return from;
  }
  const std::size_t room = std::max(width, from.size() + 2 + until.size()) - from.size();
  return fmt::format("{}{:>{}}", from, until, room);
}

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

std::string to_line(const Window& window) {
  const std::string log = window.log.empty()
                              ? std::string("no log")
                              : fmt::format("{} of {}", count(window.log.size(), "segment"),
                                            to_human_size(stored_bytes(window)));
  return fmt::format("{}  to  {}  lineage {}, offset {} to {}, {}, {}", to_rfc3339(window.from),
                     to_rfc3339(window.until), short_name(window.lineage), window.begin, window.end,
                     count(window.snapshots.size(), "snapshot"), log);
}

std::string to_line(const Gap& gap) {
  return fmt::format("{}  to  {}  behind offset {} of {}: {}", to_rfc3339(gap.from),
                     to_rfc3339(gap.until), gap.offset, short_name(gap.lineage), gap.reason);
}

std::string to_line(const TimelineEvent& event) {
  std::string what = event.command.empty() ? event.kind : event.command;
  if (event.database) {
    what += fmt::format(" in database {}", *event.database);
  }
  if (!event.detail.empty()) {
    what += ": " + one_line(event.detail);
  }
  return fmt::format("{}  {}  {}", to_rfc3339(event.at), event.id, what);
}

void add_title(std::string& text, const std::string& title) {
  text += fmt::format("\n{}\n", title);
}

void add_line(std::string& text, const std::string& line) {
  text += fmt::format("  {}\n", line);
}

template <typename Things>
void add_list(std::string& text, const std::string& title, const Things& things) {
  if (things.empty()) {
    return;
  }
  add_title(text, title);
  for (const auto& thing : things) {
    add_line(text, to_line(thing));
  }
}

void add_snapshots(std::string& text, const Timeline& timeline) {
  if (timeline.windows.empty()) {
    return;
  }
  add_title(text, "Snapshots");
  for (const Window& window : timeline.windows) {
    for (const SnapshotPoint& point : window.snapshots) {
      add_line(text,
               fmt::format("{}  {}  offset {} of {}", to_rfc3339(point.snapshot.taken),
                           point.commit.id, point.snapshot.offset, short_name(window.lineage)));
    }
  }
}

bool is_empty(const Timeline& timeline) {
  return timeline.windows.empty() && timeline.gaps.empty() && timeline.events.empty();
}

std::string nothing_of(const std::string& source, const TimeSpan& span) {
  return span.from || span.until ? fmt::format("nothing of {} in this time\n", source)
                                 : fmt::format("no backup of {} yet\n", source);
}

std::string headline(const std::string& source, const Timeline& timeline) {
  if (timeline.windows.empty()) {
    return fmt::format("{}: nothing can be restored, {}\n", source,
                       count(timeline.events.size(), "event"));
  }
  return fmt::format("{}: {}, {}, {}, {}\n", source, count(timeline.windows.size(), "window"),
                     count(timeline.gaps.size(), "gap"),
                     count(count_snapshots(timeline), "snapshot"),
                     count(timeline.events.size(), "event"));
}

}  // namespace

std::vector<std::string> timeline_bars(const Timeline& timeline, const TimeSpan& span,
                                       std::size_t width) {
  if (timeline.windows.empty()) {
    return {};
  }
  const Scale scale = scale_of(timeline, span, width);
  const std::vector<Row> rows = rows_of(timeline);
  const Window* const growing = newest(timeline);
  std::vector<std::string> bars(rows.size(), std::string(scale.columns, ' '));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (const Window* window : rows[i]) {
      draw(bars[i], *window, window == growing, scale);
    }
  }
  for (const TimelineEvent& event : timeline.events) {
    if (scale.holds(event.at)) {
      mark(bars[row_of(rows, event)], scale.column(event.at), kEvent);
    }
  }
  for (std::string& bar : bars) {
    bar = "[" + bar + "]";
  }
  return bars;
}

std::string to_text(const std::string& source, const Timeline& timeline, const TimeSpan& span,
                    std::size_t width) {
  if (is_empty(timeline) && timeline.problems.empty()) {
    return nothing_of(source, span);
  }
  std::string text = headline(source, timeline);
  if (!timeline.windows.empty()) {
    text += '\n';
    for (const std::string& bar : timeline_bars(timeline, span, width)) {
      text += bar + "\n";
    }
    text += scale_line(scale_of(timeline, span, width)) + "\n" + kLegend;
  }
  add_list(text, "Windows", timeline.windows);
  add_list(text, "Gaps", timeline.gaps);
  add_snapshots(text, timeline);
  add_list(text, "Events", timeline.events);
  if (!timeline.events.empty()) {
    text += "  keyrewind restore --at before:EVENT-ID restores the moment before one\n";
  }
  if (!timeline.problems.empty()) {
    add_title(text, "Problems");
    for (const std::string& problem : timeline.problems) {
      add_line(text, one_line(problem));
    }
  }
  return text;
}

}  // namespace keyrewind::cli
