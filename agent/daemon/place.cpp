#include "daemon/place.h"

#include "base/error.h"
#include "base/log.h"
#include "catalog/imports.h"
#include "catalog/log.h"
#include "catalog/names.h"
#include "catalog/repository.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace keyrewind::daemon {
namespace {

using catalog::SegmentEntry;

/// Older logs have hardly a chance to go on; each costs a read and a question to the servers.
constexpr std::size_t kLogsToTry = 4;

using Logs = std::map<std::string, std::vector<SegmentEntry>>;

const SegmentEntry& last_of(const std::vector<SegmentEntry>& segments) {
  return *std::ranges::max_element(segments, {}, &SegmentEntry::end);
}

std::vector<std::pair<std::string, SegmentEntry>> newest_ends(const Logs& logs) {
  std::vector<std::pair<std::string, SegmentEntry>> ends;
  for (const auto& [lineage, segments] : logs) {
    if (!segments.empty()) {
      ends.emplace_back(lineage, last_of(segments));
    }
  }
  std::ranges::sort(ends, std::ranges::greater(), [](const auto& end) { return end.second.last; });
  ends.resize(std::min(ends.size(), kLogsToTry));
  return ends;
}

/// The newest backup that came from the source itself: nothing can be asked to go on from an
/// imported one, and it took no full sync.
std::optional<catalog::Commit> newest_of_source(const catalog::Catalog& catalog,
                                                const std::stop_token& stop) {
  const auto backups = catalog.list(stop);
  const auto newest =
      std::find_if_not(backups.rbegin(), backups.rend(),
                       [](const catalog::Commit& commit) { return catalog::is_import(commit); });
  return newest == backups.rend() ? std::nullopt : std::optional(*newest);
}

/// The newest backup's snapshot of `shard`, if there is one and it can be read.
std::optional<catalog::Snapshot> newest_snapshot(const catalog::Catalog& catalog,
                                                 const std::string& shard,
                                                 const std::stop_token& stop) {
  try {
    if (const auto newest = newest_of_source(catalog, stop)) {
      const catalog::Manifest manifest = catalog.manifest(*newest, stop);
      const auto found = std::ranges::find(manifest.snapshots, shard, &catalog::Snapshot::shard);
      if (found != manifest.snapshots.end()) {
        return *found;
      }
    }
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::corrupt && error.kind() != ErrorKind::incompatible) {
      throw;
    }
    log::warn("newest backup cannot be read", {{"error", error.what()}});
  }
  return std::nullopt;
}

}  // namespace

std::vector<Place> places_in_repository(const catalog::Catalog& catalog, const std::string& shard,
                                        std::stop_token stop) {
  if (catalog::inspect(catalog.store(), stop) == catalog::Place::nothing) {
    return {};
  }
  const Logs logs = catalog::list_logs(catalog.store(), catalog.source(), shard, stop);
  std::vector<Place> places;
  for (const auto& [lineage, entry] : newest_ends(logs)) {
    try {
      if (const auto segment = catalog::read_segment(catalog.store(), entry, stop)) {
        places.push_back({.lineage = lineage,
                          .position = {segment->ids.back().replid, segment->end},
                          .database = {}});
      }
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::corrupt) {
        throw;
      }
      log::error("the end of the log is damaged", {{"error", error.what()}});
    }
  }
  const auto snapshot = newest_snapshot(catalog, shard, stop);
  if (!snapshot) {
    return places;
  }
  const bool log_goes_on = std::ranges::any_of(places, [&](const Place& place) {
    return place.position.offset >= snapshot->offset &&
           (place.lineage == snapshot->lineage || place.position.replid == snapshot->replid);
  });
  if (!log_goes_on) {
    const auto exists = [&](const std::string& lineage) { return logs.contains(lineage); };
    places.push_back(
        {.lineage = exists(snapshot->lineage)
                        ? catalog::lineage_id(snapshot->replid, snapshot->offset, exists)
                        : snapshot->lineage,
         .position = {snapshot->replid, snapshot->offset},
         .database = {},
         .fresh = true,
         .has_base = true});
  }
  return places;
}

bool has_snapshot(const catalog::Catalog& catalog, const std::string& shard,
                  const std::string& lineage, std::stop_token stop) {
  std::set<std::string> ids;
  for (const catalog::Commit& commit : catalog.list(stop)) {
    ids.insert(commit.id);
  }
  // Not the log beside it, which may be long.
  const std::string prefix =
      catalog::names::lineages(catalog.source(), shard) + lineage + "/snapshots/";
  const auto objects = catalog.store().list(prefix, stop);
  return std::ranges::any_of(objects, [&](const store::ObjectInfo& object) {
    const auto id = catalog::names::id_of_snapshot(catalog.source(), object.name);
    return id && ids.contains(*id);
  });
}

std::optional<Timestamp> last_backup(const catalog::Catalog& catalog, std::stop_token stop) {
  const auto newest = newest_of_source(catalog, stop);
  return newest ? std::optional(newest->created) : std::nullopt;
}

}  // namespace keyrewind::daemon
