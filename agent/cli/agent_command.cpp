#include "base/log.h"
#include "cli/commands.h"
#include "cli/service_watch.h"
#include "config/load.h"
#include "config/pipeline_options.h"
#include "config/source_options.h"
#include "config/storage_options.h"
#include "daemon/agent.h"
#include "flow/group.h"
#include "flow/pause.h"
#include "flow/pulse.h"
#include "flow/rate_limit.h"
#include "io/file.h"
#include "io/service_manager.h"
#include "metrics/agent_metrics.h"
#include "metrics/copy_metrics.h"
#include "metrics/storage_metrics.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace keyrewind::cli {
namespace {

constexpr std::chrono::seconds kMetricsInterval{5};

daemon::AgentOptions to_agent_options(const config::Config& config) {
  daemon::AgentOptions options;
  options.source = config.source.name;
  options.shard = config::to_shard_options(config);
  options.pipeline = config::to_pipeline_options(config);
  options.spool = {.dir = config.log.spool.dir, .max_bytes = config.log.spool.max_size};
  options.segment_max_age = config.log.segment_max_age;
  options.segment_max_bytes = config.log.segment_max_size;
  options.full_sync_min_interval = config.quotas.full_sync_min_interval;
  options.lease = {.enabled = config.lease.enabled, .ttl = config.lease.ttl};
  options.allow_plaintext = config.encryption.allow_plaintext;
  return options;
}

/// What the agent tells of itself, of its repositories and of its copies.
struct Metrics {
  Metrics(const std::string& source, const Clock& clock) : agent(source), copies(source, clock) {}

  /// For the requests to the repository of that name.
  store::Observer observer(const std::string& repository) {
    stores.push_back(std::make_unique<metrics::StorageMetrics>(agent.registry(), repository));
    return stores.back()->observer();
  }

  std::string text() const { return agent.to_prometheus_text() + copies.to_prometheus_text(); }

  metrics::AgentMetrics agent;
  metrics::CopyMetrics copies;
  std::vector<std::unique_ptr<metrics::StorageMetrics>> stores;
};

/// The repository, its copies, and what their uploads share.
class Repositories {
 public:
  Repositories(const config::Config& config, Metrics& metrics)
      : upload_limit_(config.quotas.upload_rate) {
    for (const std::string& name : config::repository_names(config)) {
      repositories_.push_back(std::make_unique<Repository>(
          config, name,
          RepositoryUse{.upload_limit = &upload_limit_, .observer = metrics.observer(name)}));
    }
  }

  store::ObjectStore& primary() { return repositories_.front()->catalog().store(); }

  std::vector<daemon::AgentCopy> copies() {
    std::vector<daemon::AgentCopy> copies;
    for (std::size_t i = 1; i < repositories_.size(); ++i) {
      Repository& copy = *repositories_[i];
      copies.push_back(
          {.name = copy.name(),
           .store = copy.catalog().store(),
           .connections = config::find_repository(copy.config(), copy.name()).connections});
    }
    return copies;
  }

  void set_upload_rate(std::uint64_t bytes_per_second) { upload_limit_.set(bytes_per_second); }

 private:
  flow::RateLimit upload_limit_;
  std::vector<std::unique_ptr<Repository>> repositories_;
};

void write_metrics(const std::string& path, const Metrics& metrics) {
  io::AtomicFile file(path, Side::here, 0644);
  const std::string text = metrics.text();
  file.append(as_bytes(text));
  file.commit(io::AtomicFile::IfExists::replace);
}

/// Writes the metrics every few seconds, and once more at the end.
void write_metrics_for_ever(const std::string& path, const Metrics& metrics,
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
         before.log.enabled != after.log.enabled ||
         before.encryption.recipients != after.encryption.recipients ||
         before.lease.enabled != after.lease.enabled || before.lease.ttl != after.lease.ttl ||
         config::repository_names(before) != config::repository_names(after);
}

void reload(const Invocation& invocation, const config::Config& running, Repositories& repositories,
            daemon::Agent& agent, Metrics& metrics, const Clock& clock) {
  try {
    const config::Config config =
        config::load(invocation.global.config_file, config::environment_of_process());
    agent.reload(to_agent_options(config));
    repositories.set_upload_rate(config.quotas.upload_rate);
    set_up_logging(invocation.global, config);
    metrics.agent.config().loaded(clock.now());
    log::info("configuration reloaded");
    if (needs_restart(running, config)) {
      log::warn(
          "part of the new configuration takes a restart: source.name, repository, copies, "
          "encryption, lease, log.enabled, log.spool.dir, compression and limits");
    }
  } catch (const Error& error) {
    metrics.agent.config().reload_failed();
    log::error("configuration not reloaded; the old one stays", {{"error", error.what()}});
  }
}

/// One line for the service manager.
std::string describe(const metrics::AgentMetrics& metrics, const std::string& source) {
  if (!metrics.is_active()) {
    return fmt::format("standing by for {}", source);
  }
  return metrics.is_attached() ? fmt::format("following the log of {}", source)
                               : fmt::format("the log of {} is not being received", source);
}

void run(const std::string& metrics_file, Invocation& invocation) {
  const config::Config config = load_config(invocation.global);
  if (!config.log.enabled) {
    throw Error(ErrorKind::config,
                "log.enabled is false: an agent has nothing to do; take backups with 'keyrewind "
                "backup'");
  }
  const SystemClock clock;
  Metrics metrics(config.source.name, clock);
  metrics.agent.config().loaded(clock.now());
  Repositories repositories(config, metrics);
  flow::Pulse pulse;
  daemon::AgentOptions options = to_agent_options(config);
  options.pulse = &pulse;
  daemon::Agent agent(repositories.primary(), repositories.copies(), options, metrics.agent,
                      metrics.copies, clock);
  const io::ServiceManager manager = io::ServiceManager::from_environment();
  log::info("agent started", {{"source", config.source.name},
                              {"address", config.source.address},
                              {"repository", repositories.primary().url()},
                              {"encrypted", repositories.primary().encrypts()},
                              {"copies", config.copies.size()},
                              {"spool", config.log.spool.dir}});
  if (invocation.interrupt != nullptr) {
    invocation.interrupt->on_hangup([&] {
      manager.reloading();
      reload(invocation, config, repositories, agent, metrics, clock);
      manager.ready();
    });
  }
  const std::stop_callback on_stop(invocation.stop, [&] { manager.stopping(); });
  std::stop_source end_of_helpers;
  flow::Group helpers(end_of_helpers.get_token());
  if (manager.listens()) {
    helpers.spawn("watchdog", [&](const std::stop_token& stop) {
      watch_service(
          manager, pulse, [&] { return describe(metrics.agent, config.source.name); }, stop);
    });
  }
  manager.ready();
  if (!metrics_file.empty()) {
    helpers.spawn("metrics", [&](const std::stop_token& stop) {
      write_metrics_for_ever(metrics_file, metrics, stop);
    });
  }
  const auto finish = [&] {
    if (invocation.interrupt != nullptr) {
      invocation.interrupt->on_hangup({});
    }
    end_of_helpers.request_stop();
  };
  try {
    agent.run(invocation.stop);
  } catch (...) {
    finish();
    throw;
  }
  finish();
  helpers.wait();
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
