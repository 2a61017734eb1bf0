#pragma once

#include "api/agent_control.h"
#include "base/clock.h"
#include "daemon/agent.h"
#include "daemon/agent_options.h"
#include "daemon/notifier.h"
#include "daemon/scheduler.h"
#include "metrics/agent_metrics.h"
#include "metrics/copy_metrics.h"
#include "policy/retention.h"
#include "store/object_store.h"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace keyrewind::daemon {

/// All that a running agent does, and how.
struct ServiceOptions {
  AgentOptions agent{};
  std::string address{};  ///< Of the source, as it is configured.
  std::vector<PlannedBackups> schedules{};
  NotifierOptions notify{};

  /// Nothing: nothing is ever removed.
  std::optional<policy::RetentionRules> retention{};
  bool floor_binds_people = false;   ///< The agent's floor between full syncs.
  std::uint64_t manual_per_24h = 0;  ///< Backups that people ask for; 0: no limit.
  std::uint64_t max_stored = 0;      ///< Bytes of the source in its repository; 0: no limit.

  std::filesystem::path temporary{};  ///< For servers that load a backup to verify it.
  std::string server_program{};       ///< Which one; empty: what PATH has.

  std::chrono::milliseconds look_interval{15000};    ///< Between two questions to a repository.
  std::chrono::milliseconds count_interval{600000};  ///< Between two readings of all of it.
  std::chrono::milliseconds retention_interval{3600000};
};

/// What the process tells the service about, and does for it.
struct ServiceLinks {
  std::string config_file{};
  std::function<nlohmann::ordered_json()> config{};  ///< In force, without secrets.
  /// Reads the configuration again and has it taken over; throws Error(config) if it is wrong.
  std::function<void()> reload{};
};

/// A running agent as a whole: the log, backups by schedule and on request, retention, its state,
/// whom it tells. It is what the API asks.
class Service final : public api::AgentControl {
 public:
  /// All but `options` and `links` must outlive the service. Throws what Agent's constructor does.
  Service(store::ObjectStore& store, const std::vector<AgentCopy>& copies, ServiceOptions options,
          ServiceLinks links, metrics::AgentMetrics& metrics, metrics::CopyMetrics& copy_metrics,
          const Clock& clock);
  ~Service() override;

  /// Works until `stop` is requested. Throws what Agent::run throws.
  void run(std::stop_token stop);

  /// Takes over what of `options` may change while it runs. Any thread.
  void take_over(ServiceOptions options);

  /// The last attempt to read the configuration failed; the old one goes on. Any thread.
  void note_bad_config(const std::string& error);

  /// A restore has ended; `detail` says how. Any thread.
  void note_restore(const std::string& detail);

  api::Status status() const override;
  api::Health health() const override;
  bool is_alive() const override;
  bool is_ready() const override;
  nlohmann::ordered_json config() const override;
  void reload() override;
  std::vector<api::BackupEntry> backups(const api::BackupFilter& filter) const override;
  api::BackupEntry backup(const std::string& id) const override;
  catalog::Manifest manifest(const catalog::Commit& commit) const override;
  catalog::Timeline timeline() const override;
  void lock_backup(const std::string& id, const api::BackupEntry::Lock& lock) override;
  void unlock_backup(const std::string& id) override;
  void delete_backup(const std::string& id) override;
  std::vector<api::ScheduleStatus> schedules() const override;
  bool pause_schedule(const std::string& name) override;
  bool resume_schedule(const std::string& name) override;
  std::optional<std::string> run_schedule(const std::string& name) override;
  std::string start_backup(const api::StartBackup& request) override;
  std::string start_verify(const std::string& backup, api::VerifyLevel level) override;
  std::vector<api::Task> tasks() const override;
  std::optional<api::Task> task(const std::string& id) const override;
  bool cancel_task(const std::string& id) override;
  std::optional<api::RestoreRequest> restore_request() const override;
  void put_restore_request(const api::RestoreRequest& request) override;
  bool delete_restore_request() override;

 private:
  class Work;
  const std::unique_ptr<Work> work_;
};

}  // namespace keyrewind::daemon
