#include "catalog/timeline.h"

#include "base/error.h"
#include "catalog/commits.h"
#include "catalog/log_runs.h"
#include "catalog/repository.h"
#include "flow/parallel_for.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <string_view>
#include <tuple>
#include <utility>

namespace keyrewind::catalog {
namespace {

/// A source that is no cluster has this one shard.
const std::string kOnlyShard = "0";

/// So many manifests are on their way at once: each is small, and the store may be far away.
constexpr std::size_t kManifestsAtOnce = 16;

/// Digits of a lineage in the ids of events.
constexpr std::size_t kShownLineage = 8;

bool is_damage(const Error& error) {
  return error.kind() == ErrorKind::corrupt || error.kind() == ErrorKind::incompatible;
}

/// What a backup is made of, or why it can't be read; neither if it was removed just now.
struct ReadBackup {
  std::optional<BackupParts> backup{};
  std::vector<SnapshotPoint> points{};
  std::optional<std::string> problem{};
};

ReadBackup read_backup(const Catalog& catalog, const CommitEntry& entry,
                       const std::stop_token& stop) {
  std::optional<Commit> commit = read_commit(catalog.store(), catalog.source(), entry, stop);
  if (!commit) {
    return {};
  }
  ReadBackup read{.backup = BackupParts{*std::move(commit), {}}};
  try {
    Manifest manifest = catalog.manifest(read.backup->commit, stop);
    for (Snapshot& snapshot : manifest.snapshots) {
      read.backup->parts.push_back(snapshot.object);
      if (snapshot.shard == kOnlyShard) {
        read.points.push_back({read.backup->commit, std::move(snapshot)});
      }
    }
    if (manifest.details) {
      read.backup->parts.push_back(*std::move(manifest.details));
    }
  } catch (const Error& error) {
    if (is_damage(error) && !catalog.store().head(entry.object, stop)) {
      return {};
    }
    throw;
  }
  return read;
}

ReadBackup try_backup(const Catalog& catalog, const CommitEntry& entry,
                      const std::stop_token& stop) {
  try {
    return read_backup(catalog, entry, stop);
  } catch (const Error& error) {
    if (!is_damage(error)) {
      throw;
    }
    return {.problem = fmt::format("backup {}: {}", entry.name.id, error.what())};
  }
}

/// Reads all backups into `timeline`, and gives their snapshots.
std::vector<SnapshotPoint> read_backups(const Catalog& catalog, Timeline& timeline,
                                        const std::stop_token& stop) {
  const auto entries = list_commits(catalog.store(), catalog.source(), stop);
  std::vector<ReadBackup> read(entries.size());
  flow::parallel_for(
      {"manifest", kManifestsAtOnce}, entries.size(),
      [&](std::uint64_t number, std::stop_token inner) {
        read[number] = try_backup(catalog, entries[number], inner);
      },
      stop);
  std::vector<SnapshotPoint> snapshots;
  for (std::size_t i = 0; i < read.size(); ++i) {
    std::ranges::move(read[i].points, std::back_inserter(snapshots));
    if (read[i].problem) {
      timeline.problems.push_back(*std::move(read[i].problem));
      timeline.unreadable_backups.push_back(entries[i].name.id);
    } else if (read[i].backup) {
      timeline.backups.push_back(*std::move(read[i].backup));
    }
  }
  return snapshots;
}

/// Whether the history goes by `replid` at `offset`: where the id changes, by both.
bool is_on(const LogRun& run, const std::string& replid, std::int64_t offset) {
  if (offset < run.begin() || offset > run.end()) {
    return false;
  }
  const HistoryId* last = nullptr;
  for (const Segment& segment : run.segments) {
    for (const HistoryId& id : segment.ids) {
      if (last != nullptr && last->replid == replid && offset <= id.offset) {
        return true;
      }
      if (id.offset > offset) {
        return false;
      }
      last = &id;
    }
  }
  return last != nullptr && last->replid == replid;
}

/// The run that a snapshot is on: rather of the lineage that it names than of another.
const LogRun* run_of(const std::vector<LogRun>& runs, const Snapshot& snapshot) {
  const LogRun* found = nullptr;
  for (const LogRun& run : runs) {
    if (is_on(run, snapshot.replid, snapshot.offset)) {
      if (run.lineage == snapshot.lineage) {
        return &run;
      }
      found = found == nullptr ? &run : found;
    }
  }
  return found;
}

/// A window with its snapshots in order, and no log yet.
Window window_of(const std::string& lineage, std::vector<SnapshotPoint> snapshots) {
  std::stable_sort(snapshots.begin(), snapshots.end(),
                   [](const SnapshotPoint& a, const SnapshotPoint& b) {
                     return std::tie(a.snapshot.offset, a.commit.sequence) <
                            std::tie(b.snapshot.offset, b.commit.sequence);
                   });
  Window window;
  window.lineage = lineage;
  window.begin = snapshots.front().snapshot.offset;
  window.end = snapshots.back().snapshot.offset;
  window.from = snapshots.front().snapshot.taken;
  window.until = snapshots.back().snapshot.taken;
  window.snapshots = std::move(snapshots);
  return window;
}

void add_log(Window& window, const LogRun& run) {
  for (std::size_t i = 0; i < run.segments.size(); ++i) {
    if (run.segments[i].end > window.begin) {
      window.log.push_back(run.spans[i]);
      window.objects.push_back(run.objects[i]);
      window.segments.push_back(run.segments[i]);
    }
  }
  if (!window.segments.empty()) {
    window.end = run.end();
    window.until = run.last();
  }
}

std::vector<Window> find_windows(const std::vector<LogRun>& runs,
                                 std::vector<SnapshotPoint> snapshots) {
  std::map<const LogRun*, std::vector<SnapshotPoint>> on_log;
  std::map<std::pair<std::string, std::int64_t>, std::vector<SnapshotPoint>> alone;
  for (SnapshotPoint& point : snapshots) {
    if (const LogRun* const run = run_of(runs, point.snapshot)) {
      on_log[run].push_back(std::move(point));
    } else {
      alone[{point.snapshot.replid, point.snapshot.offset}].push_back(std::move(point));
    }
  }
  std::vector<Window> windows;
  for (auto& [run, points] : on_log) {
    windows.push_back(window_of(run->lineage, std::move(points)));
    add_log(windows.back(), *run);
  }
  for (auto& [position, points] : alone) {
    const std::string lineage = points.front().snapshot.lineage;
    windows.push_back(window_of(lineage, std::move(points)));
  }
  std::sort(windows.begin(), windows.end(), [](const Window& a, const Window& b) {
    return std::tie(a.from, a.until, a.lineage, a.begin) <
           std::tie(b.from, b.until, b.lineage, b.begin);
  });
  return windows;
}

/// Why nothing can be restored behind `window`, up to `until`.
std::string reason_behind(const Window& window, Timestamp until, const LogRuns& log,
                          const std::vector<Event>& events) {
  for (const LogBreak& broken : log.breaks) {
    const bool is_within = broken.begin <= window.end && window.end < broken.end;
    if (broken.lineage == window.lineage && (is_within || broken.begin == window.end)) {
      return broken.reason;
    }
  }
  const auto trim = log.trims.find(window.lineage);
  if (trim != log.trims.end() && window.end < trim->second) {
    return "retention removed the log behind it";
  }
  const Event* found = nullptr;
  for (const Event& event : events) {
    if (event.kind != "gap") {
      continue;
    }
    if (event.lineage == window.lineage && event.offset == window.end) {
      return event.detail;
    }
    if (found == nullptr && window.until <= event.at && event.at <= until) {
      found = &event;
    }
  }
  if (found != nullptr) {
    return found->detail;
  }
  return window.segments.empty() ? "no log goes on from the snapshot" : "the log ends here";
}

/// Whether any window lies on `run`.
bool is_used(const std::vector<Window>& windows, const LogRun& run) {
  return std::any_of(windows.begin(), windows.end(), [&](const Window& window) {
    return window.lineage == run.lineage && run.begin() <= window.begin &&
           window.begin <= run.end();
  });
}

/// Those of which no window has any segment: a snapshot may stand just at their ends.
std::vector<LogRun> take_unused(const std::vector<Window>& windows, std::vector<LogRun> runs) {
  std::erase_if(runs, [&](const LogRun& run) {
    return std::any_of(windows.begin(), windows.end(), [&](const Window& window) {
      return !window.log.empty() && window.lineage == run.lineage && run.begin() <= window.begin &&
             window.begin < run.end();
    });
  });
  return runs;
}

/// The time of the last byte that the repository holds, or held, without a snapshot to put it on.
Timestamp last_unreachable(const std::vector<Window>& windows, const LogRuns& log) {
  Timestamp last{};
  for (const LogRun& run : log.runs) {
    if (!is_used(windows, run)) {
      last = std::max(last, run.last());
    }
  }
  for (const LogBreak& broken : log.breaks) {
    last = std::max(last, broken.last);
  }
  return last;
}

/// What lies between the windows, and behind the last one if there is log that no snapshot is on.
std::vector<Gap> find_gaps(const std::vector<Window>& windows, const LogRuns& log,
                           const std::vector<Event>& events) {
  std::vector<Gap> gaps;
  const Window* before = nullptr;
  const auto note_gap = [&](Timestamp until) {
    if (before != nullptr && before->until < until) {
      gaps.push_back({before->until, until, before->lineage, before->end,
                      reason_behind(*before, until, log, events)});
    }
  };
  for (const Window& window : windows) {
    note_gap(window.from);
    if (before == nullptr || before->until <= window.until) {
      before = &window;
    }
  }
  note_gap(last_unreachable(windows, log));
  return gaps;
}

/// What a run of the log shows by itself.
class EventFinder {
 public:
  EventFinder(const LogRun& run, std::vector<TimelineEvent>& events) : run_(run), events_(events) {}

