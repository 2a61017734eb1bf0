#include "restore/moment.h"

#include "base/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <string_view>
#include <utility>

namespace keyrewind::restore {
namespace {

using catalog::SnapshotPoint;
using catalog::TimelineEvent;
using catalog::TimeMark;
using catalog::Window;

/// The shortest beginning of an event's id that is taken for it.
constexpr std::size_t kShortestPrefix = 4;
/// Digits of a lineage that tell it from others, for people.
constexpr std::size_t kShownLineage = 8;

constexpr std::string_view kOffset = "offset:";
constexpr std::string_view kBefore = "before:";

Error no_backup(const std::string& why) {
  return {Side::repository, ErrorKind::no_backup, why};
}

std::string short_name(const std::string& lineage) {
  return lineage.substr(0, kShownLineage);
}

std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc() || end != text.data() + text.size() || number < 0) {
    return std::nullopt;
  }
  return number;
}

/// RFC 3339 with "Z" or an offset from UTC such as "+01:00".
std::optional<Timestamp> parse_time(std::string_view text) {
  constexpr std::size_t kZone = std::string_view("+01:00").size();
  if (text.ends_with('Z') || text.size() < kZone) {
    return from_rfc3339(text);
  }
  const std::string_view zone = text.substr(text.size() - kZone);
  if ((zone[0] != '+' && zone[0] != '-') || zone[3] != ':') {
    return std::nullopt;
  }
  const auto hours = whole_number(zone.substr(1, 2));
  const auto minutes = whole_number(zone.substr(4, 2));
  const auto local = from_rfc3339(std::string(text.substr(0, text.size() - kZone)) + "Z");
  if (!hours || !minutes || *hours > 23 || *minutes > 59 || !local) {
    return std::nullopt;
  }
  const auto ahead = std::chrono::hours(*hours) + std::chrono::minutes(*minutes);
  return zone[0] == '+' ? *local - ahead : *local + ahead;
}

/// The marks of a window in the order of offsets, from the one that its first snapshot is.
std::vector<TimeMark> marks_of(const Window& window) {
  std::vector<TimeMark> marks{{window.begin, window.from}};
  for (const catalog::Segment& segment : window.segments) {
    for (const TimeMark& mark : segment.marks) {
      if (mark.offset > window.begin && mark.offset <= window.end) {
        marks.push_back(mark);
      }
    }
  }
  return marks;
}

bool holds(const Window& window, std::int64_t offset) {
  return window.begin <= offset && offset <= window.end;
}

/// The earliest and the latest time of a window, whatever its clock did.
std::pair<Timestamp, Timestamp> span_of(const Window& window) {
  Timestamp earliest = std::min(window.from, window.until);
  Timestamp latest = std::max(window.from, window.until);
  for (const TimeMark& mark : marks_of(window)) {
    earliest = std::min(earliest, mark.at);
    latest = std::max(latest, mark.at);
  }
  return {earliest, latest};
}

bool holds(const Window& window, Timestamp time) {
  const auto [earliest, latest] = span_of(window);
  return earliest <= time && time <= latest;
}

/// "2026-11-20T13:02:21.123Z (offset:12345)"
std::string describe(Timestamp at, std::int64_t offset) {
  return fmt::format("{} (offset:{})", to_rfc3339(at), offset);
}

/// The moments next to one that can't be restored, for people.
struct Neighbours {
  std::optional<std::string> before;
  std::optional<std::string> after;
};

std::string to_hint(const Neighbours& next) {
  if (next.before && next.after) {
    return fmt::format("the nearest moments that can be restored are {} before and {} after it",
                       *next.before, *next.after);
  }
  if (next.before) {
    return fmt::format("the last moment before it that can be restored is {}", *next.before);
  }
  if (next.after) {
    return fmt::format("the first moment that can be restored is {}", *next.after);
  }
  return "there is nothing that can be restored";
}

Neighbours next_to(const std::vector<const Window*>& windows, Timestamp time) {
  const Window* before = nullptr;
  const Window* after = nullptr;
  for (const Window* window : windows) {
    if (window->until <= time && (before == nullptr || window->until >= before->until)) {
      before = window;
    }
    if (window->from > time && (after == nullptr || window->from < after->from)) {
      after = window;
    }
  }
  Neighbours next;
  if (before != nullptr) {
    next.before = describe(before->until, before->end);
  }
  if (after != nullptr) {
    next.after = describe(after->from, after->begin);
  }
  return next;
}

