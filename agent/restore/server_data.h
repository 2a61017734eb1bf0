#pragma once

#include "restore/server_config.h"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace keyrewind::restore {

/// The names in `folder` that hold a server's data: RDB files, AOF folders that hold anything but
/// nothing, and single AOF files. What charts, volumes and servers leave in an otherwise
/// fresh folder doesn't count: configuration, `nodes.conf`, `users.acl`, `lost+found`, a server's
/// unfinished `temp-*.rdb`. (Whether the folder is empty is therefore not the question.)
std::vector<std::string> find_server_data(const std::filesystem::path& folder,
                                          const ServerConfig& config);

/// The process id of a Redis or Valkey server of this machine that works in `folder`, if there is
/// one: it would overwrite what is restored under it.
std::optional<int> find_server_running_in(const std::filesystem::path& folder);

}  // namespace keyrewind::restore
