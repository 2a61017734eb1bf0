#include "prune/delete_backups.h"

#include "base/error.h"
#include "catalog/backup_lock.h"
#include "catalog/commits.h"
#include "catalog/hold.h"
#include "catalog/leftovers.h"
#include "catalog/names.h"
#include "catalog/repository.h"
#include "catalog/timeline.h"
#include "prune/backup_removal.h"
#include "prune/facts.h"
#include "prune/prune.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

namespace keyrewind::prune {
namespace {

using catalog::BackupParts;
using catalog::CommitEntry;
using catalog::Timeline;

class Deletion {
 public:
  Deletion(catalog::Catalog& catalog, const DeleteOptions& options, const Clock& clock,
           std::stop_token stop)
      : catalog_(catalog), options_(options), clock_(clock), stop_(std::move(stop)) {}

  DeleteReport run() {
    const auto lock =
        options_.dry_run ? std::unique_ptr<store::StoreLock>() : take_prune_lock(catalog_, stop_);
    const std::vector<CommitEntry> chosen = choose();
    check_free(chosen);
    timeline_ = catalog::read_outline(catalog_, stop_);
    divide(chosen);
    note_lost_moments();
    if (lock) {
      Removal removal(catalog_.store(), *lock);
      remove_backups_whole(catalog_, division_, clock_, removal, stop_);
      remove_damaged(removal);
      removal.check();
      report_.removed_objects = removal.removed();
      report_.refused = removal.refused();
    }
    return std::move(report_);
  }

 private:
  std::vector<CommitEntry> choose() const {
    std::vector<CommitEntry> entries;
    if (catalog::inspect(catalog_.store(), stop_) == catalog::Place::repository) {
      entries = catalog::list_commits(catalog_.store(), catalog_.source(), stop_);
    }
    if (entries.empty()) {
      throw Error(Side::repository, ErrorKind::no_backup,
                  fmt::format("there is no backup of '{}' in {}", catalog_.source(),
                              catalog_.store().url()));
    }
    std::vector<CommitEntry> chosen;
    for (const std::string& id : options_.ids) {
      const CommitEntry& entry = catalog::choose_commit(entries, id, catalog_.source());
      if (std::ranges::find(chosen, entry.object, &CommitEntry::object) == chosen.end()) {
        chosen.push_back(entry);
      }
    }
    return chosen;
  }

  void check_free(const std::vector<CommitEntry>& chosen) const {
    const auto locks = catalog::list_locks(catalog_, stop_);
    const catalog::Holds holds = catalog::list_holds(catalog_, clock_.now(), stop_);
    for (const CommitEntry& entry : chosen) {
      const std::string& id = entry.name.id;
      const auto lock = locks.find(id);
      if (lock != locks.end() && lock->second.in_force(clock_.now())) {
        throw Error(Side::repository, ErrorKind::busy,
                    fmt::format("backup {} is locked{}; 'keyrewind unlock {}' first", id,
                                lock->second.until ? " until " + to_rfc3339(*lock->second.until)
                                                   : std::string(),
                                id));
      }
      const std::string holder = holder_of(holds, id);
      if (!holder.empty()) {
        throw Error(Side::repository, ErrorKind::busy,
                    fmt::format("backup {} is being read by {}; wait for it", id, holder));
      }
    }
  }

  void divide(const std::vector<CommitEntry>& chosen) {
    const auto is_chosen = [&](const std::string& id) {
      return std::ranges::any_of(chosen,
                                 [&](const CommitEntry& entry) { return entry.name.id == id; });
    };
    for (const BackupParts& backup : timeline_.backups) {
      const bool goes = is_chosen(backup.commit.id);
      (goes ? division_.going : division_.staying).push_back(&backup);
      if (goes) {
        report_.removed.push_back(backup.commit.id);
        report_.removed_bytes += bytes_of(backup);
      }
    }
    if (!division_.going.empty() && division_.staying.empty() && !options_.force) {
      throw Error(Side::repository, ErrorKind::busy,
                  fmt::format("backup {} is the last good one of '{}'; --force to delete it anyway",
                              timeline_.backups.back().commit.id, catalog_.source()));
    }
    for (const CommitEntry& entry : chosen) {
      if (std::ranges::find(timeline_.unreadable_backups, entry.name.id) !=
          timeline_.unreadable_backups.end()) {
        damaged_.push_back(entry);
        report_.removed.push_back(entry.name.id);
      }
    }
    if (damaged_.size() < timeline_.unreadable_backups.size() && !division_.going.empty()) {
      keep_snapshots();
    }
  }

  /// A backup that is damaged, and stays, may name any snapshot.
  void keep_snapshots() {
    report_.notes.emplace_back(
        "snapshots stay until no backup is damaged any more; 'keyrewind prune' then removes them");
    for (const BackupParts* backup : division_.going) {
      BackupParts bare{backup->commit, {}};
      bare_.push_back(std::make_unique<BackupParts>(std::move(bare)));
    }
    division_.going.clear();
    for (const auto& backup : bare_) {
      division_.going.push_back(backup.get());
    }
  }

  /// The log before the first snapshot that stays is of no use.
  void note_lost_moments() {
    const auto is_gone = [&](const catalog::SnapshotPoint& point) {
      return std::ranges::find(report_.removed, point.commit.id) != report_.removed.end();
    };
    for (const catalog::Window& window : timeline_.windows) {
      if (window.log.empty() || !is_gone(window.snapshots.front())) {
        continue;
      }
      const auto left = std::ranges::find_if_not(window.snapshots, is_gone);
      report_.notes.push_back(fmt::format(
          "no moment from {} to {} can be restored any more", to_rfc3339(window.from),
          to_rfc3339(left == window.snapshots.end() ? window.until : left->snapshot.taken)));
    }
  }

  /// Of those nobody knows more than the names of their objects, and that others name them.
  void remove_damaged(Removal& removal) {
    if (damaged_.empty()) {
      return;
    }
    std::vector<std::string> commits;
    for (const CommitEntry& entry : damaged_) {
      commits.push_back(entry.object);
    }
    if (!removal.remove(commits, stop_).empty()) {
      return;
    }
    std::vector<std::string> parts;
    const auto there = catalog::list_backup_objects(catalog_.store(), catalog_.source(), stop_);
    for (const store::ObjectInfo& object : there.objects) {
      const auto writer = catalog::writer_of(catalog_.source(), object.name);
      const bool is_ours = writer && std::ranges::any_of(damaged_, [&](const CommitEntry& entry) {
                             return entry.name.id == *writer;
                           });
      if (is_ours && !is_named(object.name)) {
        parts.push_back(object.name);
      }
    }
    removal.remove(parts, stop_);
  }

  bool is_named(const std::string& object) const {
    return std::ranges::any_of(division_.staying, [&](const BackupParts* backup) {
      return std::ranges::find(backup->parts, object, &catalog::StoredObject::name) !=
             backup->parts.end();
    });
  }

  catalog::Catalog& catalog_;
  const DeleteOptions& options_;
  const Clock& clock_;
  const std::stop_token stop_;
  Timeline timeline_;
  Division division_;
  std::vector<std::unique_ptr<BackupParts>> bare_;
  std::vector<CommitEntry> damaged_;
  DeleteReport report_;
};

}  // namespace

DeleteReport delete_backups(catalog::Catalog& catalog, const DeleteOptions& options,
                            const Clock& clock, std::stop_token stop) {
  return Deletion(catalog, options, clock, std::move(stop)).run();
}

}  // namespace keyrewind::prune
