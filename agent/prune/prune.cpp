#include "prune/prune.h"

#include "base/error.h"
#include "base/log.h"
#include "catalog/backup_lock.h"
#include "catalog/commit_pages.h"
#include "catalog/commits.h"
#include "catalog/hold.h"
#include "catalog/leftovers.h"
#include "catalog/log.h"
#include "catalog/names.h"
#include "catalog/timeline.h"
#include "prune/backup_removal.h"
#include "prune/facts.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <map>
#include <set>
#include <utility>

namespace keyrewind::prune {
namespace {

namespace names = catalog::names;
using catalog::BackupParts;
using catalog::Timeline;
using store::ObjectInfo;

/// A source that is no cluster has this one shard.
const std::string kOnlyShard = "0";

/// What ends before it goes: of a lineage that is not in the map nothing does.
using KeepFrom = std::map<std::string, std::int64_t>;

/// The segment that an object is, or whose plain index it is.
std::optional<names::SegmentName> segment_of(const std::string& source, const std::string& object) {
  const auto segment = names::segment_of_index(object);
  return names::parse_segment(source, kOnlyShard, segment ? *segment : object);
}

bool goes(const names::SegmentName& segment, const KeepFrom& keep_from) {
  const auto from = keep_from.find(segment.lineage);
  return from != keep_from.end() && segment.end < from->second;
}

class Pruning {
 public:
  Pruning(catalog::Catalog& catalog, const PruneOptions& options, const Clock& clock,
          std::stop_token stop)
      : catalog_(catalog), options_(options), clock_(clock), stop_(std::move(stop)) {}

  PruneReport run() {
    const auto lock =
        options_.dry_run ? std::unique_ptr<store::StoreLock>() : take_prune_lock(catalog_, stop_);
    plan();
    if (lock) {
      Removal removal(catalog_.store(), *lock);
      carry_out(removal);
      report_.removed_objects = removal.removed();
      report_.refused = removal.refused();
      removal.check();
    }
    return std::move(report_);
  }

 private:
  void plan() {
    // Holds first: who comes later looks for what we make visible.
    const catalog::Holds holds = catalog::list_holds(catalog_, clock_.now(), stop_);
    const auto locks = catalog::list_locks(catalog_, stop_);
    timeline_ = catalog::read_outline(catalog_, stop_);
    const Facts facts = facts_of(timeline_, locks, holds);
    decision_ =
        policy::decide_retention(facts.backups, facts.windows, options_.rules, clock_.now());
    const Survey survey = take_survey();
    find_problems(survey);
    plan_backups();
    plan_logs(survey);
  }

  /// What the objects of the lineages are, if all goes as decided.
  struct Survey {
    std::map<std::string, std::uint64_t> snapshots;  ///< Their sizes, by name.
    std::map<std::string, LogOutcome> logs;
    std::map<std::string, std::int64_t> ends;  ///< Of the logs.
  };

  /// One listing, of which little is held: it may be of a million segments.
  Survey take_survey() const {
    Survey survey;
    KeepFrom keep_from = timeline_.trims;
    for (const policy::LogVerdict& verdict : decision_.logs) {
      survey.logs[verdict.lineage] = {
          .lineage = verdict.lineage, .keep_from = verdict.keep_from, .reasons = verdict.reasons};
      std::int64_t& from = keep_from[verdict.lineage];
      from = std::max(from, verdict.keep_from.value_or(std::numeric_limits<std::int64_t>::max()));
    }
    visit_lineages([&](const ObjectInfo& object) {
      const auto segment = names::parse_segment(catalog_.source(), kOnlyShard, object.name);
      if (!segment) {
        if (names::id_of_snapshot(catalog_.source(), object.name)) {
          survey.snapshots.emplace(object.name, object.bytes);
        }
        return;
      }
      LogOutcome& log = survey.logs[segment->lineage];
      log.lineage = segment->lineage;
      const bool goes_too = goes(*segment, keep_from);
      ++(goes_too ? log.removed_segments : log.kept_segments);
      (goes_too ? log.removed_bytes : log.kept_bytes) += object.bytes;
      std::int64_t& end = survey.ends[segment->lineage];
      end = std::max(end, segment->end);
    });
    return survey;
  }

  void visit_lineages(const store::TakeObject& take) const {
    catalog_.store().visit(names::lineages(catalog_.source(), kOnlyShard), take, stop_);
  }

