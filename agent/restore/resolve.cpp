#include "restore/resolve.h"

#include "base/error.h"
#include "base/size.h"
#include "catalog/log.h"
#include "catalog/timeline.h"
#include "restore/open_log.h"
#include "restore/safe_cut.h"

#include <fmt/format.h>

namespace keyrewind::restore {
namespace {

catalog::Manifest manifest_of_one_shard(const catalog::Catalog& catalog,
                                        const catalog::Commit& commit,
                                        const std::stop_token& stop) {
  catalog::Manifest manifest = catalog.manifest(commit, stop);
  if (manifest.snapshots.size() != 1) {
    throw Error(ErrorKind::failed,
                fmt::format("backup {} has {} shards and can't become one server's data", commit.id,
                            manifest.snapshots.size()));
  }
  return manifest;
}

/// Told from the names of the log's objects: a plain restore opens none of them.
std::optional<std::string> note_of_later_log(const catalog::Catalog& catalog,
                                             const RestorePoint& point,
                                             const std::stop_token& stop) {
  const auto logs =
      catalog::list_logs(catalog.store(), catalog.source(), point.base.snapshot.shard, stop);
  const auto log = logs.find(point.window.lineage);
  if (log == logs.end()) {
    return std::nullopt;
  }
  const auto segments = catalog::cover(log->second, point.offset);
  if (segments.empty()) {
    return std::nullopt;
  }
  const catalog::SegmentEntry& last = segments.back();
  return fmt::format(
      "the log goes on from this backup to {}, by {}; --at latest restores that, too",
      to_rfc3339(last.last), to_human_size(static_cast<std::uint64_t>(last.end - point.offset)));
}

}  // namespace

Resolved resolve_backup(const catalog::Catalog& catalog, const catalog::Commit& commit,
                        std::stop_token stop) {
  Resolved resolved{manifest_of_one_shard(catalog, commit, stop), {}};
  resolved.point = own_moment(commit, resolved.manifest.snapshots.front());
  if (const auto note = note_of_later_log(catalog, resolved.point, stop)) {
    resolved.point.notes.push_back(*note);
  }
  return resolved;
}

Resolved resolve_moment(const catalog::Catalog& catalog, const Moment& moment,
                        const std::optional<std::string>& backup, std::stop_token stop) {
  RestorePoint point =
      find_restore_point(read_timeline_for(catalog, moment, backup, stop), moment, backup);
  cut_safely(catalog, moment, point, stop);
  catalog::Manifest manifest = manifest_of_one_shard(catalog, point.base.commit, stop);
  point.base.snapshot = manifest.snapshots.front();
  return {std::move(manifest), std::move(point)};
}

Resolved resolve(const catalog::Catalog& catalog, const std::string& backup, const std::string& at,
                 std::stop_token stop) {
  const std::string id = backup.empty() ? "latest" : backup;
  if (at.empty()) {
    return resolve_backup(catalog, catalog.find(id, stop), stop);
  }
  const Moment moment = parse_moment(at);
  // `find` says what is the matter where there is nothing at all.
  if (id != "latest" || !catalog.ever_backed_up(stop)) {
    return resolve_moment(catalog, moment, catalog.find(id, stop).id, stop);
  }
  try {
    return resolve_moment(catalog, moment, std::nullopt, stop);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::no_backup && catalog.list(stop).empty()) {
      catalog.find(id, stop);
    }
    throw;
  }
}

}  // namespace keyrewind::restore
