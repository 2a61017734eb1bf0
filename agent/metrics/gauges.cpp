#include "metrics/gauges.h"

#include "base/version.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <cmath>

namespace keyrewind::metrics {
namespace {

prometheus::Family<prometheus::Gauge>& gauges(prometheus::Registry& registry,
                                              const std::string& name, const std::string& help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
}

prometheus::Family<prometheus::Counter>& counters(prometheus::Registry& registry,
                                                  const std::string& name,
                                                  const std::string& help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

}  // namespace

void set_gauge(prometheus::Registry& registry, const std::string& name, const std::string& help,
               const Labels& labels, double value) {
  if (std::isfinite(value)) {
    gauges(registry, name, help).Add(labels).Set(value);
  }
}

void remove_gauge(prometheus::Registry& registry, const std::string& name, const std::string& help,
                  const Labels& labels) {
  auto& family = gauges(registry, name, help);
  family.Remove(&family.Add(labels));
}

prometheus::Counter& counter(prometheus::Registry& registry, const std::string& name,
                             const std::string& help, const Labels& labels) {
  return counters(registry, name, help).Add(labels);
}

void remove_counter(prometheus::Registry& registry, const std::string& name,
                    const std::string& help, const Labels& labels) {
  auto& family = counters(registry, name, help);
  family.Remove(&family.Add(labels));
}

void observe(prometheus::Registry& registry, const std::string& name, const std::string& help,
             const Labels& labels, const std::vector<double>& bounds, double value) {
  if (std::isfinite(value)) {
    prometheus::BuildHistogram()
        .Name(name)
        .Help(help)
        .Register(registry)
        .Add(labels, bounds)
        .Observe(value);
  }
}

void set_build_info(prometheus::Registry& registry) {
  set_gauge(registry, "keyrewind_build_info", "The running program.",
            {{"version", std::string(version())},
             {"revision", std::string(revision())},
             {"compiler", std::string(compiler())}},
            1);
}

double seconds_of(Timestamp time) {
  return static_cast<double>(time.time_since_epoch().count()) / 1000.0;
}

std::string to_text(const prometheus::Registry& registry) {
  return prometheus::TextSerializer().Serialize(registry.Collect());
}

}  // namespace keyrewind::metrics
