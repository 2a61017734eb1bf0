#include "cli/invocation.h"

#include "base/log.h"
#include "config/load.h"
#include "store/open_store.h"

#include <utility>

namespace keyrewind::cli {
namespace {

config::Config load_and_set_up_logging(const GlobalOptions& global) {
  config::Config loaded = config::load(global.config_file, config::environment_of_process());
  set_up_logging(global, loaded);
  return loaded;
}

}  // namespace

void set_up_logging(const GlobalOptions& global, const config::Config& config) {
  log::Level level = config.logging.level;
  if (global.verbose > 0) {
    level = log::Level::debug;
  } else if (global.quiet) {
    level = log::Level::error;
  }
  log::configure(level, config.logging.format);
}

Repository::Repository(const GlobalOptions& global)
    : config_(load_and_set_up_logging(global)),
      store_(store::open_store(config_.repository.url)),
      catalog_(*store_, config_.source.name) {}

}  // namespace keyrewind::cli
