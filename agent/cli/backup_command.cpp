#include "backup/after_snapshot.h"
#include "backup/take_backup.h"
#include "base/log.h"
#include "catalog/imports.h"
#include "catalog/repository.h"
#include "catalog/usage.h"
#include "cli/agent_backup.h"
#include "cli/backup_result.h"
#include "cli/commands.h"
#include "cli/progress_display.h"
#include "cli/service_options.h"
#include "config/pipeline_options.h"
#include "config/source_options.h"
#include "daemon/fork_guard.h"
#include "daemon/quotas.h"
#include "flow/pause.h"
#include "io/file.h"
#include "metrics/backup_metrics.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace keyrewind::cli {
namespace {

/// How long a backup waits for the end of what a server's child does, and how often it looks.
constexpr std::chrono::minutes kForkPatience{5};
constexpr std::chrono::milliseconds kForkPause{200};

struct BackupArguments {
  std::vector<std::string> labels;
  bool final = false;
  bool force = false;
  std::string metrics_file;
  bool no_agent = false;
};

/// When the newest backup of the source was finished, if the repository can say so.
std::optional<Timestamp> last_success(const catalog::Catalog& catalog) {
  try {
    std::optional<Timestamp> newest;
    for (const catalog::Commit& commit : catalog.list({})) {
      newest = catalog::is_import(commit) ? newest : commit.finished;
    }
    return newest;
  } catch (const Error&) {
    return std::nullopt;  // The failure that is being reported says more.
  }
}

void write_metrics(const std::string& path, const metrics::BackupRun& run) {
  io::AtomicFile file(path, Side::here, 0644);
  const std::string text = metrics::to_prometheus_text(run);
  file.append(as_bytes(text));
  file.commit(io::AtomicFile::IfExists::replace);
}

/// What the source has in the repository, in bytes; only asked for where it is bounded.
std::uint64_t stored_bytes(const catalog::Catalog& catalog, const config::Config& config,
                           const std::stop_token& stop) {
  return config.quotas.max_stored == 0 ? 0 : catalog::measure_usage(catalog, stop).bytes;
}

/// Throws Error(busy) if a person may not have a backup now.
void check_limits(const catalog::Catalog& catalog, const config::Config& config, bool force,
                  const Clock& clock, const std::stop_token& stop) {
  const bool is_limited = config.quotas.manual_per_24h != 0 || config.quotas.max_stored != 0 ||
                          floor_binds_people(config);
  if (!is_limited) {
    return;
  }
  const auto backups = catalog.list(stop);
  daemon::check_quotas(
      backups, stored_bytes(catalog, config, stop),
      {.manual_per_24h = config.quotas.manual_per_24h, .max_stored = config.quotas.max_stored},
      clock.now());
  if (!force && floor_binds_people(config)) {
    daemon::check_floor(backups, config.quotas.full_sync_min_interval, clock.now());
  }
}

/// Where the server may fork: at the configured address, else at another node of the shard; for a
/// final backup on the primary alone.
daemon::ForkVerdict judge(const config::Config& config, bool is_final, const Clock& clock,
                          const std::stop_token& stop) {
  const replica::ShardOptions shard = config::to_shard_options(config);
  const daemon::ForkRules rules = to_fork_rules(config);
  const auto among = [&](replica::ReadFrom read_from) {
    return daemon::judge_fork(
        replica::choose_nodes(replica::find_nodes(shard, stop), read_from, std::nullopt),
        shard.source, rules, {}, clock.now(), stop);
  };
  if (is_final) {
    return among(replica::ReadFrom::primary);
  }
  auto verdict = daemon::judge_fork({{.address = shard.source.address, .info = {}}}, shard.source,
                                    rules, {}, clock.now(), stop);
  return verdict.node ? verdict : among(shard.read_from);
}

/// Waits while the nodes have children at work, such as that of the backup before, unless it is
/// that of a backup that still runs. Throws if nowhere is room for a fork.
daemon::ForkVerdict choose_node(const catalog::Catalog& catalog, const config::Config& config,
                                bool is_final, const Clock& clock, const std::stop_token& stop) {
  const auto begin = std::chrono::steady_clock::now();
  auto verdict = judge(config, is_final, clock, stop);
  while (verdict.decision.reason == policy::SyncReason::fork_running &&
         std::chrono::steady_clock::now() - begin < kForkPatience) {
    catalog::check_no_writer(catalog.store(), catalog.source(), stop);
    flow::pause(kForkPause, stop);
    verdict = judge(config, is_final, clock, stop);
  }
  if (!verdict.node) {
    const bool is_busy = verdict.decision.reason == policy::SyncReason::fork_running;
    throw Error(is_busy ? Side::here : Side::source,
                is_busy ? ErrorKind::busy : ErrorKind::unavailable,
                "no full sync: " + verdict.decision.sentence);
  }
  // In the backup's record, too; but a user with few rights is no reason to end with a warning.
  const bool is_known = verdict.warnings.empty();
  (is_known ? log::info : log::warn)("full sync decided", {{"reason", verdict.decision.sentence}});
  return verdict;
}

/// Whether the data is still what the final backup holds, as a line for people if not.
std::optional<std::string> doubt_of_final(const catalog::Catalog& catalog,
                                          const catalog::Commit& commit,
                                          const replica::SourceOptions& node,
                                          const std::stop_token& stop) {
  const catalog::Manifest manifest = catalog.manifest(commit, stop);
  const catalog::Snapshot& snapshot = manifest.snapshots.front();
  const auto after = backup::look_after_snapshot(node, {snapshot.replid, snapshot.offset}, stop);
  if (!after) {
    return "whether writes came after this final backup cannot be told; the primary has no stream "
           "from there on";
  }
  if (!after->is_quiet) {
    return fmt::format(
        "writes came after this final backup: it ends at offset {}, and the primary is at {}; stop "
        "the writers and take it again",
        snapshot.offset, after->offset);
  }
  return std::nullopt;
}

void run(const BackupArguments& arguments, Invocation& invocation) {
  Repository repository(invocation.global);
  const config::Config& config = repository.config();
  // The agent tells of its backups itself, on /metrics.
  if (!arguments.no_agent && arguments.metrics_file.empty() &&
      backup_by_agent(config,
                      {.labels = parse_labels(arguments.labels),
                       .final = arguments.final,
                       .force = arguments.force},
                      invocation)) {
    return;
  }
  const SystemClock clock;
  metrics::BackupRun run{.source = config.source.name, .attempted = clock.now()};
  try {
    backup::BackupOptions options;
    // Made before the source is asked: what is wrong with the repository is said first.
    catalog::ensure_repository(repository.catalog().store(), clock, invocation.stop);
    check_limits(repository.catalog(), config, arguments.force, clock, invocation.stop);
    const daemon::ForkVerdict verdict =
        choose_node(repository.catalog(), config, arguments.final, clock, invocation.stop);
    options.source = replica::options_for(config::to_source_options(config), *verdict.node);
    options.origin = {.trigger =
                          arguments.final ? catalog::Trigger::final : catalog::Trigger::manual};
    options.decision = verdict.decision.sentence;
    options.pipeline = config::to_pipeline_options(config);
    options.labels = parse_labels(arguments.labels);
    options.allow_plaintext = config.encryption.allow_plaintext;
    warn_of_races(repository.catalog().store(), invocation.stop);

    Progress progress;
    auto result = [&] {
      const ProgressDisplay display("backup", progress, invocation.global);
      return backup::take_backup(repository.catalog(), options, clock, progress, invocation.stop);
    }();
    if (arguments.final) {
      if (auto doubt = doubt_of_final(repository.catalog(), result.commit, options.source,
                                      invocation.stop)) {
        result.warnings.push_back(std::move(*doubt));
      }
    }
    const catalog::Commit& commit = result.commit;
    run.result = metrics::RunResult::success;
    run.opaque = commit.opaque;
    run.last_success = commit.finished;
    run.duration = commit.finished - commit.created;
    run.keys = commit.keys;
    run.raw_bytes = commit.raw_bytes;
    run.stored_bytes = commit.stored_bytes;
    report(result, invocation);
  } catch (const Error&) {
    if (!arguments.metrics_file.empty()) {
      run.last_success = last_success(repository.catalog());
      write_metrics(arguments.metrics_file, run);
    }
    throw;
  }
  if (!arguments.metrics_file.empty()) {
    write_metrics(arguments.metrics_file, run);
  }
}

}  // namespace

void add_backup_command(CLI::App& app, Invocation& invocation) {
  auto arguments = std::make_shared<BackupArguments>();
  auto* command = app.add_subcommand("backup", "Take a backup now");
  add_label_option(*command, arguments->labels);
  command->add_flag("--final", arguments->final,
                    "The last one of a source that is about to go: from the primary, and says "
                    "whether writes came after it");
  command->add_flag("--force", arguments->force,
                    "Even if the last full sync is younger than quotas.full_sync_min_interval");
  command->add_option("--metrics-file", arguments->metrics_file,
                      "Write the outcome there for node_exporter's textfile collector");
  command->add_flag("--no-agent", arguments->no_agent,
                    "Take it here, though the agent of this machine runs; so does --metrics-file");
  command->callback([arguments, &invocation] { run(*arguments, invocation); });
}

}  // namespace keyrewind::cli