Neighbours next_to(const std::vector<const Window*>& windows, std::int64_t offset) {
  const Window* before = nullptr;
  const Window* after = nullptr;
  for (const Window* window : windows) {
    if (window->end < offset && (before == nullptr || window->end >= before->end)) {
      before = window;
    }
    if (window->begin > offset && (after == nullptr || window->begin < after->begin)) {
      after = window;
    }
  }
  Neighbours next;
  if (before != nullptr) {
    next.before = describe(before->until, before->end);
  }
  if (after != nullptr) {
    next.after = describe(after->from, after->begin);
  }
  return next;
}

/// What the state at a time is, within one window.
struct StateAt {
  TimeMark mark;                    ///< The last one that had come by then.
  std::optional<TimeMark> earlier;  ///< The other one, where the clock was set back.
};

std::optional<StateAt> state_at(const Window& window, Timestamp time) {
  std::optional<TimeMark> last;
  std::optional<TimeMark> before_passing;  // The last mark before the clock first went past `time`.
  bool passed = false;
  for (const TimeMark& mark : marks_of(window)) {
    if (mark.at > time) {
      before_passing = passed ? before_passing : last;
      passed = true;
    } else {
      last = mark;
    }
  }
  if (!last) {
    return std::nullopt;
  }
  StateAt state{*last, std::nullopt};
  if (before_passing && before_passing->offset < last->offset) {
    state.earlier = before_passing;
  }
  return state;
}

/// When the stream was taken up again after `mark`, if nobody was attached at `time`.
std::optional<Timestamp> unattended_until(const Window& window, const TimeMark& mark,
                                          Timestamp time) {
  const std::vector<TimeMark> marks = marks_of(window);
  const auto next = std::ranges::upper_bound(marks, mark.offset, {}, &TimeMark::offset);
  for (const catalog::Segment& segment : window.segments) {
    for (const catalog::Resumption& resumption : segment.resumptions) {
      const bool follows_mark = resumption.offset >= mark.offset &&
                                (next == marks.end() || resumption.offset < next->offset);
      if (follows_mark && resumption.at > time) {
        return resumption.at;
      }
    }
  }
  return std::nullopt;
}

/// Finds one moment on one timeline.
class Finder {
 public:
  Finder(const catalog::Timeline& timeline, const std::optional<std::string>& backup)
      : timeline_(timeline), backup_(backup) {
    for (const Window& window : timeline.windows) {
      if (!backup || base_in(window) != nullptr) {
        windows_.push_back(&window);
      }
    }
    if (backup && windows_.empty()) {
      throw no_backup(fmt::format(
          "backup {} can't be read and is no base for a restore; leave it out to use another",
          *backup));
    }
  }

  RestorePoint find(const Moment& moment) const {
    switch (moment.kind) {
      case Moment::Kind::latest:
        return latest();
      case Moment::Kind::time:
        return at_time(moment.time);
      case Moment::Kind::offset:
        return at_offset(moment.offset);
      case Moment::Kind::before_event:
        return before_event(moment.event);
    }
    throw Error(ErrorKind::internal, "a moment of no kind");
  }

 private:
  RestorePoint latest() const {
    const Window* newest = nullptr;
    for (const Window* window : windows_) {
      if (newest == nullptr || window->until >= newest->until) {
        newest = window;
      }
    }
    if (newest == nullptr) {
      throw no_backup("there is nothing that can be restored");
    }
    const std::string name = "the latest moment";
    RestorePoint result = point(name, *newest, newest->end, newest->until);
    if (const catalog::Gap* const gap = gap_behind(*newest)) {
      if (is_damage(*gap)) {
        throw refusal(name, {.gap = gap, .text = in_gap(*gap)},
                      to_hint(next_to(windows_, gap->until)));
      }
      result.notes.push_back(fmt::format("what came from {} to {} can't be restored: {}",
                                         to_rfc3339(gap->from), to_rfc3339(gap->until),
                                         gap->reason));
    }
    return result;
  }

  RestorePoint at_time(Timestamp time) const {
    const std::string name = to_rfc3339(time);
    const Window* found = nullptr;
    std::size_t count = 0;
    for (const Window* window : windows_) {
      if (holds(*window, time)) {
        found = window;
        ++count;
      }
    }
    const auto state = found == nullptr ? std::nullopt : state_at(*found, time);
    if (!state) {
      throw refusal(name, why_not(time), to_hint(next_to(windows_, time)));
    }
    RestorePoint result = point(name, *found, state->mark.offset, state->mark.at);
    if (state->earlier) {
      result.notes.push_back(fmt::format(
          "the clock was set back, so that {} came twice; this is the later one, the earlier one "
          "is offset:{}",
          name, state->earlier->offset));
    }
    if (count > 1) {
      result.notes.push_back(fmt::format("{} lies in {} lineages; this is the newest, {}", name,
                                         count, short_name(found->lineage)));
    }
    if (const auto until = unattended_until(*found, state->mark, time)) {
      result.notes.push_back(
          fmt::format("nobody was attached from {} to {}; this is the state at {}",
                      to_rfc3339(state->mark.at), to_rfc3339(*until), to_rfc3339(state->mark.at)));
    }
    return result;
  }