  void find() {
    for (const Segment& segment : run_.segments) {
      find_commands(segment);
      find_failovers(segment);
      find_resumptions(segment);
      find_clock_steps(segment);
    }
  }

 private:
  TimelineEvent& add(const std::string& kind, std::int64_t offset, Timestamp at) {
    TimelineEvent event;
    event.id = fmt::format("{}-{}-{}", run_.lineage.substr(0, kShownLineage), offset, kind);
    // Several at one offset are told apart by their order, which never changes.
    const int count = ++ids_[event.id];
    if (count > 1) {
      event.id += fmt::format("-{}", count);
    }
    event.kind = kind;
    event.at = at;
    event.lineage = run_.lineage;
    event.offset = offset;
    event.before = offset;
    return events_.emplace_back(std::move(event));
  }

  void find_commands(const Segment& segment) {
    for (const aof::NotedCommand& noted : segment.noted) {
      TimelineEvent& event = add("command", noted.end, arrival(segment, noted.end));
      event.id = fmt::format("{}-{}", run_.lineage.substr(0, kShownLineage), noted.end);
      event.command = noted.command;
      event.database = noted.database;
      event.before = noted.before;
    }
    if (segment.noted_left_out != 0) {
      add("left_out", segment.end, segment.marks.back().at).detail =
          fmt::format("{} further commands up to here are not listed", segment.noted_left_out);
    }
  }

