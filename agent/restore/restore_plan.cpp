#include "restore/restore_plan.h"

#include "base/error.h"
#include "base/size.h"
#include "io/file.h"
#include "restore/partial_snapshot.h"
#include "restore/rdb_maker.h"
#include "restore/server_data.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

namespace keyrewind::restore {
namespace {

namespace fs = std::filesystem;

/// Beside the RDB itself: manifest, marker, and what the file system needs for them.
constexpr std::uint64_t kSmallFiles = 64U << 10U;

/// Bytes a second for the estimate, on an ordinary machine: fetched, inflated and written, and
/// loaded by a server.
constexpr std::uint64_t kWrittenPerSecond = 100'000'000;
constexpr std::uint64_t kLoadedPerSecond = 50'000'000;

std::string names_of(const std::vector<fs::path>& files) {
  std::string names;
  for (const fs::path& file : files) {
    names += (names.empty() ? "" : ", ") + file.string();
  }
  return names;
}

/// As the user or the server's configuration says; nothing if neither does.
std::optional<Layout> wanted_layout(const RestoreRequest& request, RestorePlan& plan) {
  if (request.layout) {
    plan.layout_reason = "as asked for";
    return request.layout;
  }
  if (plan.server_config.appendonly) {
    const bool appendonly = *plan.server_config.appendonly;
    plan.layout_reason = fmt::format("appendonly {} in {}", appendonly ? "yes" : "no",
                                     names_of(request.server_config));
    return appendonly ? Layout::aof : Layout::rdb;
  }
  plan.layout_reason = request.server_config.empty()
                           ? "no --server-config given"
                           : names_of(request.server_config) + " does not set appendonly";
  return std::nullopt;
}

void choose_layout(const RestoreRequest& request, const catalog::Manifest& manifest,
                   const RestorePoint& point, RestorePlan& plan) {
  const auto wanted = wanted_layout(request, plan);
  plan.layout = wanted.value_or(Layout::both);
  if (!point.needs_log() || plan.layout == Layout::aof) {
    return;
  }
  try {
    plan.maker = find_rdb_maker(request.program, request.server, manifest, point.base.snapshot);
  } catch (const Error& error) {
    if (wanted || error.kind() != ErrorKind::config) {
      throw;
    }
    plan.layout = Layout::aof;
    plan.notes.push_back(
        fmt::format("the target server must run with appendonly yes, or it would start empty: {}",
                    error.what()));
  }
}

/// What of the log is needed.
void measure_log(const RestorePoint& point, RestorePlan& plan) {
  plan.log_bytes = static_cast<std::uint64_t>(point.offset - point.base.snapshot.offset);
  for (const catalog::Segment& segment : point.window.segments) {
    if (segment.end <= point.base.snapshot.offset || segment.begin >= point.offset) {
      continue;
    }
    ++plan.segments;
    std::int64_t at = segment.begin;
    for (const codec::Frame& frame : segment.frames) {
      const std::int64_t end = at + frame.raw_bytes;
      if (end > point.base.snapshot.offset && at < point.offset) {
        plan.stored_bytes += frame.stored_bytes;
      }
      at = end;
    }
  }
}

std::uint64_t estimate(const RestorePlan& plan) {
  const std::uint64_t writing = plan.bytes / kWrittenPerSecond;
  const std::uint64_t making =
      plan.maker ? plan.bytes / kLoadedPerSecond + plan.bytes / kWrittenPerSecond : 0;
  return std::max<std::uint64_t>(1, writing + making);
}

void name_files(RestorePlan& plan) {
  const ServerConfig& config = plan.server_config;
  if (plan.layout != Layout::aof) {
    plan.files.push_back(config.dbfilename);
  }
  if (plan.layout != Layout::rdb) {
    const fs::path folder = config.aof.folder;
    for (const std::string& name :
         {config.aof.base_file(), config.aof.increment_file(), config.aof.manifest_file()}) {
      plan.files.push_back((folder / name).string());
    }
  }
}

void check_server_version(const RestoreRequest& request, const rdb::Summary& summary,
                          RestorePlan& plan) {
  plan.needs = rdb::oldest_servers(summary.magic, summary.version);
  if (request.server) {
    if (const auto why = rdb::why_not_loadable(summary.magic, summary.version, *request.server)) {
      plan.objections.push_back(*why);
    }
  } else {
    plan.notes.push_back(fmt::format(
        "the target server's version is not known (--server tells it); this needs {} or newer",
        plan.needs));
  }
}

/// Whether a log of `source` may have commands that `target` does not know. Valkey began as Redis
/// 7.2.
bool may_lack_commands(const rdb::ServerVersion& target, const rdb::ServerVersion& source) {
  using Product = rdb::ServerVersion::Product;
  constexpr std::pair kFork(7, 2);
  const std::pair source_release(source.major, source.minor);
  if (target.product == source.product) {
    return std::pair(target.major, target.minor) < source_release;
  }
  return source.product != Product::redis || source_release > kFork;
}

void check_log_commands(const RestoreRequest& request, const catalog::Manifest& manifest,
                        const RestorePoint& point, RestorePlan& plan) {
  const auto source = source_server(manifest, point.base.snapshot);
  if (point.needs_log() && request.server && source &&
      may_lack_commands(*request.server, *source)) {
    plan.objections.push_back(
        fmt::format("the log was written by {}, and {} may not know all of its commands",
                    rdb::to_string(*source), rdb::to_string(*request.server)));
  }
}

/// A SELECT of a database that the target hasn't would put what follows into the wrong one.
void check_log_databases(const RestoreRequest& request, const catalog::Manifest& manifest,
                         const RestorePoint& point, RestorePlan& plan) {
  const auto server = manifest.servers.find(point.base.snapshot.shard);
  if (!point.needs_log() || server == manifest.servers.end() ||
      !server->second.config.contains("databases")) {
    return;
  }
  const std::uint64_t databases = databases_of(manifest, point.base.snapshot);
  if (databases <= plan.server_config.databases) {
    return;
  }
  if (!request.server_config.empty()) {
    plan.objections.push_back(fmt::format(
        "the source has {} databases, the target {}: what the log writes to further ones would end "
        "up in others",
        databases, plan.server_config.databases));
  } else {
    plan.notes.push_back(
        fmt::format("the source has {} databases; the target server must have as many", databases));
  }
}

/// Memory that the data will need in the target, as far as the source knew; else the RDB's size,
/// which is less.
void check_memory(const catalog::Manifest& manifest, const catalog::Snapshot& snapshot,
                  RestorePlan& plan) {
  if (plan.server_config.maxmemory == 0) {
    return;
  }
  const auto server = manifest.servers.find(snapshot.shard);
  const std::uint64_t needed = server == manifest.servers.end()
                                   ? snapshot.rdb.bytes
                                   : server->second.used_memory.value_or(snapshot.rdb.bytes);
  if (needed > plan.server_config.maxmemory) {
    plan.objections.push_back(
        fmt::format("the dataset took {} of memory, the target's maxmemory is {}",
                    to_human_size(needed), to_human_size(plan.server_config.maxmemory)));
  }
}

void check_databases(const rdb::Summary& summary, RestorePlan& plan) {
  if (!summary.databases.empty() &&
      summary.databases.rbegin()->first >= plan.server_config.databases) {
    plan.objections.push_back(fmt::format(
        "the snapshot uses database {}, the target has {} databases and would not start",
        summary.databases.rbegin()->first, plan.server_config.databases));
  }
}

void check_modules(const rdb::Summary& summary, RestorePlan& plan) {
  if (!summary.modules.empty()) {
    std::vector<std::string> names;
    for (const auto& [name, keys] : summary.modules) {
      names.push_back(name);
    }
    plan.notes.push_back(
        fmt::format("the target server must have the module types {}", fmt::join(names, ", ")));
  }
}

/// Refuses a folder that nothing can be written to, and says what a pod's volume lacks.
void check_rights(const fs::path& folder) {
  if (access(folder.c_str(), W_OK | X_OK) == 0) {
    return;
  }
  const int number = errno;
  struct stat info {};
  if (number == EROFS) {
    throw Error(ErrorKind::failed,
                fmt::format("{} is read-only; mount it for writing", folder.string()));
  }
  if (number == EACCES && stat(folder.c_str(), &info) == 0) {
    throw Error(
        ErrorKind::failed,
        fmt::format("{} belongs to uid {} and gid {} (mode {:04o}) and is not writable for "
                    "uid {}; run as that user, as the server does (runAsUser, fsGroup)",
                    folder.string(), info.st_uid, info.st_gid, info.st_mode & 07777, geteuid()));
  }
  throw io::file_error(Side::here, number, "write to", folder);
}

void check_target(const RestoreRequest& request, const catalog::Snapshot& snapshot,
                  RestorePlan& plan) {
  std::error_code ignored;
  const bool exists = fs::exists(plan.target, ignored);
  if (exists && !fs::is_directory(plan.target, ignored)) {
    throw Error(ErrorKind::failed, fmt::format("target {} is not a folder", plan.target.string()));
  }
  const fs::path parent = fs::absolute(plan.target).lexically_normal().parent_path();
  if (!exists && !fs::is_directory(parent, ignored)) {
    throw Error(ErrorKind::failed,
                fmt::format("target {} can't be made: {} is not there; create it",
                            plan.target.string(), parent.string()));
  }
  check_rights(exists ? plan.target : parent);
  plan.old_data = find_server_data(plan.target, plan.server_config);
  if (const auto pid = find_server_running_in(plan.target)) {
    plan.objections.push_back(fmt::format(
        "a server (pid {}) is running in {} and would overwrite what is restored; stop it", *pid,
        plan.target.string()));
  }
  const std::string& dir = plan.server_config.dir;
  if (!dir.empty() && fs::path(dir).is_absolute() &&
      fs::weakly_canonical(dir, ignored) != fs::weakly_canonical(plan.target, ignored)) {
    plan.notes.push_back(fmt::format("{} says dir {}, but the target is {}",
                                     names_of(request.server_config), dir, plan.target.string()));
  }
  const std::uint64_t kept = bytes_kept(temporary_folder(plan.target), snapshot);
  if (kept != 0) {
    plan.notes.push_back(
        fmt::format("goes on from an interrupted restore: {} of {} of the RDB are there already",
                    to_human_size(kept), to_human_size(snapshot.rdb.bytes)));
  }
  const std::uint64_t free = io::free_bytes(exists ? plan.target : parent, Side::here);
  // While a server makes the RDB, what it makes it from is there, too.
  const std::uint64_t needed = (plan.maker ? 2 * plan.bytes : plan.bytes) + kSmallFiles - kept;
  if (free < needed) {
    plan.objections.push_back(fmt::format("{} has {} free, {} are needed; free some space",
                                          plan.target.string(), to_human_size(free),
                                          to_human_size(needed)));
  }
}

}  // namespace

std::string_view to_string(Layout layout) noexcept {
  switch (layout) {
    case Layout::rdb:
      return "rdb";
    case Layout::aof:
      return "aof";
    case Layout::both:
      return "both";
  }
  return "both";
}

ServerConfig server_config_of(const RestoreRequest& request) {
  ServerConfig config = read_server_config(request.server_config);
  if (!request.append_filename.empty()) {
    config.aof.stem = request.append_filename;
  }
  if (!request.append_dirname.empty()) {
    config.aof.folder = request.append_dirname;
  }
  return config;
}

RestorePlan plan_restore(const RestoreRequest& request, const catalog::Manifest& manifest,
                         const RestorePoint& point) {
  const catalog::Snapshot& snapshot = point.base.snapshot;
  RestorePlan plan;
  plan.target = request.target;
  plan.notes = point.notes;
  plan.unattended = request.unattended;
  plan.restore_request = request.restore_request;
  plan.server_config = server_config_of(request);
  plan.stored_bytes = snapshot.object.bytes;
  measure_log(point, plan);
  plan.bytes = snapshot.rdb.bytes + plan.log_bytes;
  choose_layout(request, manifest, point, plan);
  plan.estimated_seconds = estimate(plan);
  name_files(plan);
  check_server_version(request, snapshot.rdb, plan);
  check_log_commands(request, manifest, point, plan);
  check_memory(manifest, snapshot, plan);
  check_databases(snapshot.rdb, plan);
  check_log_databases(request, manifest, point, plan);
  check_modules(snapshot.rdb, plan);
  check_target(request, snapshot, plan);
  return plan;
}

}  // namespace keyrewind::restore
