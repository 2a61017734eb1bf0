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
                       BackupDesk& desk, Tasks& tasks, ForkGuard& guard, Observations& seen,
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
      seen_(seen),
      ended_(std::move(ended)),
      taker_(catalog, shard, durable, metrics, clock) {
  taker_.on_end([this] { desk_.wake(); });
}

/// Of whichever run, this one's failures included.
std::optional<Timestamp> BaseKeeper::last_sync(std::stop_token stop) const {
  if (const auto last = taker_.last_full_sync()) {
    return clock_.now() -
           std::chrono::floor<milliseconds>(std::chrono::steady_clock::now() - *last);
  }
  if (catalog::inspect(catalog_.store(), stop) == catalog::Place::nothing) {
    return std::nullopt;
  }
  return last_backup(catalog_, stop);
}

/// Begins a backup, unless the verdict, which it returns, has no node.
ForkVerdict BaseKeeper::start(const replica::Shard& shard, const Options& options,
                              const BackupWish& wish, const std::optional<Place>& place,
                              SnapshotTaker::Target target, const std::stop_token& stop) {
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
  const ForkVerdict verdict = guard_.judge(
      nodes, options.shard.source, options.fork,
      {.last_sync = last_sync(stop), .min_interval = options.min_interval, .force = wish.force},
      stop);
  metrics_.full_sync_deferred(!verdict.node);
  if (!verdict.node) {
    note_not_begun(verdict, place);
    return verdict;
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
  return verdict;
}

void BaseKeeper::note_not_begun(const ForkVerdict& verdict, const std::optional<Place>& place) {
  if (guard_.was_news() && place) {
    const bool is_refused = verdict.decision.act == policy::SyncDecision::Act::refuse;
    events_.note(is_refused ? "full_sync_refused" : "full_sync_deferred", place->lineage,
                 place->position.offset, verdict.decision.sentence);
  }
}

/// Tells whether what is written now can be restored. If not, and no snapshot is on its way,
/// `why_not` says why.
void BaseKeeper::note_protection(const std::string& why_not) {
  const bool is_protected = base_ == Base::there;
  const bool is_running = taker_.running();
  metrics_.unprotected(!is_protected);
  const Timestamp now = clock_.now();
  seen_.change([&](Observations::Seen& seen) {
    if (is_protected) {
      seen.unprotected.reset();
      return;
    }
    const Timestamp since = seen.unprotected ? seen.unprotected->since : now;
    seen.unprotected = {.since = since,
                        .why = is_running ? "the snapshot that it needs is being taken" : why_not,
                        .snapshot_running = is_running};
  });
}

std::optional<Place> BaseKeeper::begin_lineage(const replica::Shard& shard, const Options& options,
                                               const std::optional<Place>& before,
                                               std::set<std::string> taken, std::stop_token stop) {
  base_ = Base::missing;
  const auto verdict =
      start(shard, options, {.origin = kBase}, before,
            {.lineage = std::nullopt, .taken = std::move(taken), .replid = {}}, stop);
  note_protection(verdict.decision.sentence);
  if (!verdict.node) {
    return std::nullopt;
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
  std::string why_not = "the snapshot that it needs has not begun yet";
  // What is asked for is also something for the log to begin with.
  if (desk_.waiting()) {
    serve(shard, options, place, stop);
  } else if (base_ == Base::missing) {
    note_protection(why_not);
    const auto verdict =
        start(shard, options, {.origin = kBase}, place,
              {.lineage = place.lineage, .taken = {}, .replid = place.position.replid}, stop);
    why_not = verdict.decision.sentence;
    if (verdict.node) {
      desk_.begin_base();
    }
  }
  note_protection(why_not);
}

void BaseKeeper::serve_desk(const replica::Shard& shard, const Options& options,
                            std::stop_token stop) {
  note_outcome();
  if (!taker_.running()) {
    serve(shard, options, std::nullopt, stop);
  }
}

void BaseKeeper::serve(const replica::Shard& shard, const Options& options,
                       const std::optional<Place>& place, const std::stop_token& stop) {
  const auto wish = desk_.waiting();
  if (!wish) {
    return;
  }
  try {
    SnapshotTaker::Target target;
    if (place) {
      target = {.lineage = place->lineage, .taken = {}, .replid = place->position.replid};
    }
    const auto verdict = start(shard, options, *wish, place, std::move(target), stop);
    if (verdict.decision.act == policy::SyncDecision::Act::refuse) {
      throw Error(Side::source, ErrorKind::unavailable, verdict.decision.sentence);
    }
    if (verdict.node) {
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
  const bool is_final = !outcome->error && outcome->origin.trigger == catalog::Trigger::final;
  if (is_final && lineage_.empty()) {
    outcome->result->warnings.emplace_back(
        "no log is stored, so writes after this snapshot are not in the repository; see to it that "
        "there were none");
  } else if (is_final) {
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
  metrics_.unprotected(false);
  seen_.change([](Observations::Seen& seen) { seen.unprotected.reset(); });
  if (final_) {
    desk_.end();
    tell(std::exchange(final_, std::nullopt)->outcome);
  }
}

}  // namespace keyrewind::daemon
