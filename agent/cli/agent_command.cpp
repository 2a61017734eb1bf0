#include "base/log.h"
#include "cli/api_port.h"
#include "cli/commands.h"
#include "cli/config_watch.h"
#include "cli/service_options.h"
#include "cli/service_watch.h"
#include "config/load.h"
#include "config/storage_options.h"
#include "daemon/restore_watch.h"
#include "daemon/service.h"
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
#include <nlohmann/json.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace keyrewind::cli {
namespace {

constexpr std::chrono::seconds kMetricsInterval{5};

/// A restore runs before the server, and so before the agent beside that, which then tells of it.
constexpr std::chrono::minutes kRecentRestore{10};

/// Between two looks at the file: a ConfigMap takes longer to arrive.
constexpr std::chrono::seconds kConfigInterval{3};

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
  const catalog::Catalog& catalog() { return repositories_.front()->catalog(); }

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
         before.http.listen != after.http.listen || before.http.socket != after.http.socket ||
         config::repository_names(before) != config::repository_names(after);
}

/// A running agent, and the configuration that it has.
class RunningAgent {
 public:
  RunningAgent(const Invocation& invocation, config::Config config)
      : invocation_(invocation),
        config_at_start_(config),
        config_(std::move(config)),
        metrics_(config_.source.name, clock_),
        repositories_(config_, metrics_),
        service_(repositories_.primary(), repositories_.copies(), options_of(config_),
                 {.config_file = config::origin(invocation.global.config_file,
                                                config::environment_of_process()),
                  .config = [this] { return shown_config(); },
                  .reload = [this] { reload(); }},
                 metrics_.agent, metrics_.copies, clock_),
        watch_(config::origin(invocation.global.config_file, config::environment_of_process())) {}

  void run(const std::string& metrics_file, Interrupt* interrupt, const std::stop_token& stop) {
    log::info("agent started", {{"source", config_.source.name},
                                {"address", config_.source.address},
                                {"repository", repositories_.primary().url()},
                                {"encrypted", repositories_.primary().encrypts()},
                                {"copies", config_.copies.size()},
                                {"schedules", config_.snapshots.schedules.size()},
                                {"spool", config_.log.spool.dir}});
    if (interrupt != nullptr) {
      interrupt->on_hangup([this] {
        manager_.reloading();
        reload_quietly();
        manager_.ready();
      });
    }
    const std::stop_callback on_stop(stop, [this] { manager_.stopping(); });
    daemon::RestoreWatch restores(repositories_.catalog(), config_at_start_.source.data_dir,
                                  metrics_.agent.restores(), clock_.now() - kRecentRestore,
                                  [this](const daemon::RestoreWatch::End& end) { tell(end); });
    std::stop_source end;
    flow::Group threads(end.get_token());
    threads.spawn("restores", [&](const std::stop_token& token) { restores.look_for_ever(token); });
    if (!metrics_file.empty()) {
      threads.spawn("metrics", [&](const std::stop_token& token) {
        write_metrics_for_ever(metrics_file, metrics_, token);
      });
    }
    if (manager_.listens()) {
      threads.spawn("watchdog", [this](const std::stop_token& token) {
        watch_service(
            manager_, pulse_, [this] { return describe(); }, token);
      });
    }
    manager_.ready();
    threads.spawn("api", [this](const std::stop_token& token) {
      serve_api(
          config_at_start_, service_, [this] { return metrics_.text(); }, metrics_.agent, token);
    });
    threads.spawn("config", [this](const std::stop_token& token) { watch_config(token); });
    const auto finish = [&] {
      if (interrupt != nullptr) {
        interrupt->on_hangup({});
      }
      end.request_stop();
    };
    try {
      service_.run(stop);
    } catch (...) {
      finish();
      throw;
    }
    finish();
    threads.wait();
  }

 private:
  nlohmann::ordered_json shown_config() const {
    const std::lock_guard lock(mutex_);
    return nlohmann::ordered_json::parse(config::to_json(config_));
  }

  daemon::ServiceOptions options_of(const config::Config& config) {
    daemon::ServiceOptions options = to_service_options(config);
    options.agent.pulse = &pulse_;
    return options;
  }

  void tell(const daemon::RestoreWatch::End& restore) {
    service_.note_restore(fmt::format(
        "a restore {} at {}", restore.succeeded ? "was done" : "failed", to_rfc3339(restore.at)));
  }

  /// One line for the service manager.
  std::string describe() const {
    const std::string& source = config_at_start_.source.name;
    if (!metrics_.agent.is_active()) {
      return fmt::format("standing by for {}", source);
    }
    if (!config_at_start_.log.enabled) {
      return fmt::format("backing {} up by schedule", source);
    }
    return metrics_.agent.is_attached()
               ? fmt::format("following the log of {}", source)
               : fmt::format("the log of {} is not being received", source);
  }

  /// Reads the configuration again. One that is wrong is thrown, and the old one stays.
  void reload() {
    const std::lock_guard one_at_a_time(reloading_);
    try {
      config::Config config =
          config::load(invocation_.global.config_file, config::environment_of_process());
      service_.take_over(options_of(config));
      repositories_.set_upload_rate(config.quotas.upload_rate);
      set_up_logging(invocation_.global, config);
      const std::lock_guard lock(mutex_);
      log::info("configuration reloaded");
      if (needs_restart(config_, config)) {
        log::warn(
            "part of the new configuration takes a restart: source.name, repository, copies, "
            "encryption, lease, log.enabled, log.spool.dir, compression, http and limits");
      }
      config_ = std::move(config);
    } catch (const Error& error) {
      log::error("configuration not reloaded; the old one stays", {{"error", error.what()}});
      service_.note_bad_config(error.what());
      throw;
    }
  }

  /// Where nobody waits for the outcome: it is logged, and told as a metric.
  void reload_quietly() {
    try {
      reload();
    } catch (const Error&) {
      return;
    }
  }

  void watch_config(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      flow::pause(kConfigInterval, stop);
      if (!stop.stop_requested() && watch_.has_changed()) {
        reload_quietly();
      }
    }
  }

  const Invocation& invocation_;
  const SystemClock clock_;
  const io::ServiceManager manager_ = io::ServiceManager::from_environment();
  flow::Pulse pulse_;
  std::mutex reloading_;  ///< Held while the configuration is read and taken over.
  const config::Config config_at_start_;
  mutable std::mutex mutex_;  ///< Guards config_, once it runs.
  config::Config config_;
  Metrics metrics_;
  Repositories repositories_;
  daemon::Service service_;
  ConfigWatch watch_;
};

void run(const std::string& metrics_file, Invocation& invocation) {
  config::Config config = load_config(invocation.global);
  if (!config.log.enabled && config.snapshots.schedules.empty()) {
    throw Error(ErrorKind::config,
                "log.enabled is false, and snapshots.schedules has none: an agent has nothing to "
                "do; take backups with 'keyrewind backup'");
  }
  RunningAgent(invocation, std::move(config))
      .run(metrics_file, invocation.interrupt, invocation.stop);
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
