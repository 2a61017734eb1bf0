#include "daemon/snapshot_taker.h"

#include "base/progress.h"
#include "catalog/log.h"

#include <utility>

namespace keyrewind::daemon {

SnapshotTaker::SnapshotTaker(catalog::Catalog& catalog, const std::string& shard,
                             backup::DurablePoint& durable, metrics::AgentMetrics& metrics,
                             const Clock& clock)
    : catalog_(catalog), shard_(shard), durable_(durable), metrics_(metrics), clock_(clock) {}

SnapshotTaker::~SnapshotTaker() {
  stop();
}

void SnapshotTaker::start(backup::BackupOptions options, Target target) {
  stop();
  {
    const std::lock_guard lock(mutex_);
    running_ = true;
    place_.reset();
    failure_.reset();
    outcome_.reset();
  }
  thread_ = std::jthread([this, options = std::move(options), target = std::move(target)](
                             const std::stop_token& stop) { take(options, target, stop); });
}

void SnapshotTaker::take(backup::BackupOptions options, const Target& target,
                         const std::stop_token& stop) {
  Outcome outcome{.origin = options.origin, .job = target.job, .attempted = clock_.now()};
  std::stop_source end;
  const std::stop_callback on_stop(stop, [&] { end.request_stop(); });
  const std::stop_callback on_cancel(target.job ? target.job->stop_token() : std::stop_token(),
                                     [&] { end.request_stop(); });
  options.on_position = [&](const replica::Position& position) {
    outcome.lineage = on_position(target, position, end.get_token());
    return outcome.lineage;
  };
  Progress unseen;
  Progress& progress = target.job ? target.job->progress() : unseen;
  try {
    outcome.result = backup::take_backup(catalog_, options, clock_, progress, end.get_token());
    outcome.backup = outcome.result->commit.id;
    if (!target.lineage || *target.lineage == outcome.lineage) {
      durable_.has_base(outcome.lineage);
    }
  } catch (const Error& error) {
    outcome.error = error;
  } catch (const std::exception& error) {
    outcome.error = Error(ErrorKind::internal, error.what());
  }
  {
    const std::lock_guard lock(mutex_);
    running_ = false;
    failure_ = outcome.error;
    outcome_ = std::move(outcome);
    changed_.notify_all();
  }
  if (ended_) {
    ended_();
  }
}

std::string SnapshotTaker::on_position(const Target& target, const replica::Position& position,
                                       const std::stop_token& stop) {
  metrics_.full_sync();
  {
    const std::lock_guard lock(mutex_);
    last_full_sync_ = std::chrono::steady_clock::now();
  }
  // A server that was replaced meanwhile has another history.
  const bool belongs = target.lineage && position.replid == target.replid;
  std::string id = belongs ? *target.lineage : "";
  if (!belongs) {
    const auto logs = catalog::list_logs(catalog_.store(), catalog_.source(), shard_, stop);
    id = catalog::lineage_id(position.replid, position.offset, [&](const std::string& other) {
      return logs.contains(other) || target.taken.contains(other);
    });
  }
  const std::lock_guard lock(mutex_);
  place_ = Place{.lineage = id, .position = position, .database = {}, .fresh = !belongs};
  changed_.notify_all();
  return id;
}

bool SnapshotTaker::running() const {
  const std::lock_guard lock(mutex_);
  return running_;
}

Place SnapshotTaker::wait_for_place(std::stop_token stop) const {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, stop, [&] { return place_ || !running_; });
  if (stop.stop_requested()) {
    throw Error(ErrorKind::cancelled, "stopped");
  }
  if (!place_) {
    throw failure_.value_or(Error(ErrorKind::internal, "a snapshot without a position"));
  }
  return *place_;
}

std::optional<SnapshotTaker::Outcome> SnapshotTaker::take_outcome() {
  const std::lock_guard lock(mutex_);
  return std::exchange(outcome_, std::nullopt);
}

std::optional<std::chrono::steady_clock::time_point> SnapshotTaker::last_full_sync() const {
  const std::lock_guard lock(mutex_);
  return last_full_sync_;
}

void SnapshotTaker::stop() {
  if (thread_.joinable()) {
    thread_.request_stop();
    thread_.join();
  }
}

}  // namespace keyrewind::daemon
