#pragma once

#include "base/clock.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace keyrewind::metrics {

/// One attempt to take a backup, as monitoring wants to know it.
struct BackupRun {
  std::string source;
  bool succeeded = false;
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
/// keyrewind_build_info, keyrewind_backup_last_attempt_success, …_last_attempt_timestamp_seconds,
/// …_last_success_timestamp_seconds, …_last_duration_seconds, …_last_keys, …_last_raw_bytes,
/// …_last_stored_bytes, …_last_opaque; all with the label `source`.
std::string to_prometheus_text(const BackupRun& run);

}  // namespace keyrewind::metrics