  RestorePoint at_offset(std::int64_t offset) const {
    const Window* found = nullptr;
    std::size_t count = 0;
    for (const Window* window : windows_) {
      if (holds(*window, offset)) {
        found = window;
        ++count;
      }
    }
    const std::string name = fmt::format("offset {}", offset);
    if (found == nullptr) {
      throw refusal(name, why_not(offset), to_hint(next_to(windows_, offset)));
    }
    RestorePoint result = point(name, *found, offset, arrival_in(*found, offset));
    if (count > 1) {
      result.notes.push_back(fmt::format("{} lies in {} lineages; this is the newest, {}", name,
                                         count, short_name(found->lineage)));
    }
    return result;
  }

  RestorePoint before_event(const std::string& id) const {
    const TimelineEvent& event = find_event(id);
    const std::string name = fmt::format("the moment before event {}", event.id);
    for (const Window* window : windows_) {
      if (window->lineage == event.lineage && holds(*window, event.before)) {
        return point(name, *window, event.before, arrival_in(*window, event.before));
      }
    }
    std::vector<const Window*> same_lineage;
    std::ranges::copy_if(windows_, std::back_inserter(same_lineage),
                         [&](const Window* window) { return window->lineage == event.lineage; });
    if (same_lineage.empty()) {
      throw no_backup(fmt::format("{} {}", name, outside()));
    }
    throw refusal(fmt::format("{}, offset {},", name, event.before), why_not(event.before),
                  to_hint(next_to(same_lineage, event.before)));
  }

  const TimelineEvent& find_event(const std::string& id) const {
    const TimelineEvent* found = nullptr;
    for (const TimelineEvent& event : timeline_.events) {
      if (event.id == id) {
        return event;
      }
      if (id.size() < kShortestPrefix || !event.id.starts_with(id)) {
        continue;
      }
      if (found != nullptr) {
        throw no_backup(
            fmt::format("several events begin with '{}', such as {} and {}; give more of the id",
                        id, found->id, event.id));
      }
      found = &event;
    }
    if (found == nullptr) {
      throw no_backup(fmt::format("no event '{}'; 'keyrewind timeline' shows those there are", id));
    }
    return *found;
  }

  /// Why a time or an offset is in no window, and the gap that it is in, if it is that.
  struct Reason {
    const catalog::Gap* gap = nullptr;
    std::string text;
  };

  Reason why_not(Timestamp time) const {
    for (const catalog::Gap& gap : timeline_.gaps) {
      if (gap.from <= time && time <= gap.until) {
        return {&gap, in_gap(gap)};
      }
    }
    return {nullptr, outside()};
  }

  Reason why_not(std::int64_t offset) const {
    const catalog::Gap* last = nullptr;
    for (const catalog::Gap& gap : timeline_.gaps) {
      // Only what the repository is known to have had behind it is in the gap, not beyond the end.
      const bool goes_on =
          is_damage(gap) || std::ranges::any_of(windows_, [&](const Window* window) {
            return window->lineage == gap.lineage && window->begin > offset;
          });
      if (gap.offset < offset && goes_on && (last == nullptr || last->offset <= gap.offset)) {
        last = &gap;
      }
    }
    return last != nullptr ? Reason{last, in_gap(*last)} : Reason{nullptr, outside()};
  }

  static std::string in_gap(const catalog::Gap& gap) {
    return fmt::format("lies in a gap from {} to {}: {}", to_rfc3339(gap.from),
                       to_rfc3339(gap.until), gap.reason);
  }

  std::string outside() const { return "lies outside of what can be restored" + of_backup(); }

  /// Whether the repository once had what is missing there.
  bool is_damage(const catalog::Gap& gap) const {
    return std::ranges::any_of(timeline_.problems, [&](const std::string& problem) {
      return gap.reason.starts_with(problem.substr(0, problem.find(": ")));
    });
  }

