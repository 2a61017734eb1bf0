#include "catalog/timeline.h"

#include "base/error.h"
#include "catalog/commit_pages.h"
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

bool is_damage(const Error& error) {
  return error.kind() == ErrorKind::corrupt || error.kind() == ErrorKind::incompatible;
}

/// What a backup is made of, or why it can't be read; neither if it was removed just now.
struct ReadBackup {
  std::optional<BackupParts> backup{};
  std::vector<SnapshotPoint> points{};
  std::optional<std::string> problem{};
};

ReadBackup to_read(BackupOutline outline) {
  ReadBackup read{.backup = BackupParts{std::move(outline.commit), {}}};
  for (Snapshot& snapshot : outline.snapshots) {
    read.backup->parts.push_back(snapshot.object);
    if (snapshot.shard == kOnlyShard) {
      read.points.push_back({read.backup->commit, std::move(snapshot)});
    }
  }
  if (outline.details) {
    read.backup->parts.push_back(*std::move(outline.details));
  }
  return read;
}

ReadBackup read_backup(const Catalog& catalog, const CommitEntry& entry,
                       const std::stop_token& stop) {
  std::optional<Commit> commit = read_commit(catalog.store(), catalog.source(), entry, stop);
  if (!commit) {
    return {};
  }
  try {
    Manifest manifest = catalog.manifest(*commit, stop);
    return to_read(
        {*std::move(commit), std::move(manifest.snapshots), std::move(manifest.details)});
  } catch (const Error& error) {
    if (is_damage(error) && !catalog.store().head(entry.object, stop)) {
      return {};
    }
    throw;
  }
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
  auto paged = read_commit_pages(catalog.store(), catalog.source(), entries, stop);
  std::vector<ReadBackup> unpaged(entries.size());
  flow::parallel_for(
      {"manifest", kManifestsAtOnce}, entries.size(),
      [&](std::uint64_t number, std::stop_token inner) {
        if (!paged[number]) {
          unpaged[number] = try_backup(catalog, entries[number], inner);
        }
      },
      stop);
  std::vector<SnapshotPoint> snapshots;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    ReadBackup read = paged[i] ? to_read(*std::move(paged[i])) : std::move(unpaged[i]);
    paged[i].reset();
    std::ranges::move(read.points, std::back_inserter(snapshots));
    if (read.problem) {
      timeline.problems.push_back(*std::move(read.problem));
      timeline.unreadable_backups.push_back(entries[i].name.id);
    } else if (read.backup) {
      timeline.backups.push_back(*std::move(read.backup));
    }
  }
  return snapshots;
}

/// Whether the history goes by `replid` at `offset`: where the id changes, by both.
bool is_on(const LogRun& run, const std::string& replid, std::int64_t offset) {
  if (offset < run.begin || offset > run.end) {
    return false;
  }
  const HistoryId* last = nullptr;
  for (const HistoryId& id : run.ids) {
    if (last != nullptr && last->replid == replid && offset <= id.offset) {
      return true;
    }
    if (id.offset > offset) {
      return false;
    }
    last = &id;
  }
  return last != nullptr && last->replid == replid;
}

/// The run that a snapshot is on: rather of the lineage that it names than of another.
LogRun* run_of(std::vector<LogRun>& runs, const Snapshot& snapshot) {
  LogRun* found = nullptr;
  for (LogRun& run : runs) {
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

/// Moves what of the run's log lies behind the window's beginning there, since it may be long. What
/// tells of the run itself stays.
void take_log(Window& window, LogRun& run) {
  const auto behind =
      std::ranges::find_if(run.spans, [&](const LogSpan& span) { return span.end > window.begin; });
  const auto before = behind - run.spans.begin();
  if (behind == run.spans.end()) {
    return;
  }
  window.end = run.end;
  window.until = run.last;
  window.log = std::move(run.spans);
  window.log.erase(window.log.begin(), window.log.begin() + before);
  window.segments = std::move(run.segments);
  if (!window.segments.empty()) {
    window.segments.erase(window.segments.begin(), window.segments.begin() + before);
  }
}

/// The windows take their log from the runs.
std::vector<Window> find_windows(std::vector<LogRun>& runs, std::vector<SnapshotPoint> snapshots) {
  std::map<LogRun*, std::vector<SnapshotPoint>> on_log;
  std::map<std::pair<std::string, std::int64_t>, std::vector<SnapshotPoint>> alone;
  for (SnapshotPoint& point : snapshots) {
    if (LogRun* const run = run_of(runs, point.snapshot)) {
      on_log[run].push_back(std::move(point));
    } else {
      alone[{point.snapshot.replid, point.snapshot.offset}].push_back(std::move(point));
    }
  }
  std::vector<Window> windows;
  for (auto& [run, points] : on_log) {
    windows.push_back(window_of(run->lineage, std::move(points)));
    take_log(windows.back(), *run);
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
  return window.log.empty() ? "no log goes on from the snapshot" : "the log ends here";
}

/// Whether any window lies on `run`.
bool is_used(const std::vector<Window>& windows, const LogRun& run) {
  return std::any_of(windows.begin(), windows.end(), [&](const Window& window) {
    return window.lineage == run.lineage && run.begin <= window.begin && window.begin <= run.end;
  });
}

/// Those of which no window has any segment: a snapshot may stand just at their ends.
std::vector<LogRun> take_unused(const std::vector<Window>& windows, std::vector<LogRun> runs) {
  std::erase_if(runs, [&](const LogRun& run) {
    return std::any_of(windows.begin(), windows.end(), [&](const Window& window) {
      return !window.log.empty() && window.lineage == run.lineage && run.begin <= window.begin &&
             window.begin < run.end;
    });
  });
  return runs;
}

/// The time of the last byte that the repository holds, or held, without a snapshot to put it on.
Timestamp last_unreachable(const std::vector<Window>& windows, const LogRuns& log) {
  Timestamp last{};
  for (const LogRun& run : log.runs) {
    if (!is_used(windows, run)) {
      last = std::max(last, run.last);
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

std::vector<TimelineEvent> gather_events(std::vector<LogRun>& runs,
                                         const std::vector<Event>& stored) {
  std::vector<TimelineEvent> events;
  for (LogRun& run : runs) {
    std::ranges::move(run.events, std::back_inserter(events));
    run.events.clear();
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

Timeline read(const Catalog& catalog, LogDetail detail, const std::stop_token& stop) {
  Timeline timeline;
  const store::ObjectStore& store = catalog.store();
  if (inspect(store, stop) == Place::nothing) {
    return timeline;
  }
  std::vector<SnapshotPoint> snapshots = read_backups(catalog, timeline, stop);
  LogRuns log = read_log_runs(store, catalog.source(), kOnlyShard, detail, stop);
  timeline.problems.insert(timeline.problems.end(), log.problems.begin(), log.problems.end());
  const std::vector<Event> events =
      read_events(store, catalog.source(), kOnlyShard, log.events, timeline.problems, stop);
  timeline.breaks = log.breaks;
  timeline.trims = log.trims;
  timeline.windows = find_windows(log.runs, std::move(snapshots));
  timeline.gaps = find_gaps(timeline.windows, log, events);
  timeline.events = gather_events(log.runs, events);
  timeline.unused = take_unused(timeline.windows, std::move(log.runs));
  return timeline;
}

}  // namespace

Timeline read_timeline(const Catalog& catalog, std::stop_token stop) {
  return read(catalog, LogDetail::indexes, std::move(stop));
}

Timeline read_outline(const Catalog& catalog, std::stop_token stop) {
  return read(catalog, LogDetail::outline, std::move(stop));
}

}  // namespace keyrewind::catalog
