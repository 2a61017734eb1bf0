#include "cli/invocation.h"

#include "base/log.h"
#include "config/load.h"
#include "storage/open.h"

#include <CLI/CLI.hpp>

#include <utility>

namespace keyrewind::cli {
namespace {

std::unique_ptr<store::ObjectStore> open_store(const config::Config& config,
                                               const std::string& name, const RepositoryUse& use,
                                               flow::RateLimit& own_limit,
                                               std::atomic<std::uint64_t>& calls,
                                               const Clock& clock) {
  storage::StorageOptions options = config::to_storage_options(config, name, use.identities);
  options.s3.upload_limit = use.upload_limit == nullptr ? &own_limit : use.upload_limit;
  options.observer = [&calls, observer = use.observer](const store::RequestReport& report) {
    ++calls;
    if (observer) {
      observer(report);
    }
  };
  return storage::open(options, clock);
}

}  // namespace

void add_repository_option(CLI::App& command, GlobalOptions& global) {
  command
      .add_option("--repository", global.repository,
                  "Which repository to read: primary, or the name of one of copies")
      ->capture_default_str();
}

void set_up_logging(const GlobalOptions& global, const config::Config& config) {
  log::Level level = config.logging.level;
  if (global.verbose > 0) {
    level = log::Level::debug;
  } else if (global.quiet) {
    level = log::Level::error;
  }
  log::configure(level, config.logging.format);
}

config::Config load_config(const GlobalOptions& global) {
  config::Config loaded = config::load(global.config_file, config::environment_of_process());
  set_up_logging(global, loaded);
  return loaded;
}

Repository::Repository(const GlobalOptions& global, config::Identities identities)
    : Repository(load_config(global), global.repository, RepositoryUse{.identities = identities}) {}

Repository::Repository(config::Config config, std::string name, const RepositoryUse& use)
    : config_(std::move(config)),
      name_(std::move(name)),
      upload_limit_(config_.quotas.upload_rate),
      store_(open_store(config_, name_, use, upload_limit_, store_calls_, clock_)),
      catalog_(*store_, config_.source.name) {}

}  // namespace keyrewind::cli
