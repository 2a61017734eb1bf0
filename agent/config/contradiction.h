#pragma once

#include <string>
#include <vector>

namespace keyrewind::config {

/// Options that are sound one by one, and not together.
struct Contradiction {
  /// Their paths. Where the first of them stands that was spoken of is to blame, else the section
  /// that it is missing from.
  std::vector<std::string> options;
  std::string message;
};

}  // namespace keyrewind::config
