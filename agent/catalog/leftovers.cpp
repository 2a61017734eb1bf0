#include "catalog/leftovers.h"

#include "base/error.h"
#include "base/log.h"
#include "catalog/hold.h"
#include "catalog/names.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string>

namespace keyrewind::catalog {
namespace {

/// Those of `objects` whose own names say that they belong to no backup in `commits`.
std::vector<std::string> find_suspects(const std::string& source,
                                       const std::vector<CommitEntry>& commits,
                                       const std::vector<store::ObjectInfo>& objects) {
  std::set<std::string> ids;
  for (const CommitEntry& commit : commits) {
    ids.insert(commit.name.id);
  }
  std::vector<std::string> suspects;
  for (const store::ObjectInfo& object : objects) {
    const std::optional<std::string> id = writer_of(source, object.name);
    if (id && !ids.contains(*id)) {
      suspects.push_back(object.name);
    }
  }
  return suspects;
}

/// Every object that a backup names. Nothing if a backup cannot be read, after a warning.
std::optional<std::set<std::string>> find_named(const Catalog& catalog,
                                                const std::vector<CommitEntry>& commits,
                                                const std::stop_token& stop) {
  std::set<std::string> named;
  for (const CommitEntry& entry : commits) {
    try {
      const auto commit = read_commit(catalog.store(), catalog.source(), entry, stop);
      if (!commit) {
        continue;
      }
      named.insert(commit->manifest.name);
      const Manifest manifest = read_manifest(catalog.store(), *commit, stop);
      for (const Snapshot& snapshot : manifest.snapshots) {
        named.insert(snapshot.object.name);
      }
      if (manifest.details) {
        named.insert(manifest.details->name);
      }
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::corrupt && error.kind() != ErrorKind::incompatible) {
        throw;
      }
      if (!catalog.store().head(entry.object, stop)) {
        continue;  // Retention removes it just now.
      }
      log::warn("leftovers kept because a backup cannot be read",
                {{"backup", entry.name.id}, {"error", error.what()}});
      return std::nullopt;
    }
  }
  return named;
}

bool is_held(const Holds& holds, const std::string& backup) {
  return std::ranges::any_of(
      holds.in_force, [&](const Hold& hold) { return hold.everything || hold.backup == backup; });
}

}  // namespace

BackupObjects list_backup_objects(const store::ObjectStore& store, const std::string& source,
                                  std::stop_token stop) {
  BackupObjects found;
  store.visit(
      names::source(source),
      [&](const store::ObjectInfo& object) {
        found.any_encrypted = found.any_encrypted || object.name.ends_with(store::kEncryptedSuffix);
        if (!names::is_of_agent(object.name)) {
          found.objects.push_back(object);
        }
      },
      std::move(stop));
  return found;
}

std::size_t remove_leftovers(const Catalog& catalog, const std::vector<CommitEntry>& commits,
                             const std::vector<store::ObjectInfo>& objects, Timestamp now,
                             std::stop_token stop) {
  store::ObjectStore& store = catalog.store();
  // An agent may be writing its log at this moment, under a lock of its own.
  std::size_t removed = store.remove_abandoned_uploads(
      names::source(catalog.source()),
      [](const std::string& name) { return !names::is_of_agent(name); }, stop);
  if (removed != 0) {
    log::info("abandoned uploads removed", {{"source", catalog.source()}, {"uploads", removed}});
  }
  for (const std::string& name : find_leftovers(catalog, commits, objects, now, stop)) {
    store.remove(name, stop);
    log::info("leftover removed", {{"source", catalog.source()}, {"object", name}});
    ++removed;
  }
  return removed;
}

std::vector<std::string> find_leftovers(const Catalog& catalog,
                                        const std::vector<CommitEntry>& commits,
                                        const std::vector<store::ObjectInfo>& objects,
                                        Timestamp now, std::stop_token stop) {
  std::vector<std::string> suspects = find_suspects(catalog.source(), commits, objects);
  if (suspects.empty()) {
    return suspects;
  }
  const std::optional<std::set<std::string>> named = find_named(catalog, commits, stop);
  if (!named) {
    return {};
  }
  const Holds holds = list_holds(catalog, now, stop);
  std::erase_if(suspects, [&](const std::string& name) {
    return named->contains(name) || is_held(holds, *writer_of(catalog.source(), name));
  });
  return suspects;
}

std::optional<std::string> writer_of(const std::string& source, const std::string& name) {
  if (auto id = names::id_of_manifest(source, name)) {
    return id;
  }
  if (auto id = names::id_of_details(source, name)) {
    return id;
  }
  return names::id_of_snapshot(source, name);
}

}  // namespace keyrewind::catalog
