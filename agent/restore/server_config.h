#pragma once

#include "aof/layout.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace keyrewind::restore {

/// What a restore wants to know of the configuration file of the server that will start on the
/// data. Defaults are the servers' own (redis.conf, valkey.conf).
struct ServerConfig {
  std::optional<bool> appendonly;  ///< Nothing if the file does not say.
  aof::Names aof;
  std::string dbfilename = "dump.rdb";
  std::string dir;              ///< "" if the file does not say.
  std::uint64_t maxmemory = 0;  ///< Bytes; 0 is no limit.
  std::uint64_t databases = 16;
};

/// Reads a redis.conf or valkey.conf with the files it includes (patterns too), the last value
/// winning, as the server does (src/config.c loadServerConfig). Relative includes are looked up
/// from the working directory, then beside the file that has them.
///
/// Throws Error(config) that names file and line if a file is missing, can't be understood,
/// includes itself, or is larger than 1 MiB.
ServerConfig read_server_config(const std::filesystem::path& file);

/// The same of several files, as if one included them all; the defaults if there are none.
ServerConfig read_server_config(const std::vector<std::filesystem::path>& files);

/// Whether the servers take `name` as appendfilename or appenddirname: it is no path.
bool is_plain_name(const std::string& name);

}  // namespace keyrewind::restore
