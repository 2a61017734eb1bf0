#pragma once

#include "config/config.h"

#include <optional>
#include <stop_token>
#include <string>

namespace keyrewind::cli {

/// The address of a primary of the source that answers and holds keys, by the configured address
/// and Sentinels; nothing if none answers. A server that starts beside it copies from it, and needs
/// no restore. Throws Error(Side::source, denied | protocol) if somebody answers who does not say.
std::optional<std::string> find_live_primary(const config::Config& config, std::stop_token stop);

}  // namespace keyrewind::cli
