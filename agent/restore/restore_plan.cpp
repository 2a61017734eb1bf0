#include "restore/restore_plan.h"

#include "base/error.h"
#include "base/size.h"
#include "io/file.h"
#include "restore/server_data.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <system_error>

namespace keyrewind::restore {
namespace {

namespace fs = std::filesystem;

/// Beside the RDB itself: manifest, marker, and what the file system needs for them.
constexpr std::uint64_t kSmallFiles = 64U << 10U;

void choose_layout(const RestoreRequest& request, RestorePlan& plan) {
  if (request.layout) {
    plan.layout = *request.layout;
    plan.layout_reason = "as asked for";
  } else if (plan.server_config.appendonly) {
    plan.layout = *plan.server_config.appendonly ? Layout::aof : Layout::rdb;
    plan.layout_reason =
        fmt::format("appendonly {} in {}", *plan.server_config.appendonly ? "yes" : "no",
                    request.server_config->string());
  } else {
    plan.layout = Layout::both;
    plan.layout_reason = request.server_config
                             ? request.server_config->string() + " does not set appendonly"
                             : "no --server-config given";
  }
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

void check_target(const RestoreRequest& request, RestorePlan& plan) {
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
                                     request.server_config->string(), dir, plan.target.string()));
  }
  const std::uint64_t free = io::free_bytes(exists ? plan.target : parent, Side::here);
  if (free < plan.bytes + kSmallFiles) {
    plan.objections.push_back(fmt::format("{} has {} free, {} are needed; free some space",
                                          plan.target.string(), to_human_size(free),
                                          to_human_size(plan.bytes + kSmallFiles)));
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
  return request.server_config ? read_server_config(*request.server_config) : ServerConfig();
}

RestorePlan plan_restore(const RestoreRequest& request, const catalog::Manifest& manifest,
                         const catalog::Snapshot& snapshot) {
  RestorePlan plan;
  plan.target = request.target;
  plan.server_config = server_config_of(request);
  plan.bytes = snapshot.rdb.bytes;
  plan.stored_bytes = snapshot.object.bytes;
  choose_layout(request, plan);
  name_files(plan);
  check_server_version(request, snapshot.rdb, plan);
  check_memory(manifest, snapshot, plan);
  check_databases(snapshot.rdb, plan);
  check_modules(snapshot.rdb, plan);
  check_target(request, plan);
  return plan;
}

}  // namespace keyrewind::restore