  void find_failovers(const Segment& segment) {
    for (const HistoryId& id : segment.ids) {
      if (!replid_.empty() && id.replid != replid_) {
        add("failover", id.offset, arrival(segment, id.offset)).detail =
            fmt::format("the history goes on as {}", id.replid);
      }
      replid_ = id.replid;
    }
  }

  void find_resumptions(const Segment& segment) {
    for (const Resumption& resumption : segment.resumptions) {
      const auto behind = std::upper_bound(
          segment.marks.begin(), segment.marks.end(), resumption.offset,
          [](std::int64_t offset, const TimeMark& mark) { return offset < mark.offset; });
      const std::optional<Timestamp> since =
          behind == segment.marks.begin() ? last_mark_ : std::prev(behind)->at;
      add("resumed", resumption.offset, resumption.at).detail =
          since ? fmt::format("from {}; nobody was attached since {}", resumption.node,
                              to_rfc3339(*since))
                : fmt::format("from {}", resumption.node);
    }
  }

  /// Leaves the segment's last mark behind, so it comes after the others.
  void find_clock_steps(const Segment& segment) {
    for (const TimeMark& mark : segment.marks) {
      if (last_mark_ && mark.at < *last_mark_) {
        TimelineEvent& event = add("clock_step", mark.offset, mark.at);
        event.before = last_offset_;
        event.detail = fmt::format("the clock went back by {}", to_human(*last_mark_ - mark.at));
      }
      last_mark_ = mark.at;
      last_offset_ = mark.offset;
    }
  }

  const LogRun& run_;
  std::vector<TimelineEvent>& events_;
  std::map<std::string, int> ids_;
  std::string replid_;
  std::optional<Timestamp> last_mark_;
  std::int64_t last_offset_ = 0;
};

std::vector<TimelineEvent> find_events(const std::vector<LogRun>& runs,
                                       const std::vector<Event>& stored) {
  std::vector<TimelineEvent> events;
  for (const LogRun& run : runs) {
    EventFinder(run, events).find();
  }
  for (const Event& event : stored) {
    events.push_back({.id = event.id,
                      .kind = event.kind,
                      .command = {},
                      .database = {},
                      .at = event.at,
                      .lineage = event.lineage,
                      .offset = event.offset,
                      .before = event.offset,
                      .detail = event.detail});
  }
  std::stable_sort(
      events.begin(), events.end(), [](const TimelineEvent& a, const TimelineEvent& b) {
        return std::tie(a.at, a.lineage, a.offset) < std::tie(b.at, b.lineage, b.offset);
      });
  return events;
}

}  // namespace

Timeline read_timeline(const Catalog& catalog, std::stop_token stop) {
  Timeline timeline;
  const store::ObjectStore& store = catalog.store();
  if (inspect(store, stop) == Place::nothing) {
    return timeline;
  }
  std::vector<SnapshotPoint> snapshots = read_backups(catalog, timeline, stop);
  LogRuns log = read_log_runs(store, catalog.source(), kOnlyShard, stop);
  timeline.problems.insert(timeline.problems.end(), log.problems.begin(), log.problems.end());
  const std::vector<Event> events =
      list_events(store, catalog.source(), kOnlyShard, timeline.problems, stop);
  timeline.breaks = log.breaks;
  timeline.trims = log.trims;
  timeline.windows = find_windows(log.runs, std::move(snapshots));
  timeline.gaps = find_gaps(timeline.windows, log, events);
  timeline.events = find_events(log.runs, events);
  timeline.unused = take_unused(timeline.windows, std::move(log.runs));
  return timeline;
}

}  // namespace keyrewind::catalog
