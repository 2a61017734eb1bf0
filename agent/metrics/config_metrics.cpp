#include "metrics/config_metrics.h"

#include "metrics/gauges.h"

#include <prometheus/registry.h>

namespace keyrewind::metrics {
namespace {

void set_successful(prometheus::Registry& registry, bool yes) {
  set_gauge(registry, "keyrewind_config_last_reload_successful",
            "Whether the configuration could be loaded the last time; if not, the one before goes "
            "on.",
            {}, yes ? 1 : 0);
}

}  // namespace

void ConfigMetrics::loaded(Timestamp now) {
  set_successful(registry_, true);
  set_gauge(registry_, "keyrewind_config_last_reload_success_timestamp_seconds",
            "When the configuration that runs was loaded.", {}, seconds_of(now));
}

void ConfigMetrics::reload_failed() {
  set_successful(registry_, false);
}

}  // namespace keyrewind::metrics
