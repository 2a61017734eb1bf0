#pragma once

#include "base/error.h"
#include "catalog/catalog.h"
#include "cli/global_options.h"
#include "cli/interrupt.h"
#include "config/config.h"
#include "store/object_store.h"

#include <memory>
#include <stop_token>

namespace keyrewind::cli {

/// One run of the program: what was asked for globally, and how it ends.
struct Invocation {
  GlobalOptions global{};
  std::stop_token stop{};              ///< Requested by SIGINT and SIGTERM.
  Interrupt* interrupt = nullptr;      ///< Where SIGHUP arrives; nobody's in tests.
  ExitStatus status = ExitStatus::ok;  ///< Set by a command that ends otherwise than by throwing.
};

/// Sets the log up as the configuration says, and the command line over it.
void set_up_logging(const GlobalOptions& global, const config::Config& config);

/// A configuration with the repository that it names. Nothing is contacted yet.
class Repository {
 public:
  /// Loads the configuration as the command line says, and sets logging up.
  explicit Repository(const GlobalOptions& global);

  const config::Config& config() const noexcept { return config_; }
  catalog::Catalog& catalog() noexcept { return catalog_; }

 private:
  const config::Config config_;
  const std::unique_ptr<store::ObjectStore> store_;
  catalog::Catalog catalog_;
};

}  // namespace keyrewind::cli
