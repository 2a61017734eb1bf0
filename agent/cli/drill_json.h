#pragma once

#include "catalog/drill_report.h"

#include <nlohmann/json.hpp>

namespace keyrewind::cli {

/// The verdict of a drill as commands print it.
nlohmann::ordered_json to_json(const catalog::DrillReport& report);

}  // namespace keyrewind::cli
