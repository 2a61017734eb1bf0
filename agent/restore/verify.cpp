#include "restore/verify.h"

#include "base/error.h"
#include "base/size.h"
#include "catalog/commits.h"
#include "catalog/names.h"
#include "io/file.h"
#include "restore/loader.h"
#include "restore/moment_files.h"
#include "restore/scratch_folder.h"

#include <fmt/format.h>

namespace keyrewind::restore {
namespace {

namespace fs = std::filesystem;

/// A verification leaves no hash uncompared.
ReadOptions thorough(ReadOptions options) {
  options.check_object = true;
  return options;
}

void check_room(const fs::path& folder, std::uint64_t bytes) {
  const std::uint64_t free = io::free_bytes(folder, Side::here);
  if (free < bytes) {
    throw Error(ErrorKind::failed,
                fmt::format("{} has {} free, loading needs {}; name another folder with --temp-dir",
                            folder.string(), to_human_size(free), to_human_size(bytes)));
  }
}

void load(const catalog::Catalog& catalog, const catalog::Manifest& manifest,
          const catalog::Snapshot& snapshot, const VerifyOptions& options, Progress& progress,
          VerifyResult& result, const std::stop_token& stop) {
  const Loader loader = find_loader(options.server, manifest, snapshot);
  check_room(options.temporary, snapshot.rdb.bytes);
  const ScratchFolder scratch(options.temporary);
  write_snapshot(catalog.store(), snapshot, thorough(options.read), scratch.path() / "dump.rdb",
                 progress, stop);

  const std::uint64_t databases =
      snapshot.rdb.databases.empty() ? 16 : snapshot.rdb.databases.rbegin()->first + 1;
  const ThrowawayServer server(loader.program, scratch.path(), {.databases = databases}, stop);
  const std::uint64_t loaded = server.number("rdb_last_load_keys_loaded");
  const std::uint64_t expired = server.number("rdb_last_load_keys_expired");
  if (!snapshot.rdb.opaque() && loaded + expired != snapshot.rdb.keys()) {
    throw Error(Side::repository, ErrorKind::corrupt,
                fmt::format("{} loaded {} keys and found {} expired, the manifest counts {}",
                            rdb::to_string(loader.version), loaded, expired, snapshot.rdb.keys()));
  }
  result.server = rdb::to_string(loader.version);
  result.keys += loaded + expired;
  result.expired += expired;
}

void verify_snapshot(const catalog::Catalog& catalog, const catalog::Manifest& manifest,
                     const catalog::Snapshot& snapshot, const VerifyOptions& options,
                     Progress& progress, VerifyResult& result, const std::stop_token& stop) {
  result.stored_bytes += snapshot.object.bytes;
  switch (options.level) {
    case VerifyLevel::checksum:
      check_stored_bytes(catalog.store(), snapshot, options.read, progress, stop);
      return;
    case VerifyLevel::parse:
      read_snapshot(
          catalog.store(), snapshot, thorough(options.read), [](ByteView) {}, progress, stop);
      result.keys += snapshot.rdb.keys();
      break;
    case VerifyLevel::load:
      load(catalog, manifest, snapshot, options, progress, result, stop);
      break;
  }
  result.raw_bytes += snapshot.rdb.bytes;
}

/// Whoever listed the backup may have it from a page. Its commit must say the same.
void check_commit(const catalog::Catalog& catalog, const catalog::Commit& commit,
                  const std::stop_token& stop) {
  const catalog::CommitEntry entry{
      catalog::names::commit(catalog.source(), commit.sequence, commit.id),
      {commit.sequence, commit.id}};
  const auto stored = catalog::read_commit(catalog.store(), catalog.source(), entry, stop);
  if (!stored) {
    throw Error(Side::repository, ErrorKind::no_backup,
                fmt::format("backup {} was removed just now", commit.id));
  }
  if (*stored != commit) {
    throw Error(Side::repository, ErrorKind::corrupt,
                fmt::format("{} does not say what a page says of the backup", entry.object));
  }
}

}  // namespace

std::string_view to_string(VerifyLevel level) noexcept {
  switch (level) {
    case VerifyLevel::checksum:
      return "checksum";
    case VerifyLevel::parse:
      return "parse";
    case VerifyLevel::load:
      return "load";
  }
  return "parse";
}

VerifyResult verify_backup(const catalog::Catalog& catalog, const catalog::Commit& commit,
                           const VerifyOptions& options, Progress& progress, std::stop_token stop) {
  check_commit(catalog, commit, stop);
  const catalog::Manifest manifest = catalog.manifest(commit, stop);
  VerifyResult result;
  for (const catalog::Snapshot& snapshot : manifest.snapshots) {
    verify_snapshot(catalog, manifest, snapshot, options, progress, result, stop);
  }
  return result;
}

}  // namespace keyrewind::restore
