#pragma once

#include "base/clock.h"
#include "catalog/manifest.h"
#include "rdb/compatibility.h"
#include "restore/moment.h"
#include "restore/server_config.h"
#include "restore/throwaway_server.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace keyrewind::restore {

/// Which files a server finds its data in.
enum class Layout {
  rdb,   ///< `dump.rdb`: read by a server with `appendonly no`.
  aof,   ///< A folder with a base RDB and its manifest: read by one with `appendonly yes`.
  both,  ///< Each reads its own; the RDB is there once, under two names. With a log, an RDB that a
         ///< throw-away server made of it.
};
std::string_view to_string(Layout layout) noexcept;

/// What the user asked for.
struct RestoreRequest {
  std::filesystem::path target;
  std::optional<Layout> layout;  ///< Nothing: as the configuration says, else both.
  /// The target server's redis.conf or valkey.conf, and files that it is given beside that: the
  /// last value wins.
  std::vector<std::filesystem::path> server_config{};
  std::string append_filename{};             ///< In place of what these say; empty: as they say.
  std::string append_dirname{};              ///< The same.
  std::optional<rdb::ServerVersion> server;  ///< What will load it, if known.
  std::optional<ServerProgram> program;      ///< The same as a program that can be run here.
  bool force = false;                        ///< Go on in spite of objections and old data.
  /// Nobody watches: the mark that it leaves also tells of a failure.
  bool unattended = false;
  std::uint64_t restore_request = 0;  ///< Number of the one that is carried out; 0: none.
};

/// What a restore will do, decided before anything is written.
struct RestorePlan {
  std::filesystem::path target;
  Layout layout = Layout::both;
  std::string layout_reason;          ///< "appendonly yes in /etc/valkey/valkey.conf"
  std::vector<std::string> files;     ///< What will stand in the target, by relative name.
  std::vector<std::string> old_data;  ///< What stands there now and will be moved aside.
  std::uint64_t bytes = 0;            ///< To be written: RDB and log.
  std::uint64_t stored_bytes = 0;     ///< To be fetched.
  std::size_t segments = 0;           ///< Of these, how many objects hold the log…
  std::uint64_t log_bytes = 0;        ///< …and how much of it is needed, inflated.
  std::uint64_t estimated_seconds = 0;
  std::optional<ServerProgram> maker;  ///< Makes the RDB of the moment, where one is needed.
  std::string needs;                   ///< "Redis 7.2 or Valkey 8.0"
  std::vector<std::string>
      objections;                     ///< Why it should not be done; `force` turns them into notes.
  std::vector<std::string> notes;     ///< What a person should know.
  bool unattended = false;            ///< As in the request.
  std::uint64_t restore_request = 0;  ///< The same.
  ServerConfig server_config;
};

/// Decides a restore of `point`, whose base `manifest` is that of, without writing anything. Throws
/// Error(config) if the layout needs an RDB of a moment that no server program here can make.
RestorePlan plan_restore(const RestoreRequest& request, const catalog::Manifest& manifest,
                         const RestorePoint& point);

/// The configuration to go by: that of `request`, or the servers' defaults.
ServerConfig server_config_of(const RestoreRequest& request);

}  // namespace keyrewind::restore
