#pragma once

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

/// "sources/<source>/shards/<shard>/lineages/<lineage>/snapshots/<offset, 20 digits>-<id>.rdb.zst"
std::string snapshot(const std::string& source, const std::string& shard,
                     const std::string& lineage, std::int64_t offset, const std::string& id);
std::string shards(const std::string& source);

/// The backup that wrote the snapshot `name`; nothing if it is something else.
std::optional<std::string> id_of_snapshot(const std::string& source, std::string_view name);

/// "sources/<source>/writer", the lock that a run holds while it writes.
std::string writer_lock(const std::string& source);

/// Whether `source` may be a part of a name: 1 to 63 of [a-z0-9A-Z._-], beginning with a letter or
/// digit.
bool is_valid_source(std::string_view source) noexcept;

}  // namespace keyrewind::catalog::names
