#pragma once

#include "catalog/manifest.h"

#include <nlohmann/json.hpp>

namespace keyrewind::api {

/// What `list`, `backup` and `show` print of a backup with -o json. Fields are only ever added.
nlohmann::ordered_json to_json(const catalog::Commit& commit);

/// The same and everything else that its manifest says.
nlohmann::ordered_json to_json(const catalog::Commit& commit, const catalog::Manifest& manifest);

}  // namespace keyrewind::api
