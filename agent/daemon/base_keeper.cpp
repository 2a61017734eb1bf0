#include "daemon/base_keeper.h"

#include "base/error.h"
#include "base/log.h"
#include "catalog/repository.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace keyrewind::daemon {

using std::chrono::milliseconds;

namespace {

const catalog::Origin kBase{.trigger = catalog::Trigger::base};

/// How long the log behind a final backup may take to be stored.
constexpr milliseconds kFinalPatience{120000};

}  // namespace

BaseKeeper::BaseKeeper(catalog::Catalog& catalog, const std::string& shard, EventNotes& events,
                       BackupDesk& desk, Tasks& tasks, ForkGuard& guard,
                       backup::DurablePoint& durable, metrics::AgentMetrics& metrics,
                       const Clock& clock, Ended ended)
    : catalog_(catalog),
      shard_(shard),
      events_(events),
      durable_(durable),
      metrics_(metrics),
      clock_(clock),
      desk_(desk),
      tasks_(tasks),
      guard_(guard),
      ended_(std::move(ended)),
      taker_(catalog, shard, durable, metrics, clock) {
  taker_.on_end([this] { desk_.wake(); });
}

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

BaseKeeper::Begun BaseKeeper::start(const replica::Shard& shard, const Options& options,
                                    const BackupWish& wish, SnapshotTaker::Target target,
                                    const std::stop_token& stop) {
  const bool is_final = wish.origin.trigger == catalog::Trigger::final;
  const replica::ReadFrom read_from =
      is_final ? replica::ReadFrom::primary : options.shard.read_from;
  const auto nodes = replica::choose_nodes(shard, read_from, std::nullopt);
  if (nodes.empty()) {
    throw Error(
        Side::source, ErrorKind::unavailable,
        fmt::format("no node that {} ({}) allows is healthy",
                    is_final ? "a final backup" : "read_from", replica::to_string(read_from)));
  }
  const ForkVerdict verdict = guard_.judge(nodes, options.shard.source, options.fork, stop);
  if (!verdict.node) {
    note_not_begun(verdict);
    if (verdict.decision.act == policy::SyncDecision::Act::refuse) {
      throw Error(Side::source, ErrorKind::unavailable, verdict.decision.sentence);
    }
    return Begun::not_now;
  }
  backup::BackupOptions backup;
  backup.source = replica::options_for(options.shard.source, *verdict.node);
  backup.pipeline = options.pipeline;
  backup.allow_plaintext = options.allow_plaintext;
  backup.origin = wish.origin;
  backup.labels = wish.labels;
  backup.decision = verdict.decision.sentence;
  backup.warnings = verdict.warnings;
  // One that nobody has asked for is a task, too.
  target.job = wish.job ? wish.job : tasks_.add(api::Task::Kind::backup, "");
  target.job->begin();
  metrics_.backups().begun(std::nullopt);
  taker_.start(std::move(backup), std::move(target));
  return Begun::yes;
}

void BaseKeeper::note_not_begun(const ForkVerdict& verdict) {
  if (guard_.was_news() && !lineage_.empty()) {
    const bool is_refused = verdict.decision.act == policy::SyncDecision::Act::refuse;
    events_.note(is_refused ? "full_sync_refused" : "full_sync_deferred", lineage_,
                 durable_.offset_of(lineage_), verdict.decision.sentence);
  }
}

Place BaseKeeper::begin_lineage(const replica::Shard& shard, const Options& options,
                                std::set<std::string> taken, std::stop_token stop) {
  const auto begun =
      start(shard, options, {.origin = kBase},
            {.lineage = std::nullopt, .taken = std::move(taken), .replid = {}}, stop);
  if (begun == Begun::not_now) {
    throw Error(Side::source, ErrorKind::unavailable,
                "a snapshot is needed, and no node may fork for it now");
  }
  desk_.begin_base();
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
  finish_final(shard, place);
  if (taker_.running() || final_) {
    return;
  }
  if (base_ == Base::unknown) {
    base_ = has_snapshot(catalog_, shard_, place.lineage, stop) ? Base::there : Base::missing;
    if (base_ == Base::there) {
      durable_.has_base(place.lineage);
    }
  }
  // What is asked for is also something for the log to begin with.
  if (desk_.waiting()) {
    serve(shard, options, place, stop);
    return;
  }
  if (base_ == Base::missing && may_sync(options, place, stop)) {
    const auto begun =
        start(shard, options, {.origin = kBase},
              {.lineage = place.lineage, .taken = {}, .replid = place.position.replid}, stop);
    if (begun == Begun::yes) {
      desk_.begin_base();
    }
  }
}

void BaseKeeper::serve(const replica::Shard& shard, const Options& options, const Place& place,
                       const std::stop_token& stop) {
  const auto wish = desk_.waiting();
  if (!wish) {
    return;
  }
  try {
    if (!wish->force && !may_sync(options, place, stop)) {
      return;
    }
    const auto begun =
        start(shard, options, *wish,
              {.lineage = place.lineage, .taken = {}, .replid = place.position.replid}, stop);
    if (begun == Begun::yes) {
      desk_.take();
    }
  } catch (const Error& error) {
    if (!stop.stop_requested()) {
      desk_.take();
      desk_.end();
      tell({.error = error,
            .backup = {},
            .lineage = {},
            .origin = wish->origin,
            .job = wish->job,
            .attempted = clock_.now()});
    }
  }
}

void BaseKeeper::note_outcome() {
  auto outcome = taker_.take_outcome();
  if (!outcome) {
    return;
  }
  // One that failed takes nothing away from a base that is there.
  if (outcome->lineage == lineage_ && (!outcome->error || base_ != Base::there)) {
    base_ = outcome->error ? Base::missing : Base::there;
  }
  if (!outcome->error && outcome->origin.trigger == catalog::Trigger::final) {
    final_ = Final{std::move(*outcome), std::chrono::steady_clock::now()};
    return;
  }
  desk_.end();
  tell(*outcome);
}

void BaseKeeper::finish_final(const replica::Shard& shard, const Place& place) {
  if (!final_) {
    return;
  }
  SnapshotTaker::Outcome& outcome = final_->outcome;
  const auto primary = std::ranges::find(shard.nodes, replica::ReplicationInfo::Role::primary,
                                         [](const replica::Node& node) { return node.info.role; });
  if (!outcome.final_offset && primary != shard.nodes.end() &&
      primary->info.position.replid == place.position.replid) {
    // Seen after the snapshot: whoever has stopped writing did so before that.
    outcome.final_offset = primary->info.position.offset;
    return;
  }
  const bool is_stored = outcome.final_offset && outcome.lineage == place.lineage &&
                         durable_.offset_of(place.lineage) >= *outcome.final_offset;
  if (!is_stored && std::chrono::steady_clock::now() - final_->since < kFinalPatience) {
    return;
  }
  if (!is_stored) {
    outcome.final_offset.reset();
    outcome.result->warnings.emplace_back(
        "the log behind this backup could not be stored to the primary's last offset in time");
  }
  desk_.end();
  tell(std::exchange(final_, std::nullopt)->outcome);
}

void BaseKeeper::tell(const SnapshotTaker::Outcome& outcome) {
  if (outcome.error && outcome.error->kind() != ErrorKind::cancelled) {
    log::warn("snapshot failed; the log goes on", {{"error", outcome.error->what()}});
  }
  if (ended_) {
    ended_(outcome);
  }
}

void BaseKeeper::stop() {
  taker_.stop();
  note_outcome();
  if (final_) {
    desk_.end();
    tell(std::exchange(final_, std::nullopt)->outcome);
  }
}

}  // namespace keyrewind::daemon