  /// As long as a backup is damaged nothing goes: nobody knows what it needs, and another that
  /// seems superfluous may be the one that can still be restored.
  void find_problems(const Survey& survey) {
    for (const std::string& id : timeline_.unreadable_backups) {
      report_.problems.push_back(fmt::format("backup {} cannot be read", id));
    }
    const std::string lineages = names::lineages(catalog_.source(), kOnlyShard);
    for (const BackupParts& backup : timeline_.backups) {
      for (const catalog::StoredObject& part : backup.parts) {
        const auto found = survey.snapshots.find(part.name);
        const bool is_whole = found != survey.snapshots.end() && found->second == part.bytes;
        if (part.name.starts_with(lineages) && !is_whole) {
          report_.problems.push_back(
              fmt::format("backup {}: its snapshot {} is missing or has another size",
                          backup.commit.id, part.name));
        }
      }
    }
  }

  void plan_backups() {
    for (std::size_t i = 0; i < timeline_.backups.size(); ++i) {
      const BackupParts& backup = timeline_.backups[i];
      policy::BackupVerdict& verdict = decision_.backups[i];
      if (!verdict.keep && !report_.problems.empty()) {
        verdict = {verdict.id, true, {"another backup is damaged"}};
      }
      if (verdict.keep) {
        ++report_.kept_backups;
      } else {
        ++report_.removed_backups;
        report_.removed_bytes += bytes_of(backup);
      }
      report_.backups.push_back({backup.commit, verdict.keep, verdict.reasons});
    }
  }

  void plan_logs(const Survey& survey) {
    for (const auto& [lineage, outcome] : survey.logs) {
      LogOutcome log = outcome;
      if (!report_.problems.empty()) {
        log.kept_segments += std::exchange(log.removed_segments, 0);
        log.kept_bytes += std::exchange(log.removed_bytes, 0);
      }
      report_.removed_bytes += log.removed_bytes;
      report_.logs.push_back(std::move(log));
    }
    if (report_.problems.empty()) {
      find_keep_from(survey);
    }
  }

  /// Where the logs are to begin, which is never before where they already do.
  void find_keep_from(const Survey& survey) {
    keep_from_ = timeline_.trims;
    for (const policy::LogVerdict& verdict : decision_.logs) {
      const auto end = survey.ends.find(verdict.lineage);
      const std::int64_t behind = end == survey.ends.end() ? 1 : end->second + 1;
      std::int64_t& from = keep_from_[verdict.lineage];
      from = std::max(from, verdict.keep_from.value_or(behind));
    }
  }

  void carry_out(Removal& removal) {
    if (!report_.problems.empty()) {
      return;
    }
    write_trims();
    remove_backups(removal);
    remove_leftovers(removal);
    remove_log(removal);
    removal.remove(catalog::list_holds(catalog_, clock_.now(), stop_).ended, stop_);
    remove_old_pages(removal);
  }

  /// Pages that tell of few backups any more: those are read faster without.
  void remove_old_pages(Removal& removal) {
    const auto commits = catalog::list_commits(catalog_.store(), catalog_.source(), stop_);
    removal.remove(
        catalog::list_old_commit_pages(catalog_.store(), catalog_.source(), commits, stop_), stop_);
  }

  /// From here on nobody counts on what goes.
  void write_trims() {
    store::ObjectStore& store = catalog_.store();
    for (const LogOutcome& log : report_.logs) {
      const auto from = keep_from_.find(log.lineage);
      const auto trim = timeline_.trims.find(log.lineage);
      if (log.removed_segments != 0 &&
          (trim == timeline_.trims.end() || trim->second < from->second)) {
        store.put_if_absent(names::trim(catalog_.source(), kOnlyShard, log.lineage, from->second),
                            as_bytes(catalog::encode_trim(log.lineage, from->second, clock_.now())),
                            stop_);
      }
    }
  }

  void remove_backups(Removal& removal) {
    std::vector<const BackupParts*> going;
    std::vector<const BackupParts*> staying;
    for (std::size_t i = 0; i < timeline_.backups.size(); ++i) {
      (report_.backups[i].keep ? staying : going).push_back(&timeline_.backups[i]);
    }
    if (!going.empty()) {
      const auto gone = remove_backups_whole(catalog_, {going, staying}, clock_, removal, stop_);
      report_.removed_backups = gone.size();
    }
  }