  const catalog::Gap* gap_behind(const Window& window) const {
    const auto found = std::ranges::find_if(timeline_.gaps, [&](const catalog::Gap& gap) {
      return gap.lineage == window.lineage && gap.offset == window.end;
    });
    return found == timeline_.gaps.end() ? nullptr : &*found;
  }

  Error refusal(const std::string& name, const Reason& reason, const std::string& hint) const {
    const bool damaged = reason.gap != nullptr && is_damage(*reason.gap);
    return {Side::repository, damaged ? ErrorKind::corrupt : ErrorKind::no_backup,
            fmt::format("{} {}; {}", name, reason.text, hint)};
  }

  std::string of_backup() const { return backup_ ? " from backup " + *backup_ : ""; }

  /// The snapshot of the wanted backup, if the window has it.
  const SnapshotPoint* base_in(const Window& window) const {
    const auto found = std::ranges::find_if(window.snapshots, [&](const SnapshotPoint& snapshot) {
      return snapshot.commit.id == backup_;
    });
    return found == window.snapshots.end() ? nullptr : &*found;
  }

  /// The snapshot to begin with.
  const SnapshotPoint& base_of(const std::string& name, const Window& window,
                               std::int64_t offset) const {
    if (const SnapshotPoint* const base = base_in(window)) {
      if (base->snapshot.offset > offset) {
        throw no_backup(
            fmt::format("{} is offset {}, but backup {} was taken later, at offset {}; leave it "
                        "out to use an earlier one",
                        name, offset, base->commit.id, base->snapshot.offset));
      }
      return *base;
    }
    const SnapshotPoint* best = nullptr;
    for (const SnapshotPoint& snapshot : window.snapshots) {
      if (snapshot.snapshot.offset <= offset &&
          (best == nullptr || snapshot.snapshot.offset >= best->snapshot.offset)) {
        best = &snapshot;
      }
    }
    if (best == nullptr) {
      throw Error(ErrorKind::internal,
                  fmt::format("no snapshot in front of {}, offset {}", name, offset));
    }
    return *best;
  }

  RestorePoint point(const std::string& name, const Window& window, std::int64_t offset,
                     Timestamp at) const {
    return {base_of(name, window, offset), window, offset, at, {}};
  }

  const catalog::Timeline& timeline_;
  const std::optional<std::string>& backup_;
  std::vector<const Window*> windows_;
};

}  // namespace

Moment parse_moment(const std::string& text) {
  Moment moment;
  if (text == "latest") {
    return moment;
  }
  if (text.starts_with(kOffset)) {
    if (const auto offset = whole_number(std::string_view(text).substr(kOffset.size()))) {
      moment.kind = Moment::Kind::offset;
      moment.offset = *offset;
      return moment;
    }
  } else if (text.starts_with(kBefore)) {
    moment.kind = Moment::Kind::before_event;
    moment.event = text.substr(kBefore.size());
    if (moment.event.size() >= kShortestPrefix) {
      return moment;
    }
  } else if (const auto time = parse_time(text)) {
    moment.kind = Moment::Kind::time;
    moment.time = *time;
    return moment;
  }
  throw Error(ErrorKind::config,
              fmt::format("'{}' is no moment; give a time such as 2026-11-20T13:02:21Z or "
                          "2026-11-20T14:02:21+01:00, or latest, offset:12345, before:EVENT-ID",
                          text));
}

catalog::HoldRequest hold_request(const std::string& by, const RestorePoint& point) {
  return {.by = by,
          .backup = point.base.commit,
          .lineage = point.needs_log() ? point.window.lineage : std::string(),
          .offset = point.base.snapshot.offset};
}

RestorePoint own_moment(const catalog::Commit& commit, const catalog::Snapshot& snapshot) {
  RestorePoint point;
  point.base = {commit, snapshot};
  point.window.lineage = snapshot.lineage;
  point.window.begin = point.window.end = snapshot.offset;
  point.window.from = point.window.until = snapshot.taken;
  point.window.snapshots = {point.base};
  point.offset = snapshot.offset;
  point.at = snapshot.taken;
  return point;
}

Timestamp arrival_in(const Window& window, std::int64_t offset) {
  if (offset <= window.begin) {
    return window.from;
  }
  for (const catalog::Segment& segment : window.segments) {
    if (offset > segment.begin && offset <= segment.end) {
      return catalog::arrival(segment, offset);
    }
  }
  return window.until;
}

RestorePoint find_restore_point(const catalog::Timeline& timeline, const Moment& moment,
                                const std::optional<std::string>& backup) {
  return Finder(timeline, backup).find(moment);
}

}  // namespace keyrewind::restore
