#pragma once

#include "base/clock.h"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace prometheus {
class Registry;
}

namespace keyrewind::metrics {

/// What became of a run. Each is a value of the label `result`.
enum class RunResult {
  success,
  failure,
  cancelled,
  skipped,  ///< It did not begin: another one was under way, or nothing may be taken now.
};

std::string_view to_string(RunResult result) noexcept;

/// Values of the label `schedule` for runs that no schedule began.
inline const std::string kManualRuns = "manual";        ///< A person, or their cron.
inline const std::string kAutomaticRuns = "automatic";  ///< The agent: a log needs a snapshot.
inline const std::string kFinalRuns = "final";          ///< The last one of a source.

/// One attempt to take a backup, as monitoring wants to know it.
struct BackupRun {
  std::string source;
  std::string schedule = kManualRuns;  ///< Its name, or one of those above.
  RunResult result = RunResult::failure;
  bool opaque = false;  ///< The snapshot was stored without following its structure.
  Timestamp attempted{};
  std::optional<Timestamp> last_success{};  ///< Of this run, or else of the newest backup there is.
  std::chrono::milliseconds duration{};
  std::uint64_t keys = 0;
  std::uint64_t raw_bytes = 0;
  std::uint64_t stored_bytes = 0;
};

/// The run in the Prometheus text format 0.0.4, for node_exporter's textfile collector. The sizes
/// are left out when the run failed, so that the last good values are not overwritten by zeros.
///
/// keyrewind_build_info, and the keyrewind_backup_last_… of BackupMetrics.
std::string to_prometheus_text(const BackupRun& run);

/// What an agent tells of its backups. Series have the labels `source` and `type` (always
/// "snapshot"), those of runs also `schedule`. All functions may be called from any thread.
class BackupMetrics {
 public:
  /// `registry` must outlive this. Runs without a schedule are known from the beginning.
  BackupMetrics(prometheus::Registry& registry, std::string source);
  ~BackupMetrics();
  BackupMetrics(const BackupMetrics&) = delete;
  BackupMetrics& operator=(const BackupMetrics&) = delete;

  /// These are the schedules from now on: their counters are there, and every series of another
  /// schedule goes. What is told later of a schedule that is not among them counts for nothing.
  void configure(const std::vector<std::string>& schedules);

  /// keyrewind_backup_in_progress. `expected_bytes` if anything is known of the size of the RDB.
  void begun(std::optional<std::uint64_t> expected_bytes);

  /// keyrewind_backup_processed_bytes, keyrewind_backup_expected_bytes: of the RDB, since `begun`.
  void progress(std::uint64_t processed_bytes);

  /// keyrewind_backup_runs_total and keyrewind_backup_duration_seconds, and
  /// keyrewind_backup_last_attempt_timestamp_seconds, …_last_attempt_success,
  /// …_last_success_timestamp_seconds, …_last_duration_seconds, …_last_raw_bytes,
  /// …_last_stored_bytes, …_last_keys, …_last_opaque. What the run does not know keeps its value,
  /// and one that was skipped is counted, no more. The run's own `source` counts for nothing.
  void finished(const BackupRun& run);

  /// The gauges alone, for a backup that was found in the catalog, so that a restart loses nothing.
  void seed(const BackupRun& run);

 private:
  struct Series;
  const std::unique_ptr<Series> series_;
};

}  // namespace keyrewind::metrics
