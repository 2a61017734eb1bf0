#include "daemon/restore_watch.h"

#include "base/error.h"
#include "base/log.h"
#include "catalog/restore_request.h"
#include "flow/pause.h"
#include "restore/restore_mark.h"

#include <chrono>
#include <utility>

namespace keyrewind::daemon {
namespace {

constexpr std::chrono::minutes kInterval{1};
constexpr const char* kOnlyShard = "0";

}  // namespace

RestoreWatch::RestoreWatch(const catalog::Catalog& catalog, std::filesystem::path data_dir,
                           metrics::RestoreMetrics& metrics)
    : catalog_(catalog), data_dir_(std::move(data_dir)), metrics_(metrics) {}

void RestoreWatch::look(const std::stop_token& stop) {
  try {
    look_into_folder();
    look_for_request(stop);
    last_error_.clear();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::cancelled) {
      warn(error.what());
    }
  }
}

void RestoreWatch::look_for_ever(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    look(stop);
    flow::pause(kInterval, stop);
  }
}

void RestoreWatch::look_into_folder() {
  if (data_dir_.empty()) {
    return;
  }
  const auto mark = restore::read_restore_mark(data_dir_);
  if (mark && mark->finished) {
    metrics_.last(*mark->finished,
                  std::chrono::milliseconds(static_cast<std::int64_t>(mark->seconds * 1000)),
                  mark->state == restore::RestoreMark::State::done);
  }
}

void RestoreWatch::look_for_request(const std::stop_token& stop) {
  const auto request = catalog::newest_restore_request(catalog_, stop);
  metrics_.pending(request && request->is_pending(kOnlyShard));
}

/// Said once, and again when it is another one: the repository's own troubles are told elsewhere.
void RestoreWatch::warn(const std::string& error) {
  if (error != last_error_) {
    log::warn("restores not looked at", {{"error", error}});
    last_error_ = error;
  }
}

}  // namespace keyrewind::daemon
