#pragma once

#include "base/error.h"
#include "config/config.h"
#include "replica/connection.h"

namespace keyrewind::config {

/// How to reach the source. Reads the password file. Throws Error(config).
replica::SourceOptions to_source_options(const Config& config);

}  // namespace keyrewind::config
