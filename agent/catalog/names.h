#pragma once

#include "base/clock.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// The names of objects in a repository: FORMAT.md section "Names". Written to every repository:
/// never change what one of these returns.
namespace keyrewind::catalog::names {

/// "keyrewind.json", which says that this is a repository and of which format version.
std::string repository();

/// "sources/<source>/", below which everything of a source stands.
std::string source(const std::string& source);

/// "sources/<source>/source.json", written with the first backup: from then on "no backup" is a
/// loss.
std::string source_record(const std::string& source);

/// "sources/<source>/commits/<sequence, 10 digits>-<id>.json"
std::string commit(const std::string& source, std::uint64_t sequence, const std::string& id);
std::string commits(const std::string& source);

/// What the name of a commit object says without its content being read.
struct CommitName {
  std::uint64_t sequence = 0;
  std::string id;

  bool operator==(const CommitName&) const = default;
};

/// Nothing if `name` is no commit's of this source.
std::optional<CommitName> parse_commit(const std::string& source, std::string_view name);

/// "sources/<source>/backups/<id>/manifest.json"
std::string manifest(const std::string& source, const std::string& id);
std::string backups(const std::string& source);

/// The backup whose manifest `name` is; nothing if it is something else.
std::optional<std::string> id_of_manifest(const std::string& source, std::string_view name);

/// "sources/<source>/backups/<id>/details.json.age", beside the manifest of an encrypted backup.
std::string details(const std::string& source, const std::string& id);

/// The backup whose details `name` are; nothing if it is something else.
std::optional<std::string> id_of_details(const std::string& source, std::string_view name);

/// "sources/<source>/shards/<shard>/lineages/<lineage>/snapshots/<offset, 20 digits>-<id>.rdb.zst",
/// with ".age" at the end if it is encrypted.
std::string snapshot(const std::string& source, const std::string& shard,
                     const std::string& lineage, std::int64_t offset, const std::string& id,
                     bool encrypted);
std::string shards(const std::string& source);

/// The backup that wrote the snapshot `name`; nothing if it is something else.
std::optional<std::string> id_of_snapshot(const std::string& source, std::string_view name);

/// "sources/<source>/shards/<shard>/lineages/", below which the histories of a shard stand.
std::string lineages(const std::string& source, const std::string& shard);

/// What the name of a segment says without its index being read.
struct SegmentName {
  std::string lineage;
  std::int64_t begin = 0;
  std::int64_t end = 0;
  Timestamp last{};              ///< When its last byte had arrived, rounded down to the second.
  std::uint64_t level = 0;       ///< 0 to kMaxLevel.
  std::uint64_t generation = 0;  ///< Of the lease under which it was written; 0: there was none.
  bool encrypted = false;

  bool operator==(const SegmentName&) const = default;
};

/// One digit stands for it.
inline constexpr std::uint64_t kMaxLevel = 9;

/// "<lineages><lineage>/log/<begin, 20 digits>-<end, 20 digits>-<compact UTC
/// time>-<level>.aof.zst", with "-<generation>" behind the level if that is not 0, and ".age" at
/// the end if it is encrypted.
std::string segment(const std::string& source, const std::string& shard, const SegmentName& name);

/// Nothing if `name` is no segment's of this shard.
std::optional<SegmentName> parse_segment(const std::string& source, const std::string& shard,
                                         std::string_view name);

/// Where the index of the encrypted segment `segment` stands in plain: its name with ".index" in
/// place of ".aof.zst.age".
std::string segment_index(std::string_view segment);

/// The segment whose plain index `name` is; nothing if it is something else.
std::optional<std::string> segment_of_index(std::string_view name);

/// "<lineages><lineage>/events/<id>.json"
std::string event(const std::string& source, const std::string& shard, const std::string& lineage,
                  const std::string& id);

struct EventName {
  std::string lineage;
  std::string id;

  bool operator==(const EventName&) const = default;
};

/// Nothing if `name` is no event's of this shard.
std::optional<EventName> parse_event(const std::string& source, const std::string& shard,
                                     std::string_view name);

/// Whether `name` stands in the folder of a log or of events, where the agent writes and nobody
/// else.
bool is_of_agent(std::string_view name) noexcept;

/// "sources/<source>/restore-requests/<number, 10 digits>.json"
std::string restore_request(const std::string& source, std::uint64_t number);
std::string restore_requests(const std::string& source);

/// The number of the request `name`; nothing if it is something else.
std::optional<std::uint64_t> parse_restore_request(const std::string& source,
                                                   std::string_view name);

/// "<restore-requests><number>-cancelled.json"
std::string restore_cancellation(const std::string& source, std::uint64_t number);

/// "<restore-requests><number>/<shard>.json": the request has been carried out there.
std::string restore_outcome(const std::string& source, std::uint64_t number,
                            const std::string& shard);

/// "<restore-requests><number>/<shard>/", where each failed attempt leaves "<id>.json".
std::string restore_failures(const std::string& source, std::uint64_t number,
                             const std::string& shard);

/// "sources/<source>/drills/<id>-<backup>.json". The id is the compact UTC time and 6 random
/// hexadecimal digits, as that of a backup.
std::string drill(const std::string& source, const std::string& id, const std::string& backup);
std::string drills(const std::string& source);

/// What the name of a drill's report says.
struct DrillName {
  std::string id;
  std::string backup;

