#include "daemon/copier.h"

#include "base/log.h"
#include "copies/backup_copy.h"
#include "copies/copy_missing.h"
#include "copies/log_copy.h"
#include "flow/background.h"
#include "flow/pause.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <utility>

namespace keyrewind::daemon {

Copier::Copier(const catalog::Catalog& primary, store::ObjectStore& copy, CopierOptions options,
               metrics::CopyMetrics& metrics, const Clock& clock)
    : source_(primary.source()),
      primary_(primary.store().stored()),
      copy_(copy.stored()),
      options_(std::move(options)),
      copy_options_{.source = source_, .connections = options_.connections},
      metrics_(metrics),
      clock_(clock),
      log_(make_lane([this](std::span<const std::string> names,
                            const copies::CopyObserver& observer, const std::stop_token& stop) {
        if (!names.empty()) {
          return copies::copy_log_objects(sides(), copy_options_, names, observer, progress_, stop);
        }
        return make_ready(stop)
                   ? copies::copy_log(sides(), copy_options_, observer, progress_, stop)
                   : copies::CopyReport();
      })),
      backups_(make_lane([this](std::span<const std::string> /*names*/,
                                const copies::CopyObserver& observer, const std::stop_token& stop) {
        return make_ready(stop)
                   ? copies::copy_backups(sides(), copy_options_, observer, progress_, stop)
                   : copies::CopyReport();
      })) {
  metrics_.add(options_.name);
}

Copier::~Copier() {
  stop();
}

void Copier::start() {
  if (threads_) {
    return;
  }
  log_.begin();
  backups_.begin();
  threads_.emplace(std::stop_token());
  threads_->spawn("copy-log", [this](const std::stop_token& stop) { run(log_, stop); });
  threads_->spawn("copy-backups", [this](const std::stop_token& stop) { run(backups_, stop); });
}

void Copier::stop() {
  if (threads_) {
    threads_.reset();
    metrics_.forget_lag(options_.name);
    if (options_.lacks) {
      options_.lacks(std::nullopt);
    }
  }
}

void Copier::notify_log(const std::string& object) {
  log_.notify(object, copies::time_of_log_object(source_, object).value_or(clock_.now()));
}

void Copier::notify_backup() {
  backups_.notify({}, clock_.now());
}

bool Copier::run_once(const std::stop_token& stop) {
  const bool log = try_work(log_, stop);
  const bool backups = try_work(backups_, stop);
  return log && backups;
}

CopyLane Copier::make_lane(CopyLane::Copy copy) {
  return CopyLane(
      std::move(copy), [this](std::uint64_t bytes) { metrics_.copied(options_.name, bytes); },
      [this] { tell_lag(); }, clock_);
}

/// Returns false if the primary is no repository yet.
bool Copier::make_ready(const std::stop_token& stop) {
  const auto make = was_there_ ? copies::Make::never : copies::Make::if_missing;
  if (!copies::make_ready(sides(), make, clock_, stop)) {
    return false;
  }
  was_there_ = true;
  return true;
}

void Copier::run(CopyLane& lane, const std::stop_token& stop) {
  flow::work_in_background();
  auto next_pause = options_.first_pause;
  while (!stop.stop_requested()) {
    if (try_work(lane, stop)) {
      next_pause = options_.first_pause;
      lane.wait(options_.look_interval, stop);
    } else {
      flow::pause(next_pause, stop);
      next_pause = std::min(next_pause * 2, options_.longest_pause);
    }
  }
}

/// Returns whether it succeeded.
bool Copier::try_work(CopyLane& lane, const std::stop_token& stop) {
  try {
    note_success(lane, lane.work(stop));
    return true;
  } catch (const Error& error) {
    if (!stop.stop_requested()) {
      note_failure(lane, error);
    }
  } catch (const std::exception& error) {
    note_failure(lane, {ErrorKind::internal, error.what()});
  }
  return false;
}

void Copier::note_failure(const CopyLane& lane, const Error& error) {
  metrics_.failure(options_.name);
  const std::lock_guard lock(mutex_);
  const bool is_news = failing_.empty();
  failing_.insert(&lane);
  if (is_news) {
    log::warn("copy falls behind; it is tried again until it works",
              {{"repository", options_.name}, {"error", error.what()}});
  }
}

void Copier::note_success(const CopyLane& lane, const copies::CopyReport& report) {
  for (const Error& problem : report.problems) {
    note_problem(problem.what());
  }
  if (report.newer_in_target) {
    note_problem(fmt::format(
        "it has backup {}, which is newer than any in the primary repository; if that was lost, "
        "'keyrewind copy --from {} --to primary' brings it back",
        *report.newer_in_target, options_.name));
  }
  if (!lacks_since()) {
    metrics_.success(options_.name);
  }
  const std::lock_guard lock(mutex_);
  if (failing_.erase(&lane) != 0 && failing_.empty()) {
    log::info("copy has caught up", {{"repository", options_.name}});
  }
}

/// Each is said once.
void Copier::note_problem(const std::string& problem) {
  const std::lock_guard lock(mutex_);
  if (said_problems_.insert(problem).second) {
    metrics_.failure(options_.name);
    log::error("copy is not as it should be", {{"repository", options_.name}, {"error", problem}});
  }
}

std::optional<Timestamp> Copier::lacks_since() const {
  const auto log = log_.lacks_since();
  const auto backups = backups_.lacks_since();
  return log && backups ? std::min(log, backups) : log ? log : backups;
}

void Copier::tell_lag() {
  const std::lock_guard lock(telling_);
  const auto since = lacks_since();
  metrics_.lacks_since(options_.name, since);
  if (options_.lacks) {
    options_.lacks(since);
  }
}

}  // namespace keyrewind::daemon
