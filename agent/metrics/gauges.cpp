#include "metrics/gauges.h"

#include "base/version.h"

#include <prometheus/gauge.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

namespace keyrewind::metrics {

void set_gauge(prometheus::Registry& registry, const std::string& name, const std::string& help,
               const Labels& labels, double value) {
  prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add(labels).Set(value);
}

void set_build_info(prometheus::Registry& registry) {
  set_gauge(registry, "keyrewind_build_info", "The running program.",
            {{"version", std::string(version())}}, 1);
}

void set_backup_gauges(prometheus::Registry& registry, const BackupRun& run) {
  const auto set = [&](const std::string& what, const std::string& help, double value) {
    set_gauge(registry, "keyrewind_backup_last_" + what, help, {{"source", run.source}}, value);
  };

  set("attempt_success", "Whether the last attempt produced a backup.", run.succeeded ? 1 : 0);
  set("attempt_timestamp_seconds", "When the last attempt began.", seconds_of(run.attempted));
  if (run.last_success) {
    set("success_timestamp_seconds", "When the newest backup was finished.",
        seconds_of(*run.last_success));
  }
  if (run.succeeded) {
    set("duration_seconds", "How long the last backup took.",
        static_cast<double>(run.duration.count()) / 1000.0);
    set("raw_bytes", "Size of its RDB.", static_cast<double>(run.raw_bytes));
    set("stored_bytes", "Size of what it stored.", static_cast<double>(run.stored_bytes));
    set("keys", "Keys in it.", static_cast<double>(run.keys));
    set("opaque", "1 if its structure was not known and it was stored without counting.",
        run.opaque ? 1 : 0);
  }
}

double seconds_of(Timestamp time) {
  return static_cast<double>(time.time_since_epoch().count()) / 1000.0;
}

std::string to_text(const prometheus::Registry& registry) {
  return prometheus::TextSerializer().Serialize(registry.Collect());
}

}  // namespace keyrewind::metrics
