#include "catalog/leftovers.h"

#include "base/error.h"
#include "base/log.h"
#include "catalog/names.h"

#include <optional>
#include <set>
#include <string>

namespace keyrewind::catalog {
namespace {

/// Manifests and snapshots whose own names say that they belong to no backup in `commits`. What
/// later versions may store beside them is none of our business.
std::vector<std::string> find_suspects(const Catalog& catalog,
                                       const std::vector<CommitEntry>& commits,
                                       const std::stop_token& stop) {
  std::set<std::string> ids;
  for (const CommitEntry& commit : commits) {
    ids.insert(commit.name.id);
  }
  const std::string& source = catalog.source();
  std::vector<std::string> suspects;
  const auto suspect_if_unknown = [&](const std::string& name,
                                      const std::optional<std::string>& id) {
    if (id && !ids.contains(*id)) {
      suspects.push_back(name);
    }
  };
  for (const auto& object : catalog.store().list(names::backups(source), stop)) {
    suspect_if_unknown(object.name, names::id_of_manifest(source, object.name));
  }
  for (const auto& object : catalog.store().list(names::shards(source), stop)) {
    suspect_if_unknown(object.name, names::id_of_snapshot(source, object.name));
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
      for (const Snapshot& snapshot : catalog.manifest(*commit, stop).snapshots) {
        named.insert(snapshot.object.name);
      }
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::corrupt && error.kind() != ErrorKind::incompatible) {
        throw;
      }
      log::warn("leftovers kept because a backup cannot be read",
                {{"backup", entry.name.id}, {"error", error.what()}});
      return std::nullopt;
    }
  }
  return named;
}

}  // namespace

std::size_t remove_leftovers(const Catalog& catalog, const std::vector<CommitEntry>& commits,
                             std::stop_token stop) {
  store::ObjectStore& store = catalog.store();
  // An agent may be writing its log at this moment, under a lock of its own.
  std::size_t removed = store.remove_abandoned_uploads(
      names::source(catalog.source()),
      [](const std::string& name) { return !names::is_of_agent(name); }, stop);
  if (removed != 0) {
    log::info("abandoned uploads removed", {{"source", catalog.source()}, {"uploads", removed}});
  }
  const std::vector<std::string> suspects = find_suspects(catalog, commits, stop);
  if (suspects.empty()) {
    return removed;
  }
  const std::optional<std::set<std::string>> named = find_named(catalog, commits, stop);
  if (!named) {
    return removed;
  }
  for (const std::string& name : suspects) {
    if (!named->contains(name)) {
      store.remove(name, stop);
      log::info("leftover removed", {{"source", catalog.source()}, {"object", name}});
      ++removed;
    }
  }
  return removed;
}

}  // namespace keyrewind::catalog
