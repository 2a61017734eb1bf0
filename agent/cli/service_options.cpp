#include "cli/service_options.h"

#include "cli/backup_result.h"
#include "config/pipeline_options.h"
#include "config/retention_rules.h"
#include "config/schedules.h"
#include "config/source_options.h"

#include <filesystem>
#include <utility>

namespace keyrewind::cli {
namespace {

daemon::AgentOptions to_agent_options(const config::Config& config) {
  daemon::AgentOptions options;
  options.source = config.source.name;
  options.shard = config::to_shard_options(config);
  options.pipeline = config::to_pipeline_options(config);
  options.log_enabled = config.log.enabled;
  options.spool = {.dir = config.log.spool.dir, .max_bytes = config.log.spool.max_size};
  options.segment_max_age = config.log.segment_max_age;
  options.segment_max_bytes = config.log.segment_max_size;
  options.full_sync_min_interval = config.quotas.full_sync_min_interval;
  options.fork = to_fork_rules(config);
  options.lease = {.enabled = config.lease.enabled, .ttl = config.lease.ttl};
  options.allow_plaintext = config.encryption.allow_plaintext;
  return options;
}

daemon::NotifierOptions to_notifier_options(const config::Config& config) {
  daemon::NotifierOptions options{.source = config.source.name,
                                  .heartbeat = {.url = config.notify.heartbeat_url,
                                                .url_file = config.notify.heartbeat_url_file}};
  for (const config::Config::Webhook& webhook : config.notify.webhooks) {
    options.webhooks.push_back({.place = {.url = webhook.url, .url_file = webhook.url_file},
                                .on = webhook.on,
                                .slack = webhook.format == config::Config::Webhook::Format::slack});
  }
  return options;
}

}  // namespace

bool floor_binds_people(const config::Config& config) {
  return config.quotas.full_sync_min_interval != config::Config().quotas.full_sync_min_interval;
}

daemon::ForkRules to_fork_rules(const config::Config& config) {
  return {.method = config.snapshots.method,
          .min_free_percent = config.snapshots.min_free_memory,
          .memory_limit = config.source.memory_limit};
}

daemon::ServiceOptions to_service_options(const config::Config& config) {
  daemon::ServiceOptions options;
  options.agent = to_agent_options(config);
  options.address = config.source.address;
  const auto schedules = config::to_schedules(config);
  for (std::size_t index = 0; index < schedules.size(); ++index) {
    options.schedules.push_back({.schedule = schedules[index],
                                 .labels = parse_labels(config.snapshots.schedules[index].labels)});
  }
  options.notify = to_notifier_options(config);
  options.floor_binds_people = floor_binds_people(config);
  if (config.retention.enabled) {
    options.retention = config::to_retention_rules(config);
  }
  options.manual_per_24h = config.quotas.manual_per_24h;
  options.max_stored = config.quotas.max_stored;
  options.temporary = std::filesystem::temp_directory_path();
  return options;
}

}  // namespace keyrewind::cli
