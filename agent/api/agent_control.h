#pragma once

#include "api/status.h"
#include "api/task.h"
#include "base/clock.h"
#include "catalog/manifest.h"
#include "catalog/timeline.h"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace keyrewind::api {

/// Which backups somebody wants to see.
struct BackupFilter {
  std::optional<Timestamp> since{};             ///< Created then or later.
  std::optional<Timestamp> until{};             ///< Created then or earlier.
  std::map<std::string, std::string> labels{};  ///< All of them.
};

/// An available backup, and whether anything keeps it from being removed.
struct BackupEntry {
  struct Lock {
    std::optional<Timestamp> until{};  ///< Nothing: until it is unlocked.
    std::string reason{};
  };

  catalog::Commit commit;
  std::optional<Lock> lock{};
};

/// The wish that the next start of a server with an empty data directory restores something.
struct RestoreRequest {
  std::string backup = "latest";       ///< An id, or "latest".
  std::string at{};                    ///< As `restore --at` reads it; empty: the backup itself.
  std::optional<Timestamp> created{};  ///< Set by the agent.
};

struct StartBackup {
  std::map<std::string, std::string> labels{};
  bool final = false;  ///< From the primary, with the last offset.
  bool force = false;  ///< Below the floor between full syncs.
};

enum class VerifyLevel { checksum, parse, load };

/// What a running agent shows and does for those who ask over HTTP.
///
/// All members may be called from any thread at once. None waits for the source; those that say so
/// wait for a repository, up to a bound of a few seconds. What goes wrong is thrown as Error:
/// no_backup for an id that isn't there, busy (9) for locks and quotas, config for what makes no
/// sense, unavailable and denied of Side::repository.
class AgentControl {
 public:
  virtual ~AgentControl() = default;

  /// From memory, at once, whatever source and repositories do.
  virtual Status status() const = 0;
  virtual Health health() const = 0;
  /// Whether it still turns: false only if it hangs, so that nothing but a new start helps. What it
  /// works with may be away for as long as it likes.
  virtual bool is_alive() const = 0;
  /// Whether it began to work or to stand by: configuration read, spool open, first look taken.
  virtual bool is_ready() const = 0;

  /// The configuration that is in force, with defaults and without secrets.
  virtual nlohmann::ordered_json config() const = 0;
  /// Reads the configuration again. Throws Error(config) if it is wrong: the old one goes on.
  virtual void reload() = 0;

  /// Those that the filter lets through, oldest first. Waits for the repository.
  virtual std::vector<BackupEntry> backups(const BackupFilter& filter) const = 0;
  /// An id, an unambiguous beginning of one, or "latest". Waits for the repository.
  virtual BackupEntry backup(const std::string& id) const = 0;
  /// Waits for the repository.
  virtual catalog::Manifest manifest(const catalog::Commit& commit) const = 0;
  virtual catalog::Timeline timeline() const = 0;

  /// Keeps it from retention and deletion. Waits for the repository.
  virtual void lock_backup(const std::string& id, const BackupEntry::Lock& lock) = 0;
  virtual void unlock_backup(const std::string& id) = 0;
  /// Throws Error(busy) if it is locked or the last good one. Waits for the repository.
  virtual void delete_backup(const std::string& id) = 0;

  /// The schedules, in the order of the configuration. From memory.
  virtual std::vector<ScheduleStatus> schedules() const = 0;
  /// Each: false if there is no schedule of that name.
  virtual bool pause_schedule(const std::string& name) = 0;
  virtual bool resume_schedule(const std::string& name) = 0;
  /// The id of the task that runs it now; nothing if there is no schedule of that name.
  virtual std::optional<std::string> run_schedule(const std::string& name) = 0;

  /// Start a task and give its id. Throw Error(busy) over quota or while another one runs.
  virtual std::string start_backup(const StartBackup& request) = 0;
  virtual std::string start_verify(const std::string& backup, VerifyLevel level) = 0;

  /// Those that run and the last ones that ended, newest first. From memory.
  virtual std::vector<Task> tasks() const = 0;
  /// Nothing if there is none of that id, or if it ended long ago.
  virtual std::optional<Task> task(const std::string& id) const = 0;
  /// Asks it to stop. False if there is none of that id; one that is over stays as it is.
  virtual bool cancel_task(const std::string& id) = 0;

  /// Each waits for the repository.
  virtual std::optional<RestoreRequest> restore_request() const = 0;
  virtual void put_restore_request(const RestoreRequest& request) = 0;
  /// False if there is none.
  virtual bool delete_restore_request() = 0;
};

}  // namespace keyrewind::api
