#include "daemon/base_keeper.h"

#include "base/error.h"
#include "base/log.h"
#include "catalog/repository.h"

#include <fmt/format.h>

#include <utility>

namespace keyrewind::daemon {

using std::chrono::milliseconds;

BaseKeeper::BaseKeeper(catalog::Catalog& catalog, const std::string& shard, EventNotes& events,
                       backup::DurablePoint& durable, metrics::AgentMetrics& metrics,
                       const Clock& clock, std::function<void()> stored)
    : catalog_(catalog),
      shard_(shard),
      events_(events),
      durable_(durable),
      metrics_(metrics),
      clock_(clock),
      stored_(std::move(stored)),
      taker_(catalog, shard, durable, metrics, clock) {}

std::optional<milliseconds> BaseKeeper::since_last_sync(std::stop_token stop) const {
  if (const auto last = taker_.last_full_sync()) {
    return std::chrono::floor<milliseconds>(std::chrono::steady_clock::now() - *last);
  }
  if (catalog::inspect(catalog_.store(), stop) == catalog::Place::nothing) {
    return std::nullopt;
  }
  const auto last = last_backup(catalog_, stop);
  // A backup of the future is a clock that was set back: no reason to wait for it.
  if (!last || *last > clock_.now()) {
    return std::nullopt;
  }
  return clock_.now() - *last;
}

bool BaseKeeper::may_sync(const Options& options, const std::optional<Place>& place,
                          std::stop_token stop) {
  const auto since = since_last_sync(std::move(stop));
  const bool may = !since || *since >= options.min_interval;
  metrics_.full_sync_deferred(!may);
  const bool is_news = !std::exchange(deferred_, !may) && !may;
  if (is_news) {
    const milliseconds left = options.min_interval - *since;
    log::warn("full sync deferred by quotas.full_sync_min_interval",
              {{"seconds_left", left.count() / 1000}});
    if (place) {
      events_.note("full_sync_deferred", place->lineage, place->position.offset,
                   fmt::format("a snapshot is missing, and the last full sync is only {} old; the "
                               "next may be in {}",
                               to_human(*since), to_human(left)));
    }
  }
  return may;
}

void BaseKeeper::start(const replica::Shard& shard, const Options& options,
                       SnapshotTaker::Target target) {
  const auto nodes = replica::choose_nodes(shard, options.shard.read_from, std::nullopt);
  if (nodes.empty()) {
    throw Error(Side::source, ErrorKind::unavailable,
                fmt::format("no node that read_from ({}) allows is healthy",
                            replica::to_string(options.shard.read_from)));
  }
  backup::BackupOptions backup;
  backup.source = replica::options_for(options.shard.source, nodes.front().address);
  backup.pipeline = options.pipeline;
  backup.allow_plaintext = options.allow_plaintext;
  backup.origin = {.trigger = catalog::Trigger::base};
  taker_.start(std::move(backup), std::move(target));
}

Place BaseKeeper::begin_lineage(const replica::Shard& shard, const Options& options,
                                std::set<std::string> taken, std::stop_token stop) {
  start(shard, options, {.lineage = std::nullopt, .taken = std::move(taken), .replid = {}});
  return taker_.wait_for_place(std::move(stop));
}

void BaseKeeper::follow(const Place& place) {
  lineage_ = place.lineage;
  base_ = place.has_base ? Base::there : Base::unknown;
  if (place.has_base) {
    durable_.has_base(place.lineage);
  }
}

void BaseKeeper::see_to_it(const replica::Shard& shard, const Options& options, const Place& place,
                           std::stop_token stop) {
  note_outcome();
  if (taker_.running()) {
    return;
  }
  if (base_ == Base::unknown) {
    base_ = has_snapshot(catalog_, shard_, place.lineage, stop) ? Base::there : Base::missing;
    if (base_ == Base::there) {
      durable_.has_base(place.lineage);
    }
  }
  if (base_ == Base::missing && may_sync(options, place, stop)) {
    start(shard, options, {.lineage = place.lineage, .taken = {}, .replid = place.position.replid});
  }
}

void BaseKeeper::note_outcome() {
  const auto outcome = taker_.take_outcome();
  if (!outcome || (outcome->error && outcome->error->kind() == ErrorKind::cancelled)) {
    return;
  }
  if (outcome->error) {
    log::warn("snapshot failed; the log goes on", {{"error", outcome->error->what()}});
  } else if (stored_) {
    stored_();
  }
  if (outcome->lineage == lineage_) {
    base_ = outcome->error ? Base::missing : Base::there;
  }
}

}  // namespace keyrewind::daemon
