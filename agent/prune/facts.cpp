#include "prune/facts.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace keyrewind::prune {
namespace {

/// Notes from where on a window's log is being read.
void add_holds(policy::WindowFacts& window, const catalog::Holds& holds) {
  for (const catalog::Hold& hold : holds.in_force) {
    if (!hold.everything && hold.lineage != window.lineage) {
      continue;
    }
    const std::int64_t from = hold.everything ? window.begin : hold.offset;
    if (!window.held || from < *window.held) {
      window.held = from;
      window.held_by = hold.by;
    }
  }
}

}  // namespace

Facts facts_of(const catalog::Timeline& timeline,
               const std::map<std::string, catalog::BackupLock>& locks,
               const catalog::Holds& holds) {
  Facts facts;
  std::map<std::string, std::size_t> numbers;
  for (const catalog::BackupParts& backup : timeline.backups) {
    const catalog::Commit& commit = backup.commit;
    numbers.emplace(commit.id, facts.backups.size());
    policy::BackupFacts fact{.id = commit.id,
                             .sequence = commit.sequence,
                             .created = commit.created,
                             .labels = commit.labels,
                             .lock = std::nullopt,
                             .held_by = holder_of(holds, commit.id)};
    if (const auto lock = locks.find(commit.id); lock != locks.end()) {
      fact.lock = policy::LockFacts{lock->second.until, lock->second.note};
    }
    facts.backups.push_back(std::move(fact));
  }
  for (const catalog::Window& window : timeline.windows) {
    policy::WindowFacts fact{.lineage = window.lineage,
                             .begin = window.begin,
                             .until = window.until,
                             .snapshots = {},
                             .log = window.log,
                             .held = std::nullopt,
                             .held_by = {}};
    for (const catalog::SnapshotPoint& point : window.snapshots) {
      fact.snapshots.push_back(
          {numbers.at(point.commit.id), point.snapshot.offset, point.snapshot.taken});
    }
    add_holds(fact, holds);
    facts.windows.push_back(std::move(fact));
  }
  for (const catalog::LogRun& run : timeline.unused) {
    policy::WindowFacts fact{.lineage = run.lineage,
                             .begin = run.begin,
                             .until = run.last,
                             .snapshots = {},
                             .log = run.spans,
                             .held = std::nullopt,
                             .held_by = {}};
    add_holds(fact, holds);
    facts.windows.push_back(std::move(fact));
  }
  return facts;
}

std::string holder_of(const catalog::Holds& holds, const std::string& id) {
  for (const catalog::Hold& hold : holds.in_force) {
    if (hold.everything || hold.backup == id) {
      return hold.by;
    }
  }
  return {};
}

bool is_log_held(const catalog::Holds& holds, const std::string& lineage, std::int64_t offset) {
  return std::ranges::any_of(holds.in_force, [&](const catalog::Hold& hold) {
    return hold.everything || (hold.lineage == lineage && hold.offset < offset);
  });
}

}  // namespace keyrewind::prune
