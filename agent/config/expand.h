#pragma once

#include "config/load.h"

#include <string>
#include <string_view>

namespace keyrewind::config {

/// A text after its variables were put in.
struct Expanded {
  std::string text;
  bool has_variables = false;
};

/// Replaces `${VAR}`, `${VAR:-default}` (also if VAR is empty), `${VAR:?message}` (an error if it
/// is unset or empty) and `$$` (a dollar sign). Any other dollar sign stays, and what was put in
/// is not looked at again.
/// Throws Error(config) for a variable that is not set and anything malformed.
Expanded expand(std::string_view text, const Environment& environment);

}  // namespace keyrewind::config
