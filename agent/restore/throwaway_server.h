#pragma once

#include "rdb/compatibility.h"
#include "replica/connection.h"

#include <cstdint>
#include <filesystem>
#include <stop_token>
#include <string>
#include <vector>

namespace keyrewind::restore {

/// A Redis or Valkey server of the user's choice, as a command line: "valkey-server", or
/// "/usr/bin/redis-server --loadmodule /usr/lib/redis/modules/redisearch.so".
struct ServerProgram {
  std::string command;
};

/// What `command --version` says. Throws Error(failed) if it can't be run or is no such server.
rdb::ServerVersion ask_version(const ServerProgram& program);

/// A server that runs in a folder on a Unix socket only, without saving anything, for as long as
/// the object lives. It dies with this process, even if that is killed.
class ThrowawayServer {
 public:
  /// Starts it on the data in `folder` (`dump.rdb`) and waits until that is loaded, however long
  /// that takes. Throws Error(failed) with the server's own words if it ends before.
  ThrowawayServer(const ServerProgram& program, const std::filesystem::path& folder,
                  std::uint64_t databases, std::stop_token stop);
  ~ThrowawayServer();
  ThrowawayServer(const ThrowawayServer&) = delete;
  ThrowawayServer& operator=(const ThrowawayServer&) = delete;

  /// Fields of INFO, such as "rdb_last_load_keys_loaded".
  std::string info(const std::string& field) const;

 private:
  void wait_until_loaded(const std::stop_token& stop);
  [[noreturn]] void fail_with_log();
  void kill() noexcept;

  const std::string command_;
  const std::filesystem::path folder_;
  int pid_ = -1;
  std::string info_;
};

}  // namespace keyrewind::restore
