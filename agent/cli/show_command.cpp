#include "api/backup_json.h"
#include "base/size.h"
#include "catalog/backup_lock.h"
#include "catalog/drill_report.h"
#include "cli/commands.h"
#include "cli/drill_json.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <iostream>
#include <memory>
#include <string>

namespace keyrewind::cli {
namespace {

/// The last ones tell; there may be one a week.
constexpr std::size_t kShownDrills = 10;

void print_line(std::string_view name, const std::string& value) {
  if (!value.empty()) {
    std::cout << fmt::format("{:<14} {}\n", name, value);
  }
}

std::string types_of(const rdb::DatabaseCounts& counts) {
  std::string text;
  for (std::size_t i = 0; i < rdb::kValueTypes; ++i) {
    if (counts.by_type[i] != 0) {
      text += fmt::format(", {} {}", counts.by_type[i], to_string(static_cast<rdb::ValueType>(i)));
    }
  }
  return text;
}

void print_snapshot(const catalog::Snapshot& snapshot) {
  print_line("snapshot",
             fmt::format("shard {}, {} version {}, {} stored as {}", snapshot.shard,
                         snapshot.rdb.magic, snapshot.rdb.version,
                         to_human_size(snapshot.rdb.bytes), to_human_size(snapshot.object.bytes)));
  print_line("position", fmt::format("{} at offset {}", snapshot.replid, snapshot.offset));
  print_line("object", snapshot.object.name);
  print_line("rdb sha256", snapshot.raw_sha256);
  print_line("crc64",
             fmt::format(
                 "{:016x}{}", snapshot.rdb.crc64,
                 snapshot.rdb.checksum == rdb::Checksum::absent ? " (the server wrote none)" : ""));
  if (snapshot.rdb.opaque()) {
    print_line("not counted", snapshot.rdb.opaque_reason);
    return;
  }
  for (const auto& [number, counts] : snapshot.rdb.databases) {
    print_line(fmt::format("database {}", number),
               fmt::format("{} keys, {} with a time to live{}", counts.keys, counts.keys_with_ttl,
                           types_of(counts)));
  }
  print_line("functions", fmt::format("{}", fmt::join(snapshot.rdb.functions, ", ")));
  for (const auto& [name, keys] : snapshot.rdb.modules) {
    print_line("module type", fmt::format("{}: {} keys", name, keys));
  }
}

void print_server(const replica::ServerInfo& server) {
  std::string text = server.product + " " + server.version;
  for (const std::string& more : {server.role, server.mode}) {
    text += more.empty() ? "" : ", " + more;
  }
  print_line("server", text);
  if (server.used_memory) {
    print_line("used memory", to_human_size(*server.used_memory));
  }
  for (const auto& [name, version] : server.modules) {
    print_line("module", fmt::format("{} {}", name, version));
  }
  for (const auto& [name, value] : server.config) {
    print_line("config", fmt::format("{} {}", name, value.empty() ? "\"\"" : value));
  }
  if (!server.secrets_left_out.empty()) {
    print_line("left out",
               fmt::format("secret options {}", fmt::join(server.secrets_left_out, ", ")));
  }
  for (const std::string& user : server.acl_users) {
    print_line("acl", user);
  }
  for (const std::string& missing : server.missing) {
    print_line("not recorded", missing);
  }
}

std::string describe(const catalog::BackupLock& lock) {
  return (lock.until ? "until " + to_rfc3339(*lock.until) : std::string("until it is unlocked")) +
         (lock.note.empty() ? "" : ": " + lock.note);
}

void print(const catalog::Commit& commit, const catalog::Manifest& manifest,
           const catalog::BackupLock* lock) {
  print_line("backup", commit.id);
  print_line("source", commit.source);
  print_line("state", "available");
  print_line("created", to_rfc3339(commit.created));
  print_line("took", to_human(commit.finished - commit.created));
  print_line("keys", commit.opaque ? "not counted" : std::to_string(commit.keys));
  if (commit.origin.trigger) {
    print_line("taken for", commit.origin.schedule.empty()
                                ? std::string(to_string(*commit.origin.trigger))
                                : fmt::format("schedule {}", commit.origin.schedule));
  }
  print_line("decision", manifest.decision);
  if (lock != nullptr) {
    print_line("locked", describe(*lock));
  }
  for (const auto& [name, value] : manifest.labels) {
    print_line("label", name + "=" + value);
  }
  for (const catalog::Snapshot& snapshot : manifest.snapshots) {
    print_snapshot(snapshot);
  }
  for (const auto& [shard, server] : manifest.servers) {
    print_server(server);
  }
  for (const std::string& warning : manifest.warnings) {
    print_line("warning", warning);
  }
}

void run(const std::string& id, Invocation& invocation) {
  Repository repository(invocation.global, config::Identities::if_available);
  const auto commit = repository.catalog().find(id, invocation.stop);
  const auto manifest = repository.catalog().manifest(commit, invocation.stop);
  const auto drills =
      catalog::read_drills(repository.catalog(), commit.id, kShownDrills, invocation.stop);
  const auto locks = catalog::list_locks(repository.catalog(), invocation.stop);
  const catalog::BackupLock* const lock = catalog::find_lock(locks, commit.id, SystemClock().now());
  if (invocation.global.json) {
    auto object = api::to_json(commit, manifest);
    object["lock"] = api::to_json(lock);
    object["drills"] = nlohmann::ordered_json::array();
    for (const catalog::DrillReport& drill : drills) {
      object["drills"].push_back(to_json(drill));
    }
    std::cout << object.dump(2) << '\n';
    return;
  }
  print(commit, manifest, lock);
  for (const catalog::DrillReport& drill : drills) {
    print_line("drill", fmt::format("{} {} with {}, as of {}", to_rfc3339(drill.finished),
                                    drill.ok ? "restorable" : "NOT RESTORABLE: " + drill.error,
                                    drill.server.empty() ? "no server" : drill.server,
                                    to_rfc3339(drill.at)));
  }
}

}  // namespace

void add_show_command(CLI::App& app, Invocation& invocation) {
  auto id = std::make_shared<std::string>("latest");
  auto* command = app.add_subcommand("show", "Show everything that is known of a backup");
  command->add_option("backup", *id, "Its id or a beginning of it, or latest")
      ->capture_default_str();
  add_repository_option(*command, invocation.global);
  command->callback([id, &invocation] { run(*id, invocation); });
}

}  // namespace keyrewind::cli
