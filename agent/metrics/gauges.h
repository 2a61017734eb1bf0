#pragma once

#include "base/clock.h"

#include <map>
#include <string>
#include <vector>

namespace prometheus {
class Counter;
class Registry;
}  // namespace prometheus

namespace keyrewind::metrics {

using Labels = std::map<std::string, std::string>;

/// Sets the gauge of that name and those labels, which is registered when it is first set: before
/// that it is not printed. A value that is no number is not set. Any thread may call it.
void set_gauge(prometheus::Registry& registry, const std::string& name, const std::string& help,
               const Labels& labels, double value);

/// From now on the gauge is not printed. Nobody may be setting it meanwhile.
void remove_gauge(prometheus::Registry& registry, const std::string& name, const std::string& help,
                  const Labels& labels);

/// The counter of that name and those labels, which is there from now on. Any thread may call it.
prometheus::Counter& counter(prometheus::Registry& registry, const std::string& name,
                             const std::string& help, const Labels& labels);

/// As remove_gauge. Nobody may be counting meanwhile.
void remove_counter(prometheus::Registry& registry, const std::string& name,
                    const std::string& help, const Labels& labels);

/// Adds a value to the histogram of that name and those labels, whose `bounds` are always the same.
/// Any thread may call it.
void observe(prometheus::Registry& registry, const std::string& name, const std::string& help,
             const Labels& labels, const std::vector<double>& bounds, double value);

/// keyrewind_build_info.
void set_build_info(prometheus::Registry& registry);

/// As Prometheus wants it: with a fraction.
double seconds_of(Timestamp time);

/// All of the registry in the text format 0.0.4.
std::string to_text(const prometheus::Registry& registry);

}  // namespace keyrewind::metrics
