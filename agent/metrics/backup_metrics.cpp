#include "metrics/backup_metrics.h"

#include "metrics/gauges.h"

#include <prometheus/registry.h>

namespace keyrewind::metrics {

std::string to_prometheus_text(const BackupRun& run) {
  prometheus::Registry registry;
  set_build_info(registry);
  set_backup_gauges(registry, run);
  return to_text(registry);
}

}  // namespace keyrewind::metrics
