#include "cli/service_watch.h"

#include "base/log.h"
#include "flow/pause.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

namespace keyrewind::cli {
namespace {

using std::chrono::milliseconds;

/// How often the status is looked at where nothing is to be told more often.
constexpr milliseconds kStatusInterval{5000};

}  // namespace

void watch_service(const io::ServiceManager& manager, const flow::Pulse& pulse,
                   const std::function<std::string()>& status, std::stop_token stop) {
  const milliseconds interval =
      manager.watchdog()
          ? std::clamp(std::chrono::duration_cast<milliseconds>(*manager.watchdog() / 2),
                       milliseconds(1), kStatusInterval)
          : kStatusInterval;
  std::string told;
  bool lost = false;
  while (!stop.stop_requested()) {
    const bool felt = pulse.is_felt();
    if (felt && manager.watchdog()) {
      manager.alive();
    }
    if (!felt && !std::exchange(lost, true)) {
      log::error("agent hangs; the watchdog is told nothing any more");
    }
    lost = !felt;
    if (std::string now = status(); now != told) {
      manager.status(now);
      told = std::move(now);
    }
    flow::pause(interval, stop);
  }
}

}  // namespace keyrewind::cli
