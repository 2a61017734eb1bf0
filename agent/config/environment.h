#pragma once

#include "config/draft.h"
#include "config/load.h"

namespace keyrewind::config {

/// Reads the KEYREWIND_… variables into `draft`. One that is neither an option's nor documented
/// elsewhere is a problem.
void read_environment(const Environment& environment, Draft& draft);

}  // namespace keyrewind::config
