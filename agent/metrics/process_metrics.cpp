#include "metrics/process_metrics.h"

#include "base/clock.h"
#include "metrics/gauges.h"

#include <prometheus/counter.h>
#include <prometheus/registry.h>
#include <sys/resource.h>
#include <unistd.h>

#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <string>
#include <system_error>
#include <vector>

namespace keyrewind::metrics {
namespace {

/// The fields of /proc/self/stat from the third on (proc(5)); the second may hold blanks.
std::vector<std::string> process_stat() {
  std::ifstream file("/proc/self/stat");
  std::string line;
  std::getline(file, line);
  const std::size_t name_end = line.rfind(')');
  if (name_end == std::string::npos) {
    return {};
  }
  std::istringstream rest(line.substr(name_end + 1));
  return {std::istream_iterator<std::string>(rest), {}};
}

/// Where the fields of proc(5) with those numbers are in what `process_stat` returns.
constexpr std::size_t kUserTicks = 14 - 3;
constexpr std::size_t kSystemTicks = 15 - 3;
constexpr std::size_t kStartTicks = 22 - 3;
constexpr std::size_t kVirtualBytes = 23 - 3;
constexpr std::size_t kResidentPages = 24 - 3;

/// When the machine was started, in seconds since 1970. /proc/stat would say it, too, but is hidden
/// from a service that may only see itself.
double boot_time() {
  static const double time = [] {
    timespec since{};
    ::clock_gettime(CLOCK_BOOTTIME, &since);
    return seconds_of(SystemClock().now()) - static_cast<double>(since.tv_sec) -
           static_cast<double>(since.tv_nsec) / 1e9;
  }();
  return time;
}

std::optional<double> open_files() {
  std::error_code error;
  double count = 0;
  for (std::filesystem::directory_iterator files("/proc/self/fd", error), end;
       !error && files != end; files.increment(error)) {
    ++count;
  }
  // The one that lists them is among them.
  return error ? std::nullopt : std::optional(count - 1);
}

}  // namespace

std::string process_text() {
  prometheus::Registry registry;
  const std::vector<std::string> stat = process_stat();
  if (stat.size() > kResidentPages) {
    const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
    const auto field = [&](std::size_t index) { return std::stod(stat[index]); };
    counter(registry, "process_cpu_seconds_total", "CPU time of user and system, in seconds.", {})
        .Increment((field(kUserTicks) + field(kSystemTicks)) / ticks);
    set_gauge(registry, "process_virtual_memory_bytes", "Virtual memory.", {},
              field(kVirtualBytes));
    set_gauge(registry, "process_resident_memory_bytes", "Memory that is resident.", {},
              field(kResidentPages) * static_cast<double>(sysconf(_SC_PAGESIZE)));
    set_gauge(registry, "process_start_time_seconds",
              "When the process was started, in seconds since 1970.", {},
              boot_time() + field(kStartTicks) / ticks);
  }
  if (const auto files = open_files()) {
    set_gauge(registry, "process_open_fds", "Open files.", {}, *files);
  }
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    set_gauge(registry, "process_max_fds", "How many files may be open.", {},
              static_cast<double>(limit.rlim_cur));
  }
  return to_text(registry);
}

}  // namespace keyrewind::metrics
