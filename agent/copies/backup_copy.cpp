#include "copies/backup_copy.h"

#include "catalog/catalog.h"
#include "catalog/commit_pages.h"
#include "catalog/commits.h"
#include "catalog/names.h"
#include "codec/sha256.h"
#include "flow/parallel_for.h"
#include "flow/pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace keyrewind::copies {
namespace {

namespace names = catalog::names;
using catalog::CommitEntry;

/// Objects by name, and how many bytes they have.
using Objects = std::map<std::string, std::uint64_t>;

Error corrupt(const std::string& why) {
  return {Side::repository, ErrorKind::corrupt, why};
}

class BackupCopy {
 public:
  BackupCopy(const Sides& sides, const CopyOptions& options, const CopyObserver& observer,
             Progress& progress, std::stop_token stop)
      : sides_(sides),
        options_(options),
        stop_(std::move(stop)),
        account_(observer, progress),
        large_(1, [] { return Turn(); }) {}

  CopyReport run() {
    const auto lock = options_.tidy ? tidy() : nullptr;
    has_ = list(sides_.to);  // First: nothing then is newer there only because it was faster.
    there_ = list(sides_.from);
    for (const Backup& backup : find_lacking()) {
      copy_backup(backup);
    }
    copy_others();
    if (lock) {
      const auto commits = catalog::list_commits(sides_.to, options_.source, stop_);
      catalog::write_commit_pages(sides_.to, options_.source, commits, stop_);
    }
    CopyReport report = account_.report();
    report.newer_in_target = newer_in_target();
    return report;
  }

 private:
  /// A backup that the target lacks, or of which it lacks something.
  struct Backup {
    CommitEntry entry;
    Bytes content;  ///< Of the commit object.
    catalog::Commit commit;
  };
  /// The right to hold a large object's pieces.
  struct Turn {};

  /// Removes what broken uploads left. Returns the lock under which that may be done.
  std::unique_ptr<store::StoreLock> tidy() {
    auto lock = sides_.to.try_lock(names::copier_lock(options_.source), stop_);
    if (lock) {
      sides_.to.remove_abandoned_uploads(
          names::source(options_.source),
          [](const std::string& name) { return !names::is_of_agent(name); }, stop_);
    }
    return lock;
  }

  /// All but the log and what concerns one repository alone.
  Objects list(const store::ObjectStore& store) const {
    Objects objects;
    for (const store::ObjectInfo& object : store.list(names::source(options_.source), stop_)) {
      if (!names::is_of_agent(object.name) &&
          !names::is_of_one_repository(options_.source, object.name)) {
        objects[object.name] = object.bytes;
      }
    }
    return objects;
  }

  /// The backup that an object of the source belongs to, if its name says so.
  std::optional<std::string> owner_of(const std::string& name) const {
    const std::string backups = names::backups(options_.source);
    if (name.starts_with(backups)) {
      return name.substr(backups.size(), name.find('/', backups.size()) - backups.size());
    }
    if (const auto commit = names::parse_commit(options_.source, name)) {
      return commit->id;
    }
    return names::id_of_snapshot(options_.source, name);
  }

  bool is_lacking(const std::string& name, std::uint64_t bytes) const {
    const auto found = has_.find(name);
    return found == has_.end() || found->second != bytes;
  }

  /// In their order.
  std::vector<Backup> find_lacking() {
    std::set<std::string> lacking;
    for (const auto& [name, bytes] : there_) {
      const auto owner = owner_of(name);
      if (owner && is_lacking(name, bytes)) {
        lacking.insert(*owner);
      }
    }
    auto entries = catalog::list_commits(sides_.from, options_.source, stop_);
    std::erase_if(entries,
                  [&](const CommitEntry& entry) { return !lacking.contains(entry.name.id); });
    std::vector<std::optional<Backup>> read(entries.size());
    flow::parallel_for(
        {.name = "copy", .threads = options_.connections}, entries.size(),
        [&](std::uint64_t number, const std::stop_token& stop) {
          read[number] = read_backup(entries[number], stop);
        },
        stop_);
    std::vector<Backup> backups;
    for (std::optional<Backup>& backup : read) {
      if (backup) {
        account_.lacks(backup->entry.object, backup->commit.stored_bytes, backup->commit.finished);
        backups.push_back(*std::move(backup));
      }
    }
    return backups;
  }

