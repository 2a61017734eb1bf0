#pragma once

#include "config/draft.h"
#include "config/load.h"

#include <string>
#include <string_view>

namespace keyrewind::config {

/// Reads the YAML text `yaml`, called `name` in places, into `draft`. Returns false if it is no
/// configuration of this version at all, so that looking for what it lacks would only confuse.
bool read_yaml(std::string_view yaml, const std::string& name, const Environment& environment,
               Draft& draft);

/// "unknown key …" in the section at `section`, with what the user may have meant.
std::string unknown_key(std::string_view section, std::string_view key);

}  // namespace keyrewind::config