  bool operator==(const DrillName&) const = default;
};

/// Nothing if `name` is no drill's of this source.
std::optional<DrillName> parse_drill(const std::string& source, std::string_view name);

/// "sources/<source>/leases/<shard>.json", the record by which agents agree who writes a log.
std::string lease(const std::string& source, const std::string& shard);

/// "sources/<source>/shards/<shard>/agent", the lock that an agent without a lease holds as long as
/// it runs.
std::string agent_lock(const std::string& source, const std::string& shard);

/// "sources/<source>/locks/<backup>/<id>.json": somebody wants the backup kept.
std::string lock(const std::string& source, const std::string& backup, const std::string& id);
std::string locks(const std::string& source);

struct LockName {
  std::string backup;
  std::string id;

  bool operator==(const LockName&) const = default;
};

/// Nothing if `name` is no lock's of this source.
std::optional<LockName> parse_lock(const std::string& source, std::string_view name);

/// "sources/<source>/holds/<id>.json": somebody reads just now.
std::string hold(const std::string& source, const std::string& id);
std::string holds(const std::string& source);

/// The id of the hold `name`; nothing if it is something else.
std::optional<std::string> id_of_hold(const std::string& source, std::string_view name);

/// "<lineages><lineage>/trims/<offset, 20 digits>.json": what of the log ends before that offset is
/// no part of it any more.
std::string trim(const std::string& source, const std::string& shard, const std::string& lineage,
                 std::int64_t offset);

/// "<lineages><lineage>/trims/"
std::string trims(const std::string& source, const std::string& shard, const std::string& lineage);

struct TrimName {
  std::string lineage;
  std::int64_t offset = 0;

  bool operator==(const TrimName&) const = default;
};

/// Nothing if `name` is no trim's of this shard.
std::optional<TrimName> parse_trim(const std::string& source, const std::string& shard,
                                   std::string_view name);

/// "<lineages><lineage>/pages/<begin, 20 digits>-<end, 20 digits>.index": what the segments between
/// two offsets say.
std::string log_page(const std::string& source, const std::string& shard,
                     const std::string& lineage, std::int64_t begin, std::int64_t end);

struct LogPageName {
  std::string lineage;
  std::int64_t begin = 0;
  std::int64_t end = 0;

  bool operator==(const LogPageName&) const = default;
};

/// Nothing if `name` is no page's of this shard.
std::optional<LogPageName> parse_log_page(const std::string& source, const std::string& shard,
                                          std::string_view name);

/// "sources/<source>/pages/<first sequence, 10 digits>-<last sequence, 10 digits>.zst": commits and
/// manifests of many backups.
struct CommitPageName {
  std::uint64_t first = 0;
  std::uint64_t last = 0;

  bool operator==(const CommitPageName&) const = default;
};
std::string commit_page(const std::string& source, const CommitPageName& name);
std::string commit_pages(const std::string& source);

/// Nothing if `name` is no page's of this source.
std::optional<CommitPageName> parse_commit_page(const std::string& source, std::string_view name);

/// Whether `name` concerns this one repository, and is not wanted in a copy of it: leases, holds,
/// trims and pages.
bool is_of_one_repository(const std::string& source, std::string_view name) noexcept;

/// "sources/<source>/copier-backups", the lock of whoever copies backups into the repository.
std::string copier_lock(const std::string& source);

/// "sources/<source>/prune", the lock of whoever removes backups and log.
std::string prune_lock(const std::string& source);

/// Whether `text` is a lineage or replication id: 40 lower-case hexadecimal digits.
bool is_valid_lineage(std::string_view text) noexcept;

/// "sources/<source>/writer", the lock that a run holds while it writes.
std::string writer_lock(const std::string& source);

/// Whether `source` may be a part of a name: 1 to 63 of [a-z0-9A-Z._-], beginning with a letter or
/// digit.
bool is_valid_source(std::string_view source) noexcept;

}  // namespace keyrewind::catalog::names