  /// Nothing if it is gone, or damaged, which is a problem.
  std::optional<Backup> read_backup(const CommitEntry& entry, const std::stop_token& stop) {
    try {
      const auto commit = catalog::read_commit(sides_.from, options_.source, entry, stop);
      const auto content = sides_.from.get(entry.object, catalog::kMaxCommitBytes, stop);
      if (!commit || !content) {
        return std::nullopt;
      }
      if (catalog::decode_commit(*content) != *commit) {
        throw corrupt(fmt::format("{} reads differently each time", entry.object));
      }
      return Backup{entry, *content, *commit};
    } catch (const Error& error) {
      if (!is_damage(error)) {
        throw;
      }
      if (const auto since = time_of_id(entry.name.id)) {
        account_.lacks(entry.object, 0, *since);
      }
      account_.add_problem(error);
      return std::nullopt;
    }
  }

  /// Copies what belongs to a backup, then the backup itself. What is damaged keeps it from
  /// appearing, and only it.
  void copy_backup(const Backup& backup) {
    try {
      if (copy_parts(backup)) {
        put(backup.entry.object, backup.content);
      }
    } catch (Error& error) {
      if (!is_damage(error)) {
        throw;
      }
      if (!sides_.from.head(backup.entry.object, stop_)) {
        account_.settle(backup.entry.object);  // It was being removed.
        return;
      }
      error.add_context("copy backup " + backup.commit.id);
      account_.add_problem(error);
    }
  }

  /// Returns whether the target has all of them.
  bool copy_parts(const Backup& backup) {
    const auto manifest =
        sides_.from.get(backup.commit.manifest.name, catalog::kMaxManifestBytes, stop_);
    if (!manifest) {
      throw corrupt("its manifest is missing");
    }
    check_manifest(*manifest, backup.commit);
    std::vector<Wanted> parts = named_by(catalog::decode_manifest(*manifest));
    const std::size_t named = parts.size();
    add_others_of(backup, parts);
    std::vector<char> is_there(parts.size(), 0);
    flow::parallel_for(
        {.name = "copy", .threads = options_.connections}, parts.size(),
        [&](std::uint64_t number, const std::stop_token& stop) {
          is_there[number] = copy_part(parts[number], stop) ? 1 : 0;
        },
        stop_);
    for (std::size_t i = 0; i < named; ++i) {
      if (is_there[i] == 0) {
        if (!sides_.from.head(parts[i].name, stop_)) {
          throw corrupt(fmt::format("{} is missing", parts[i].name));
        }
        return false;  // It is a problem already.
      }
    }
    put(backup.commit.manifest.name, *manifest);
    return true;
  }

  static void check_manifest(ByteView content, const catalog::Commit& commit) {
    if (content.size() != commit.manifest.bytes ||
        codec::sha256_hex(content) != commit.manifest.sha256) {
      throw corrupt("its manifest is damaged: its SHA-256 is not the one in the commit");
    }
  }

  static std::vector<Wanted> named_by(const catalog::Manifest& manifest) {
    std::vector<Wanted> wanted;
    const auto add = [&](const catalog::StoredObject& object) {
      wanted.push_back({.name = object.name,
                        .bytes = object.bytes,
                        .stretches = {{object.bytes, object.sha256}}});
    };
    for (const catalog::Snapshot& snapshot : manifest.snapshots) {
      add(snapshot.object);
    }
    if (manifest.details) {
      add(*manifest.details);
    }
    return wanted;
  }

