#pragma once

#include "io/fd.h"
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

/// What a throw-away server finds in its folder.
struct ThrowawayData {
  enum class Form {
    rdb,  ///< `dump.rdb`. Keys whose time is over are dropped while it loads.
    aof,  ///< An AOF under the names of aof::Names(). Keys whose time is over stay.
  };

  Form form = Form::rdb;
  std::uint64_t databases = 16;  ///< That it needs.
};

/// A server that runs in a folder on a Unix socket only, without saving anything unless told to,
/// for as long as the object lives. It dies with this process, even if that is killed.
class ThrowawayServer {
 public:
  /// Starts it on the data in `folder` and waits until that is loaded, however long that takes.
  /// Throws Error(corrupt) with the server's own words if it ends before.
  ThrowawayServer(const ServerProgram& program, const std::filesystem::path& folder,
                  const ThrowawayData& data, std::stop_token stop);
  ~ThrowawayServer();
  ThrowawayServer(const ThrowawayServer&) = delete;
  ThrowawayServer& operator=(const ThrowawayServer&) = delete;

  /// Fields of INFO once all was loaded, such as "rdb_last_load_keys_loaded".
  std::string info(const std::string& field) const;

  /// The same as a number. Throws Error(failed) if there is none.
  std::uint64_t number(const std::string& field) const;

  /// Writes `dump.rdb` into its folder. Throws Error(failed) with the server's own words.
  void save(std::stop_token stop);

 private:
  replica::SourceOptions address() const;
  void wait_until_loaded(const std::stop_token& stop);
  [[noreturn]] void fail_with_log();
  void kill() noexcept;

  const std::string command_;
  const std::filesystem::path folder_;
  io::Fd folder_fd_;
  int pid_ = -1;
  std::string info_;
};

}  // namespace keyrewind::restore
