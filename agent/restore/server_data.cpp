#include "restore/server_data.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <string_view>
#include <system_error>

namespace keyrewind::restore {
namespace {

namespace fs = std::filesystem;

bool is_rdb(const std::string& name, const ServerConfig& config) {
  return name == config.dbfilename || (name.ends_with(".rdb") && !name.starts_with("temp-"));
}

/// A folder with an AOF: by its name in the configuration or by what it holds.
bool is_aof_folder(const fs::directory_entry& folder, const ServerConfig& config) {
  const std::string name = folder.path().filename().string();
  const bool by_name = name == config.aof.folder || name == aof::Names().folder;
  std::error_code unreadable;
  for (const auto& entry : fs::directory_iterator(folder.path(), unreadable)) {
    const std::string file = entry.path().filename().string();
    if (by_name || file.ends_with(".aof.manifest") || file.ends_with(".incr.aof") ||
        file.ends_with(".base.rdb") || file.ends_with(".base.aof")) {
      return true;
    }
  }
  return by_name && unreadable;
}

/// Whether one of the words of a command line is a server program. It need not be the first, as a
/// program may be started through a loader; and a running server retitles itself: "redis-server
/// *:6379".
bool is_server(const fs::path& command_line) {
  std::ifstream file(command_line, std::ios::binary);
  for (std::string word; std::getline(file, word, '\0');) {
    const std::string program = fs::path(word.substr(0, word.find(' '))).filename().string();
    if (program == "redis-server" || program == "valkey-server") {
      return true;
    }
  }
  return false;
}

}  // namespace

std::vector<std::string> find_server_data(const fs::path& folder, const ServerConfig& config) {
  std::vector<std::string> found;
  std::error_code missing;
  for (const auto& entry : fs::directory_iterator(folder, missing)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(".keyrewind-")) {
      continue;
    }
    const bool is_data = entry.is_directory() ? is_aof_folder(entry, config)
                                              : is_rdb(name, config) || name.ends_with(".aof") ||
                                                    name == config.aof.stem;
    if (is_data) {
      found.push_back(name);
    }
  }
  std::ranges::sort(found);
  return found;
}

std::optional<int> find_server_running_in(const fs::path& folder) {
  std::error_code ignored;
  const fs::path wanted = fs::canonical(folder, ignored);
  if (ignored) {
    return std::nullopt;
  }
  for (const auto& entry : fs::directory_iterator("/proc", ignored)) {
    const std::string name = entry.path().filename().string();
    int pid = 0;
    const auto [end, failure] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (failure != std::errc() || end != name.data() + name.size()) {
      continue;
    }
    std::error_code gone;
    if (fs::read_symlink(entry.path() / "cwd", gone) != wanted || gone) {
      continue;
    }
    if (is_server(entry.path() / "cmdline")) {
      return pid;
    }
  }
  return std::nullopt;
}

}  // namespace keyrewind::restore