  /// What of the lineages goes, as they are now: meanwhile some segments may have been merged.
  void remove_log(Removal& removal) {
    std::vector<std::string> segments;
    std::vector<std::string> others;
    std::vector<ObjectInfo> notes;
    std::set<std::string> in_use;
    const KeepFrom keep_from = not_held();
    visit_lineages([&](const ObjectInfo& object) {
      if (const auto segment = segment_of(catalog_.source(), object.name)) {
        if (!goes(*segment, keep_from)) {
          in_use.insert(segment->lineage);
        } else if (names::segment_of_index(object.name)) {
          others.push_back(object.name);  // Without its segment it is a leftover.
        } else {
          segments.push_back(object.name);
        }
      } else if (names::id_of_snapshot(catalog_.source(), object.name)) {
        in_use.insert(lineage_of(object.name));
      } else {
        notes.push_back(object);
      }
    });
    for (const std::string& refused : removal.remove(segments, stop_)) {
      in_use.insert(lineage_of(refused));
    }
    find_old_notes(notes, in_use, others);
    removal.remove(others, stop_);
    if (!segments.empty()) {
      log::info("log removed", {{"source", catalog_.source()}, {"segments", segments.size()}});
    }
  }

  /// `keep_from_` without the lineages of which somebody reads what would go.
  KeepFrom not_held() const {
    const catalog::Holds holds = catalog::list_holds(catalog_, clock_.now(), stop_);
    KeepFrom keep_from = keep_from_;
    std::erase_if(keep_from, [&](const auto& lineage) {
      return is_log_held(holds, lineage.first, lineage.second);
    });
    return keep_from;
  }

  /// Trims that a later one replaces, or whose lineage has nothing left, pages of log that is gone,
  /// and old events of such.
  void find_old_notes(const std::vector<ObjectInfo>& notes, const std::set<std::string>& in_use,
                      std::vector<std::string>& old) const {
    std::map<std::string, const catalog::TimelineEvent*> events;
    for (const catalog::TimelineEvent& event : timeline_.events) {
      events.emplace(event.id, &event);
    }
    const auto trims = catalog::trims_among(notes, catalog_.source(), kOnlyShard);
    for (const ObjectInfo& object : notes) {
      if (const auto trim = names::parse_trim(catalog_.source(), kOnlyShard, object.name)) {
        if (!in_use.contains(trim->lineage) || trim->offset < trims.at(trim->lineage)) {
          old.push_back(object.name);
        }
      } else if (const auto page =
                     names::parse_log_page(catalog_.source(), kOnlyShard, object.name)) {
        const auto from = keep_from_.find(page->lineage);
        if (!in_use.contains(page->lineage) ||
            (from != keep_from_.end() && page->end < from->second)) {
          old.push_back(object.name);
        }
      } else if (const auto name = names::parse_event(catalog_.source(), kOnlyShard, object.name)) {
        const auto event = events.find(name->id);
        const auto from = keep_from_.find(name->lineage);
        const bool has_log = in_use.contains(name->lineage) &&
                             (from == keep_from_.end() ||
                              (event != events.end() && event->second->offset >= from->second));
        if (event != events.end() && event->second->at < decision_.oldest_wanted && !has_log) {
          old.push_back(object.name);
        }
      }
    }
  }

  std::string lineage_of(const std::string& name) const {
    constexpr std::size_t kLineageDigits = 40;
    return name.substr(names::lineages(catalog_.source(), kOnlyShard).size(), kLineageDigits);
  }

  /// What a run left that was killed, unless somebody writes a backup here at this moment: he has
  /// cleared it away already.
  void remove_leftovers(Removal& removal) {
    store::ObjectStore& store = catalog_.store();
    const auto writer = store.try_lock(names::writer_lock(catalog_.source()), stop_);
    const auto copier =
        writer ? store.try_lock(names::copier_lock(catalog_.source()), stop_) : nullptr;
    if (!copier) {
      return;
    }
    const auto commits = catalog::list_commits(store, catalog_.source(), stop_);
    const auto there = catalog::list_backup_objects(store, catalog_.source(), stop_);
    removal.remove(catalog::find_leftovers(catalog_, commits, there.objects, clock_.now(), stop_),
                   stop_);
  }

  catalog::Catalog& catalog_;
  const PruneOptions& options_;
  const Clock& clock_;
  const std::stop_token stop_;
  Timeline timeline_;
  policy::Retention decision_;
  KeepFrom keep_from_;
  PruneReport report_;
};

}  // namespace

PruneReport prune(catalog::Catalog& catalog, const PruneOptions& options, const Clock& clock,
                  std::stop_token stop) {
  return Pruning(catalog, options, clock, std::move(stop)).run();
}

std::unique_ptr<store::StoreLock> take_prune_lock(catalog::Catalog& catalog, std::stop_token stop) {
  auto lock = catalog.store().try_lock(names::prune_lock(catalog.source()), stop);
  if (!lock) {
    throw Error(Side::repository, ErrorKind::busy,
                fmt::format("another run removes or locks backups of '{}' just now; try again in a "
                            "moment",
                            catalog.source()));
  }
  return lock;
}

}  // namespace keyrewind::prune
