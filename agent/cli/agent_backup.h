#pragma once

#include "cli/invocation.h"
#include "config/config.h"

#include <map>
#include <string>

namespace keyrewind::cli {

/// A backup as a person asks for it.
struct BackupWish {
  std::map<std::string, std::string> labels{};
  bool final = false;  ///< From the primary, with the last offset.
  bool force = false;  ///< Below the floor between full syncs.
};

/// Has the agent of this source on this machine take it, and prints what it gave. False if none
/// answers at http.socket. Throws what the agent failed with.
bool backup_by_agent(const config::Config& config, const BackupWish& wish, Invocation& invocation);

}  // namespace keyrewind::cli
