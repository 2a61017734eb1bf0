#pragma once

#include "cli/global_options.h"

namespace CLI {
class App;
}

namespace keyrewind::cli {

/// Adds `config check|show|schema|reference` to `app`. `global` must outlive it.
void add_config_command(CLI::App& app, const GlobalOptions& global);

}  // namespace keyrewind::cli
