#pragma once

#include "metrics/backup_metrics.h"

#include <map>
#include <string>

namespace prometheus {
class Registry;
}

namespace keyrewind::metrics {

using Labels = std::map<std::string, std::string>;

/// Sets the gauge of that name and those labels, which is registered when it is first set: before
/// that it is not printed. Any thread may call it.
void set_gauge(prometheus::Registry& registry, const std::string& name, const std::string& help,
               const Labels& labels, double value);

/// keyrewind_build_info.
void set_build_info(prometheus::Registry& registry);

/// The keyrewind_backup_last_… gauges of a run. What the run does not know keeps its value.
void set_backup_gauges(prometheus::Registry& registry, const BackupRun& run);

/// As Prometheus wants it: with a fraction.
double seconds_of(Timestamp time);

/// All of the registry in the text format 0.0.4.
std::string to_text(const prometheus::Registry& registry);

}  // namespace keyrewind::metrics
