#pragma once

#include "config/config.h"
#include "storage/open.h"

#include <string>
#include <string_view>
#include <vector>

namespace keyrewind::config {

/// Whether secret keys are read from encryption.identity_file.
enum class Identities {
  none,          ///< For what only writes and lists.
  if_available,  ///< For what can do something useful without: a file that can't be read is none.
  required,      ///< For what reads backups: a file that is named must be there and hold some.
};

/// "primary" and the names of the copies, in their order.
std::vector<std::string> repository_names(const Config& config);

/// The repository of that name. Throws Error(config) that lists those there are.
const Config::Repository& find_repository(const Config& config, std::string_view name);

/// How to open the repository of that name. Reads the files that hold keys. Throws Error(config).
///
/// Rate limits and who observes requests are for the caller to put in; they live with the process.
storage::StorageOptions to_storage_options(const Config& config, std::string_view name,
                                           Identities identities);

}  // namespace keyrewind::config
