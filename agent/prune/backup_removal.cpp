#include "prune/backup_removal.h"

#include "base/log.h"
#include "catalog/backup_lock.h"
#include "catalog/hold.h"
#include "catalog/names.h"
#include "prune/facts.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

namespace keyrewind::prune {
namespace {

using catalog::BackupParts;

std::string commit_object(const catalog::Commit& commit) {
  return catalog::names::commit(commit.source, commit.sequence, commit.id);
}

/// Takes out of `going` what is refused.
void remove_commits(Division& division, Removal& removal, const std::stop_token& stop) {
  std::vector<std::string> commits;
  for (const BackupParts* backup : division.going) {
    commits.push_back(commit_object(backup->commit));
  }
  const std::vector<std::string> refused = removal.remove(commits, stop);
  const auto stays = [&](const BackupParts* backup) {
    return std::ranges::find(refused, commit_object(backup->commit)) != refused.end();
  };
  std::ranges::copy_if(division.going, std::back_inserter(division.staying), stays);
  std::erase_if(division.going, stays);
  for (const BackupParts* backup : division.going) {
    log::info("backup removed", {{"source", backup->commit.source}, {"backup", backup->commit.id}});
  }
}

std::set<std::string> named_by(const Backups& backups) {
  std::set<std::string> named;
  for (const BackupParts* backup : backups) {
    for (const catalog::StoredObject& part : backup->parts) {
      named.insert(part.name);
    }
  }
  return named;
}

}  // namespace

Backups remove_backups_whole(const catalog::Catalog& catalog, Division division, const Clock& clock,
                             Removal& removal, const std::stop_token& stop) {
  remove_commits(division, removal, stop);
  const std::set<std::string> shared = named_by(division.staying);
  // Whoever reads a backup tells it before he looks whether it is still there: catalog/hold.h.
  const catalog::Holds holds = catalog::list_holds(catalog, clock.now(), stop);
  std::vector<std::string> parts;
  for (const BackupParts* backup : division.going) {
    if (!holder_of(holds, backup->commit.id).empty()) {
      continue;
    }
    parts.push_back(backup->commit.manifest.name);
    for (const catalog::StoredObject& part : backup->parts) {
      if (!shared.contains(part.name)) {
        parts.push_back(part.name);
      }
    }
    std::ranges::move(catalog::lock_objects(catalog, backup->commit.id, stop),
                      std::back_inserter(parts));
  }
  removal.remove(parts, stop);
  return division.going;
}

std::uint64_t bytes_of(const BackupParts& backup) {
  std::uint64_t bytes = backup.commit.manifest.bytes;
  for (const catalog::StoredObject& part : backup.parts) {
    bytes += part.bytes;
  }
  return bytes;
}

}  // namespace keyrewind::prune
