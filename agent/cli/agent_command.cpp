#include "base/log.h"
#include "cli/commands.h"
#include "config/load.h"
#include "config/source_options.h"
#include "daemon/agent.h"
#include "flow/group.h"
#include "flow/pause.h"
#include "io/file.h"
#include "metrics/agent_metrics.h"

#include <CLI/CLI.hpp>

#include <chrono>
#include <memory>
#include <string>

namespace keyrewind::cli {
namespace {

constexpr std::chrono::seconds kMetricsInterval{5};

daemon::AgentOptions to_agent_options(const config::Config& config) {
  daemon::AgentOptions options;
  options.source = config.source.name;
  options.shard = config::to_shard_options(config);
  options.pipeline = {.compression_level = static_cast<int>(config.compression.level),
                      .threads = config.limits.cpu_threads,
                      .memory = config.limits.memory};
  options.spool = {.dir = config.log.spool.dir, .max_bytes = config.log.spool.max_size};
  options.segment_max_age = config.log.segment_max_age;
  options.segment_max_bytes = config.log.segment_max_size;
  options.full_sync_min_interval = config.quotas.full_sync_min_interval;
  return options;
}

void write_metrics(const std::string& path, const metrics::AgentMetrics& metrics) {
  io::AtomicFile file(path, Side::here, 0644);
  const std::string text = metrics.to_prometheus_text();
  file.append(as_bytes(text));
  file.commit(io::AtomicFile::IfExists::replace);
}

/// Writes the metrics every few seconds, and once more at the end.
void write_metrics_for_ever(const std::string& path, const metrics::AgentMetrics& metrics,
                            const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    try {
      write_metrics(path, metrics);
    } catch (const Error& error) {
      log::warn("metrics not written", {{"error", error.what()}});
    }
    flow::pause(kMetricsInterval, stop);
  }
  write_metrics(path, metrics);
}

/// What a running agent cannot take over.
bool needs_restart(const config::Config& before, const config::Config& after) {
  return before.source.name != after.source.name || before.repository.url != after.repository.url ||
         before.log.spool.dir != after.log.spool.dir ||
         before.compression.level != after.compression.level ||
         before.limits.memory != after.limits.memory ||
         before.limits.cpu_threads != after.limits.cpu_threads ||
         before.log.enabled != after.log.enabled;
}

void reload(const Invocation& invocation, const config::Config& running, daemon::Agent& agent) {
  try {
    const config::Config config =
        config::load(invocation.global.config_file, config::environment_of_process());
    agent.reload(to_agent_options(config));
    set_up_logging(invocation.global, config);
    log::info("configuration reloaded");
    if (needs_restart(running, config)) {
      log::warn(
          "part of the new configuration takes a restart: source.name, repository.url, "
          "log.enabled, log.spool.dir, compression and limits");
    }
  } catch (const Error& error) {
    log::error("configuration not reloaded; the old one stays", {{"error", error.what()}});
  }
}

void run(const std::string& metrics_file, Invocation& invocation) {
  Repository repository(invocation.global);
  const config::Config& config = repository.config();
  if (!config.log.enabled) {
    throw Error(ErrorKind::config,
                "log.enabled is false: an agent has nothing to do; take backups with 'keyrewind "
                "backup'");
  }
  const SystemClock clock;
  metrics::AgentMetrics metrics(config.source.name);
  daemon::Agent agent(repository.catalog().store(), to_agent_options(config), metrics, clock);
  log::info("agent started", {{"source", config.source.name},
                              {"address", config.source.address},
                              {"repository", repository.catalog().store().url()},
                              {"spool", config.log.spool.dir}});
  if (invocation.interrupt != nullptr) {
    invocation.interrupt->on_hangup([&] { reload(invocation, config, agent); });
  }
  std::stop_source end_of_metrics;
  flow::Group metrics_writer(end_of_metrics.get_token());
  if (!metrics_file.empty()) {
    metrics_writer.spawn("metrics", [&](const std::stop_token& stop) {
      write_metrics_for_ever(metrics_file, metrics, stop);
    });
  }
  const auto finish = [&] {
    if (invocation.interrupt != nullptr) {
      invocation.interrupt->on_hangup({});
    }
    end_of_metrics.request_stop();
  };
  try {
    agent.run(invocation.stop);
  } catch (...) {
    finish();
    throw;
  }
  finish();
  metrics_writer.wait();
}

}  // namespace

void add_agent_command(CLI::App& app, Invocation& invocation) {
  auto metrics_file = std::make_shared<std::string>();
  auto* command = app.add_subcommand(
      "agent", "Follow the source for ever: store every write, and a snapshot to begin with");
  command->add_option("--metrics-file", *metrics_file,
                      "Write metrics there every few seconds, for node_exporter's textfile "
                      "collector");
  command->callback([metrics_file, &invocation] { run(*metrics_file, invocation); });
}

}  // namespace keyrewind::cli