  /// What stands beside the manifest.
  void add_others_of(const Backup& backup, std::vector<Wanted>& parts) const {
    const std::string folder = names::backups(options_.source) + backup.commit.id + "/";
    for (auto object = there_.lower_bound(folder);
         object != there_.end() && object->first.starts_with(folder); ++object) {
      const auto known = std::ranges::find(parts, object->first, &Wanted::name);
      if (object->first != backup.commit.manifest.name && known == parts.end()) {
        parts.push_back({.name = object->first, .bytes = object->second});
      }
    }
  }

  /// Returns whether the target has it. What is there is there whole.
  bool copy_part(const Wanted& wanted, const std::stop_token& stop) {
    const auto there = sides_.to.head(wanted.name, stop);
    if (there && there->bytes == wanted.bytes) {
      return true;
    }
    if (there) {
      throw corrupt(fmt::format("{} has {} bytes in {} instead of {}; remove it there", wanted.name,
                                there->bytes, sides_.to.url(), wanted.bytes));
    }
    // Uploads take memory.
    const auto turn =
        wanted.bytes > sides_.at_once ? large_.borrow(stop) : flow::Pool<Turn>::Lease();
    return account_.take(sides_, wanted, stop);
  }

  void put(const std::string& name, ByteView content) {
    const auto there = sides_.to.head(name, stop_);
    if (there && there->bytes == content.size()) {
      account_.settle(name);
      return;
    }
    if (put_surely(name, content) == Taken::copied) {
      account_.copied(name, content.size());
    } else {
      account_.settle(name);
    }
  }

  /// An error may hide a success whose answer was lost.
  Taken put_surely(const std::string& name, ByteView content) {
    try {
      return put_object(sides_.to, name, content, stop_);
    } catch (const Error& error) {
      if (is_damage(error) || error.kind() == ErrorKind::cancelled) {
        throw;
      }
      const Error first = error;
      std::optional<store::ObjectInfo> there;
      try {
        there = sides_.to.head(name, stop_);
      } catch (const Error&) {
        throw first;
      }
      if (!there || there->bytes != content.size()) {
        throw;
      }
      return Taken::copied;
    }
  }

  /// Whatever no backup owns: the source record last, for it says that there are backups.
  void copy_others() {
    const std::string record = names::source_record(options_.source);
    for (const auto& [name, bytes] : there_) {
      if (name != record && !owner_of(name) && !has_.contains(name)) {
        account_.take(sides_, {.name = name, .bytes = bytes}, stop_);
      }
    }
    const auto found = there_.find(record);
    if (found != there_.end() && !has_.contains(record)) {
      account_.take(sides_, {.name = record, .bytes = found->second}, stop_);
    }
  }

  std::optional<names::CommitName> newest_among(const Objects& objects) const {
    std::optional<names::CommitName> newest;
    for (const auto& [name, bytes] : objects) {
      const auto commit = names::parse_commit(options_.source, name);
      if (commit && (!newest || commit->sequence > newest->sequence)) {
        newest = commit;
      }
    }
    return newest;
  }

  std::optional<std::string> newer_in_target() const {
    const auto to = newest_among(has_);
    const auto from = newest_among(there_);
    const bool is_newer = to && (!from || from->sequence < to->sequence);
    return is_newer ? std::optional(to->id) : std::nullopt;
  }

  const Sides& sides_;
  const CopyOptions& options_;
  const std::stop_token stop_;
  Account account_;
  flow::Pool<Turn> large_;

  Objects there_;
  Objects has_;
};

}  // namespace

CopyReport copy_backups(const Sides& sides, const CopyOptions& options,
                        const CopyObserver& observer, Progress& progress, std::stop_token stop) {
  return BackupCopy(sides, options, observer, progress, std::move(stop)).run();
}

}  // namespace keyrewind::copies
