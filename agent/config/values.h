#pragma once

#include "config/options.h"

#include <nlohmann/json.hpp>

#include <string>

namespace keyrewind::config {

using Json = nlohmann::ordered_json;

/// The option's value as it may be shown: a size in bytes, a rate in bytes a second, a duration and
/// a percentage as they are written, a secret masked unless it is empty.
Json value_of(const Option& option, const Config& config);

/// JSON text; what is not UTF-8 is replaced. `indent` -1 is one line.
std::string dump(const Json& json, int indent);

}  // namespace keyrewind::config
