#pragma once

#include <optional>
#include <string>

namespace keyrewind::cli {

/// What may be said before or after every verb.
struct GlobalOptions {
  std::optional<std::string> config_file;  ///< Nothing: config::load looks where it always does.
  bool json = false;                       ///< Results as JSON.
  bool quiet = false;                      ///< No progress, and only errors in the log.
  int verbose = 0;                         ///< How often -v was given.
  std::string repository = "primary";      ///< Which one to read: that, or a copy's name.
};

}  // namespace keyrewind::cli
