#include "daemon/restore_watch.h"

#include "base/error.h"
#include "base/log.h"
#include "catalog/restore_request.h"
#include "flow/pause.h"
#include "restore/restore_mark.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>

namespace keyrewind::daemon {
namespace {

constexpr std::chrono::minutes kInterval{1};
constexpr const char* kOnlyShard = "0";

using End = RestoreWatch::End;

/// The end of the last restore into `folder`, if it can be seen and there was one.
std::optional<End> end_in(const std::filesystem::path& folder) {
  const auto mark = folder.empty() ? std::nullopt : restore::read_restore_mark(folder);
  if (!mark || !mark->finished) {
    return std::nullopt;
  }
  return End{*mark->finished, mark->seconds, mark->state == restore::RestoreMark::State::done};
}

/// That of the last one that was asked for, if it is done.
std::optional<End> end_of(const std::optional<catalog::RestoreRequestStatus>& request) {
  if (!request || !request->outcomes.contains(kOnlyShard)) {
    return std::nullopt;
  }
  const catalog::RestoreOutcome& outcome = request->outcomes.at(kOnlyShard);
  return End{outcome.finished, outcome.seconds, true};
}

}  // namespace

RestoreWatch::RestoreWatch(const catalog::Catalog& catalog, std::filesystem::path data_dir,
                           metrics::RestoreMetrics& metrics, Timestamp news_since, Ended ended)
    : catalog_(catalog),
      data_dir_(std::move(data_dir)),
      metrics_(metrics),
      news_since_(news_since),
      ended_(std::move(ended)) {}

void RestoreWatch::look(const std::stop_token& stop) {
  try {
    const auto last = end_in(data_dir_);
    tell(last);
    const auto request = catalog::newest_restore_request(catalog_, stop);
    metrics_.pending(request && request->is_pending(kOnlyShard));
    const auto asked_for = end_of(request);
    if (asked_for && (!last || last->at < asked_for->at)) {
      tell(asked_for);
    }
    last_error_.clear();
  } catch (const Error& error) {
    // A repository that does not answer, or is not there yet, is told elsewhere.
    if (error.kind() != ErrorKind::cancelled && error.kind() != ErrorKind::unavailable) {
      warn(error.what());
    }
  }
}

void RestoreWatch::tell(const std::optional<End>& end) {
  if (!end) {
    return;
  }
  metrics_.last(end->at, std::chrono::milliseconds(static_cast<std::int64_t>(end->seconds * 1000)),
                end->succeeded);
  if (end->at > news_since_) {
    news_since_ = end->at;
    ended_(*end);
  }
}

void RestoreWatch::look_for_ever(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    look(stop);
    flow::pause(kInterval, stop);
  }
}

/// Said once, and again when it is another one.
void RestoreWatch::warn(const std::string& error) {
  if (error != last_error_) {
    log::warn("restores not looked at", {{"error", error}});
    last_error_ = error;
  }
}

}  // namespace keyrewind::daemon
