#pragma once

#include "api/agent_control.h"

#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace keyrewind::api {

/// An agent in memory: it does what it is told, and its tasks end when a test says so.
class ScriptedAgent final : public AgentControl {
 public:
  ScriptedAgent();

  Status status() const override;
  Health health() const override;
  bool is_alive() const override { return alive; }
  bool is_ready() const override;
  nlohmann::ordered_json config() const override;
  void reload() override;
  std::vector<BackupEntry> backups(const BackupFilter& filter) const override;
  BackupEntry backup(const std::string& id) const override;
  catalog::Manifest manifest(const catalog::Commit& commit) const override;
  catalog::Timeline timeline() const override;
  void lock_backup(const std::string& id, const BackupEntry::Lock& lock) override;
  void unlock_backup(const std::string& id) override;
  void delete_backup(const std::string& id) override;
  std::vector<ScheduleStatus> schedules() const override;
  bool pause_schedule(const std::string& name) override;
  bool resume_schedule(const std::string& name) override;
  std::optional<std::string> run_schedule(const std::string& name) override;
  std::string start_backup(const StartBackup& request) override;
  std::string start_verify(const std::string& backup, VerifyLevel level) override;
  std::vector<Task> tasks() const override;
  std::optional<Task> task(const std::string& id) const override;
  bool cancel_task(const std::string& id) override;
  std::optional<RestoreRequest> restore_request() const override;
  void put_restore_request(const RestoreRequest& request) override;
  bool delete_restore_request() override;

  /// Adds `number` more backups, each with the label number=<its sequence>.
  void add_backups(std::size_t number);
  void end_task(const std::string& id, Task::State state);

  bool healthy = true;
  bool alive = true;
  std::optional<Error> failure;  ///< What everything that waits for the repository throws.
  std::optional<Error> reload_failure;
  std::vector<StartBackup> started;

 private:
  BackupEntry* find(const std::string& id);
  std::string start(Task::Kind kind, const std::string& schedule);
  void fail_if_scripted() const;

  mutable std::mutex mutex_;
  std::vector<BackupEntry> backups_;
  std::vector<ScheduleStatus> schedules_;
  std::vector<Task> tasks_;
  std::optional<RestoreRequest> request_;
};

}  // namespace keyrewind::api
