#pragma once

#include "config/config.h"
#include "config/contradiction.h"

#include <vector>

namespace keyrewind::config {

/// What contradicts itself in the repository, its copies, and between them.
std::vector<Contradiction> contradictions_of_repositories(const Config& config);

}  // namespace keyrewind::config
