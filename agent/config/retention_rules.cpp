#include "config/retention_rules.h"

namespace keyrewind::config {

policy::RetentionRules to_retention_rules(const Config& config) {
  const Config::Retention& retention = config.retention;
  return {.keep_last = retention.keep_last,
          .keep_hourly = retention.keep_hourly,
          .keep_daily = retention.keep_daily,
          .keep_weekly = retention.keep_weekly,
          .keep_monthly = retention.keep_monthly,
          .keep_yearly = retention.keep_yearly,
          .keep_within = retention.keep_within,
          .recovery_window = retention.recovery_window,
          .min_backups = retention.min_backups,
          .keep_labels = retention.keep_labels,
          .zone = policy::Zone(config.snapshots.time_zone)};
}

}  // namespace keyrewind::config
