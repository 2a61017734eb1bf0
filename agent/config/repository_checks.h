#pragma once

#include "config/config.h"

#include <string>
#include <vector>

namespace keyrewind::config {

/// Options that are sound one by one, and not together.
struct Contradiction {
  std::vector<std::string> options;  ///< Their paths; where the first one stands is to blame.
  std::string message;
};

/// What contradicts itself in the repository, its copies, and between them.
std::vector<Contradiction> contradictions_of_repositories(const Config& config);

}  // namespace keyrewind::config
