#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "catalog/catalog.h"
#include "cli/global_options.h"
#include "cli/interrupt.h"
#include "config/config.h"
#include "config/storage_options.h"
#include "flow/rate_limit.h"
#include "store/object_store.h"
#include "store/report.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>

namespace CLI {
class App;
}

namespace keyrewind::cli {

/// One run of the program: what was asked for globally, and how it ends.
struct Invocation {
  GlobalOptions global{};
  std::stop_token stop{};              ///< Requested by SIGINT and SIGTERM.
  Interrupt* interrupt = nullptr;      ///< Where SIGHUP arrives; nobody's in tests.
  ExitStatus status = ExitStatus::ok;  ///< Set by a command that ends otherwise than by throwing.
};

/// Adds --repository to a command that reads, for the copies beside the repository itself.
void add_repository_option(CLI::App& command, GlobalOptions& global);

/// Sets the log up as the configuration says, and the command line over it.
void set_up_logging(const GlobalOptions& global, const config::Config& config);

/// The configuration as the command line says, with logging set up.
config::Config load_config(const GlobalOptions& global);

/// How a repository is opened.
struct RepositoryUse {
  config::Identities identities = config::Identities::none;
  /// Over all repositories that share it, and outlives them; none: this one has its own.
  flow::RateLimit* upload_limit = nullptr;
  store::Observer observer{};
};

/// A configuration with one of the repositories that it names. Nothing is contacted yet.
class Repository {
 public:
  /// Loads the configuration, and opens the repository that the command line names.
  explicit Repository(const GlobalOptions& global,
                      config::Identities identities = config::Identities::none);

  /// Opens the one of that name: "primary", or a copy's. Throws Error(config) for any other.
  Repository(config::Config config, std::string name, const RepositoryUse& use);

  const config::Config& config() const noexcept { return config_; }
  const std::string& name() const noexcept { return name_; }
  catalog::Catalog& catalog() noexcept { return catalog_; }

  /// Requests to the store so far. Any thread.
  std::uint64_t store_calls() const noexcept { return store_calls_; }

 private:
  const config::Config config_;
  const std::string name_;
  const SystemClock clock_;
  flow::RateLimit upload_limit_;
  std::atomic<std::uint64_t> store_calls_{0};
  const std::unique_ptr<store::ObjectStore> store_;
  catalog::Catalog catalog_;
};

}  // namespace keyrewind::cli
