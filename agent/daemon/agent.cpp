#include "daemon/agent.h"

#include "backup/durable_point.h"
#include "backup/log_merge.h"
#include "backup/log_shipper.h"
#include "backup/log_tail.h"
#include "base/error.h"
#include "base/log.h"
#include "base/random.h"
#include "catalog/catalog.h"
#include "catalog/log.h"
#include "catalog/repository.h"
#include "daemon/hop_judge.h"
#include "daemon/place.h"
#include "daemon/snapshot_taker.h"
#include "flow/background.h"
#include "flow/group.h"
#include "replica/log_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <utility>
#include <vector>

namespace keyrewind::daemon {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// A source that is no cluster has this one shard.
const std::string kShard = "0";

constexpr milliseconds kFirstPause{100};
constexpr milliseconds kLongestPause{10000};

/// A stream that is malformed at the same offset so often is not going to get better.
constexpr int kMalformedTries = 3;

/// Waits, unless stopped.
void pause(milliseconds duration, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any nobody;
  std::unique_lock lock(mutex);
  nobody.wait_for(lock, stop, duration, [] { return false; });
}

}  // namespace

class Agent::Work {
 public:
  Work(store::ObjectStore& store, AgentOptions options, metrics::AgentMetrics& metrics,
       const Clock& clock)
      : store_(store),
        metrics_(metrics),
        clock_(clock),
        options_(std::move(options)),
        catalog_(store, options_.source),
        spool_(options_.spool, options_.source, kShard),
        shipper_(store, spool_, durable_,
                 {.source = options_.source,
                  .shard = kShard,
                  .compression_level = options_.pipeline.compression_level},
                 metrics, clock),
        snapshots_(catalog_, kShard, clock) {
    reload(options_);
    if (const auto tail = spool_.tail()) {
      place_ = Place{tail->lineage, tail->position, tail->database};
    }
    shipper_.on_break([this](const std::string& lineage) { give_up_place(lineage); });
  }

  void run(const std::stop_token& stop) {
    std::stop_source end;
    const std::stop_callback on_stop(stop, [&] { end.request_stop(); });
    std::stop_source workers_end;
    flow::Group workers(workers_end.get_token());
    const auto spawn = [&](const char* name, auto body) {
      workers.spawn(name, [&end, body](const std::stop_token& token) {
        try {
          body(token);
        } catch (const Error& error) {
          if (error.kind() != ErrorKind::cancelled) {
            end.request_stop();
            throw;
          }
        }
      });
    };
    spawn("ship", [this](const std::stop_token& token) { shipper_.run(token); });
    spawn("merge", [this](const std::stop_token& token) { merge_for_ever(token); });
    attach_for_ever(end.get_token());
    snapshots_.stop();
    const bool orderly = stop.stop_requested();
    const bool shipped = orderly && spool_.wait_until_shipped(current_options().shutdown_patience);
    workers_end.request_stop();
    workers.wait();
    if (orderly && !shipped) {
      throw Error(Side::repository, ErrorKind::unavailable,
                  fmt::format("{} of log could not be stored before the end; they stay in the "
                              "spool for the next start",
                              spool_.bytes()));
    }
    log::info("agent stopped", {{"offset", received_.load()}});
  }

  void reload(const AgentOptions& options) {
    sealing_.max_age = options.segment_max_age;
    sealing_.max_bytes = options.segment_max_bytes;
    spool_.set_max_bytes(options.spool.max_bytes);
    const std::lock_guard lock(mutex_);
    options_.shard = options.shard;
    options_.full_sync_min_interval = options.full_sync_min_interval;
  }

 private:
  AgentOptions current_options() const {
    const std::lock_guard lock(mutex_);
    return options_;
  }

  /// The control loop: everything that fails is tried again, with growing pauses.
  void attach_for_ever(const std::stop_token& stop) {
    milliseconds next_pause = kFirstPause;
    std::string last_failure;
    while (!stop.stop_requested()) {
      try {
        attach_once(stop);
        next_pause = kFirstPause;
        last_failure.clear();
        continue;
      } catch (const Error& error) {
        if (stop.stop_requested()) {
          return;
        }
        if (error.side() == Side::here && error.kind() == ErrorKind::config) {
          throw;
        }
        if (std::exchange(last_failure, error.what()) != error.what()) {
          log::warn("log not attached", {{"error", error.what()}});
        }
      }
      if (std::exchange(was_attached_, false)) {
        next_pause = kFirstPause;
      }
      pause(next_pause, stop);
      next_pause = std::min(next_pause * 2, kLongestPause);
    }
  }

  /// Attaches where the log can go on, and reads it until that ends; or begins a new lineage.
  void attach_once(const std::stop_token& stop) {
    const AgentOptions options = current_options();
    const std::vector<Place> places = find_places(stop);
    const replica::Shard shard = replica::find_nodes(options.shard, stop);
    for (const Place& place : places) {
      for (const replica::Node& node :
           replica::choose_nodes(shard, options.shard.read_from, place.position)) {
        const auto source = replica::options_for(options.shard.source, node.address);
        if (const auto stream = replica::LogStream::attach(source, place.position, stop)) {
          refused_since_.reset();
          follow(*stream, place, node.address, stop);
          return;
        }
      }
    }
    if (!places.empty()) {
      wait_for_better_nodes(shard, places.front(), options);
    }
    begin_lineage(shard, places, options, stop);
  }

  /// Where this process knows that the log ends, else what the spool or the repository say.
  std::vector<Place> find_places(const std::stop_token& stop) {
    {
      const std::lock_guard lock(mutex_);
      if (place_) {
        return {*place_};
      }
      if (abandoned_) {
        return {};
      }
    }
    return places_in_repository(catalog_, kShard, stop);
  }

  /// Throws while some node that may not be read, or does not answer, could still have the log.
  void wait_for_better_nodes(const replica::Shard& shard, const Place& place,
                             const AgentOptions& options) {
    const auto any = std::ranges::find_if(shard.nodes, [&](const replica::Node& node) {
      return !node.info.position.replid.empty() && replica::can_continue(node.info, place.position);
    });
    if (any != shard.nodes.end()) {
      throw Error(Side::source, ErrorKind::unavailable,
                  fmt::format("only {} can continue the log, which read_from ({}) does not allow",
                              replica::to_string(any->address),
                              replica::to_string(options.shard.read_from)));
    }
    const bool one_is_behind = std::ranges::any_of(shard.nodes, [&](const replica::Node& node) {
      return node.info.position.replid == place.position.replid &&
             (node.info.syncing || !node.info.link_up ||
              node.info.position.offset < place.position.offset);
    });
    if (shard.problems.empty() && !one_is_behind) {
      return;
    }
    const auto now = steady_clock::now();
    if (!refused_since_) {
      refused_since_ = now;
    }
    if (now - *refused_since_ < options.node_patience) {
      throw Error(Side::source, ErrorKind::unavailable,
                  shard.problems.empty()
                      ? "no node can continue the log at present; waiting for one that may"
                      : shard.problems.front());
    }
  }

  /// Reads the log from `stream` until it is lost, or another node is better, or `stop`.
  void follow(replica::LogStream& stream, const Place& place, const replica::Address& node,
              const std::stop_token& stop) {
    note_attached(stream, place, node);
    std::stop_source tail_end;
    const std::stop_callback on_stop(stop, [&] { tail_end.request_stop(); });
    NodeFault fault = NodeFault::none;
    backup::TailEnd end = backup::TailEnd::stopped;
    {
      flow::Group watcher({});
      watcher.spawn("watch", [&](const std::stop_token& token) {
        try {
          fault = watch(node, place, token);
        } catch (const Error&) {
          // Only being stopped ends it so.
        }
        if (fault != NodeFault::none || is_given_up()) {
          tail_end.request_stop();
        }
      });
      const backup::TailStart start{.lineage = place.lineage,
                                    .position = place.position,
                                    .database = place.database,
                                    .resumed = !place.fresh,
                                    .node = replica::to_string(node)};
      try {
        end = backup::tail_log(stream, start, spool_, sealing_, durable_, received_, metrics_,
                               clock_, tail_end.get_token());
      } catch (const Error& error) {
        remember_place();
        note_lost(error);
        throw;
      }
    }
    remember_place();
    if (stop.stop_requested()) {
      metrics_.detached(metrics::Detachment::stopped);
      return;
    }
    switch (end) {
      case backup::TailEnd::spool_full:
        return let_spool_drain(stop);
      case backup::TailEnd::spool_slow:
        metrics_.detached(metrics::Detachment::spool_slow);
        throw Error(ErrorKind::failed,
                    "the disk of log.spool.dir takes nothing; the server is "
                    "left alone until it does");
      case backup::TailEnd::stopped:
        break;
    }
    if (fault != NodeFault::none) {
      metrics_.detached(metrics::Detachment::hop);
      metrics_.hop();
      log::info("log hops to another node", {{"from", replica::to_string(node)},
                                             {"reason", to_string(fault)},
                                             {"offset", received_.load()}});
    }
  }

  void note_attached(const replica::LogStream& stream, const Place& place,
                     const replica::Address& node) {
    was_attached_ = true;
    const bool failover = stream.replid() != place.position.replid;
    metrics_.attached();
    if (failover) {
      metrics_.failover();
    }
    {
      const std::lock_guard lock(mutex_);
      needs_snapshot_ = !place.fresh && !place.has_base ? Needs::unknown : Needs::no;
    }
    log::info("log attached", {{"node", replica::to_string(node)},
                               {"lineage", place.lineage},
                               {"offset", place.position.offset},
                               {"failover", failover}});
  }

  void note_lost(const Error& error) {
    metrics_.detached(reason_of(error));
    if (error.kind() != ErrorKind::protocol) {
      malformed_tries_ = 0;
      return;
    }
    const std::lock_guard lock(mutex_);
    if (++malformed_tries_ >= kMalformedTries) {
      malformed_tries_ = 0;
      log::error("the stream is malformed at the same place again; it needs a new snapshot",
                 {{"error", error.what()}});
      lost_place_ = std::exchange(place_, std::nullopt);
      abandoned_ = true;
    }
  }

  /// Takes over where the spool ends: from there the log goes on.
  void remember_place() {
    const auto tail = spool_.tail();
    const std::lock_guard lock(mutex_);
    if (tail && !given_up_) {
      const bool has_base = place_ && place_->lineage == tail->lineage && place_->has_base;
      place_ = Place{.lineage = tail->lineage,
                     .position = tail->position,
                     .database = tail->database,
                     .has_base = has_base};
    }
    given_up_ = false;
  }

  /// Called by the shipper: what the spool has does not follow what the repository has.
  void give_up_place(const std::string& lineage) {
    const std::lock_guard lock(mutex_);
    if (!place_ || place_->lineage == lineage) {
      place_.reset();
      given_up_ = true;
    }
  }

  bool is_given_up() const {
    const std::lock_guard lock(mutex_);
    return given_up_;
  }

  static metrics::Detachment reason_of(const Error& error) {
    if (error.side() == Side::here) {
      return metrics::Detachment::spool_failed;
    }
    return error.kind() == ErrorKind::protocol ? metrics::Detachment::bad_stream
                                               : metrics::Detachment::link_lost;
  }

  /// At the bound of the spool the server is left alone until half of it is free.
  void let_spool_drain(const std::stop_token& stop) {
    metrics_.detached(metrics::Detachment::spool_full);
    log::error("spool is full; log detached until the repository takes it",
               {{"spool_bytes", spool_.bytes()}, {"max_bytes", spool_.max_bytes()}});
    note_event("detached", "the spool was full, since the repository did not take the log");
    while (!stop.stop_requested() && spool_.bytes() > spool_.max_bytes() / 2) {
      pause(milliseconds(200), stop);
    }
  }

  /// Looks at the shard every few seconds: whether to hop, and whether a snapshot is missing.
  NodeFault watch(const replica::Address& node, const Place& place, const std::stop_token& stop) {
    AgentOptions options = current_options();
    HopJudge judge(node, options.shard.read_from);
    while (!stop.stop_requested()) {
      see_to_snapshot(place, options, stop);
      pause(options.watch_interval, stop);
      if (stop.stop_requested() || is_given_up()) {
        return NodeFault::none;
      }
      options = current_options();
      try {
        const replica::Shard shard = replica::find_nodes(options.shard, stop);
        const NodeFault fault = judge.consider(shard, {place.position.replid, received_.load()});
        if (fault != NodeFault::none) {
          return fault;
        }
      } catch (const Error& error) {
        log::debug("shard not looked at", {{"error", error.what()}});
      }
    }
    return NodeFault::none;
  }

  /// Takes a snapshot if the lineage has none, and again if that failed, under the floor.
  void see_to_snapshot(const Place& place, const AgentOptions& options,
                       const std::stop_token& stop) {
    if (const auto outcome = snapshots_.take_outcome()) {
      note_outcome(*outcome);
    }
    if (snapshots_.running()) {
      return;
    }
    try {
      if (needs_snapshot() == Needs::unknown) {
        set_needs(has_snapshot(catalog_, kShard, place.lineage, stop) ? Needs::no : Needs::yes);
      }
      if (needs_snapshot() != Needs::yes || !may_sync_fully(options, stop)) {
        return;
      }
      const replica::Shard shard = replica::find_nodes(options.shard, stop);
      start_snapshot(shard, options, {.lineage = place.lineage, .taken = {}});
    } catch (const Error& error) {
      if (stop.stop_requested()) {
        throw;
      }
      log::debug("snapshot not begun", {{"error", error.what()}});
    }
  }

  void note_outcome(const SnapshotTaker::Outcome& outcome) {
    if (!outcome.error) {
      set_needs(Needs::no);
      return;
    }
    if (outcome.error->kind() == ErrorKind::cancelled) {
      return;
    }
    set_needs(Needs::yes);
    log::warn("snapshot failed; the log goes on", {{"error", outcome.error->what()}});
  }

  void start_snapshot(const replica::Shard& shard, const AgentOptions& options,
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
    {
      const std::lock_guard lock(mutex_);
      last_full_sync_ = steady_clock::now();
    }
    metrics_.full_sync();
    snapshots_.start(std::move(backup), std::move(target));
  }

  /// The floor between two full syncs of the shard, those of earlier processes included.
  bool may_sync_fully(const AgentOptions& options, const std::stop_token& stop) {
    std::optional<milliseconds> since;
    {
      const std::lock_guard lock(mutex_);
      if (last_full_sync_) {
        since = std::chrono::floor<milliseconds>(steady_clock::now() - *last_full_sync_);
      }
    }
    if (!since) {
      if (const auto last = last_backup_in_repository(stop)) {
        since = clock_.now() - *last;
      }
    }
    // A backup of the future is a clock that was set back: no reason to wait for it.
    const bool may = !since || *since < milliseconds(0) || *since >= options.full_sync_min_interval;
    metrics_.full_sync_deferred(!may);
    const bool is_new = !std::exchange(deferred_, !may) && !may;
    if (is_new) {
      log::warn("full sync deferred by quotas.full_sync_min_interval",
                {{"seconds_left", (options.full_sync_min_interval - *since).count() / 1000}});
      note_event("full_sync_deferred", "a snapshot is missing, and the last one was too recent");
    }
    return may;
  }

  std::optional<Timestamp> last_backup_in_repository(const std::stop_token& stop) {
    if (catalog::inspect(store_, stop) == catalog::Place::nothing) {
      return std::nullopt;
    }
    return last_backup(catalog_, stop);
  }

  /// No node has the log any more, or there never was one: a snapshot, and the log from there.
  void begin_lineage(const replica::Shard& shard, const std::vector<Place>& lost,
                     const AgentOptions& options, const std::stop_token& stop) {
    if (!may_sync_fully(options, stop)) {
      pause(milliseconds(1000), stop);
      return;
    }
    std::set<std::string> taken;
    for (const Place& place : lost) {
      taken.insert(place.lineage);
    }
    std::optional<Place> before;
    {
      const std::lock_guard lock(mutex_);
      before = lost.empty() ? lost_place_ : std::optional(lost.front());
      if (lost_place_) {
        taken.insert(lost_place_->lineage);
      }
    }
    start_snapshot(shard, options, {.lineage = std::nullopt, .taken = taken});
    Place place = snapshots_.wait_for_place(stop);
    if (before) {
      note_gap(*before, place);
    }
    refused_since_.reset();
    const std::lock_guard lock(mutex_);
    place.has_base = true;
    place_ = place;
    lost_place_.reset();
    abandoned_ = false;
  }

  void note_gap(const Place& before, const Place& after) {
    metrics_.gap();
    const std::string detail = fmt::format(
        "no server has the stream from offset {} of {} any more; lineage {} begins at offset {}",
        before.position.offset, before.position.replid, after.lineage, after.position.offset);
    log::error("gap in the log: a new lineage begins", {{"lineage", before.lineage},
                                                        {"offset", before.position.offset},
                                                        {"new_lineage", after.lineage},
                                                        {"new_offset", after.position.offset}});
    note_event_of(before.lineage, before.position.offset, "gap", detail);
  }

  /// An event at the present end of the log.
  void note_event(const std::string& kind, const std::string& detail) {
    std::optional<Place> place;
    {
      const std::lock_guard lock(mutex_);
      place = place_ ? place_ : lost_place_;
    }
    if (place) {
      note_event_of(place->lineage, place->position.offset, kind, detail);
    }
  }

  void note_event_of(const std::string& lineage, std::int64_t offset, const std::string& kind,
                     const std::string& detail) {
    const Timestamp now = clock_.now();
    try {
      spool_.note({.id = to_compact(now) + "-" + random_hex(3),
                   .kind = kind,
                   .lineage = lineage,
                   .offset = offset,
                   .at = now,
                   .detail = detail});
    } catch (const Error& error) {
      log::error("event not kept", {{"kind", kind}, {"error", error.what()}});
    }
  }

  void merge_for_ever(const std::stop_token& stop) {
    flow::work_in_background();
    while (!stop.stop_requested()) {
      const AgentOptions options = current_options();
      pause(options.merge_interval, stop);
      // Only the agent that ships may merge, and it has shipped once it holds the lock.
      if (stop.stop_requested() || !shipper_.working()) {
        continue;
      }
      try {
        const std::size_t merges =
            backup::merge_log(store_,
                              {.source = options.source,
                               .shard = kShard,
                               .compression_level = options.pipeline.compression_level,
                               .max_bytes = options.segment_max_bytes},
                              stop);
        for (std::size_t i = 0; i < merges; ++i) {
          metrics_.segments_merged();
        }
      } catch (const Error& error) {
        if (!stop.stop_requested()) {
          log::warn("segments not merged", {{"error", error.what()}});
        }
      }
    }
  }

  enum class Needs { no, yes, unknown };
  Needs needs_snapshot() const {
    const std::lock_guard lock(mutex_);
    return needs_snapshot_;
  }
  void set_needs(Needs needs) {
    const std::lock_guard lock(mutex_);
    needs_snapshot_ = needs;
  }

  store::ObjectStore& store_;
  metrics::AgentMetrics& metrics_;
  const Clock& clock_;

  mutable std::mutex mutex_;  ///< Guards options_ and what says so below.
  AgentOptions options_;
  std::optional<Place> place_;        ///< Where the log goes on, once known. Guarded.
  std::optional<Place> lost_place_;   ///< Where it ended for good. Guarded.
  bool given_up_ = false;             ///< The shipper wants another place. Guarded.
  bool abandoned_ = false;            ///< The stream at the last place is malformed. Guarded.
  Needs needs_snapshot_ = Needs::no;  // Guarded.
  std::optional<steady_clock::time_point> last_full_sync_;  // Guarded.

  // Of the control loop.
  std::optional<steady_clock::time_point> refused_since_;
  bool was_attached_ = false;
  int malformed_tries_ = 0;

  bool deferred_ = false;  ///< Of whoever asks may_sync_fully: the control loop or the watcher.

  catalog::Catalog catalog_;
  backup::Spool spool_;
  backup::DurablePoint durable_;
  backup::SealingOptions sealing_;
  std::atomic<std::int64_t> received_{0};  ///< The offset that reading has come to.
  backup::LogShipper shipper_;
  SnapshotTaker snapshots_;
};

Agent::Agent(store::ObjectStore& store, AgentOptions options, metrics::AgentMetrics& metrics,
             const Clock& clock)
    : work_(std::make_unique<Work>(store, std::move(options), metrics, clock)) {}

Agent::~Agent() = default;

void Agent::run(std::stop_token stop) {
  work_->run(stop);
}

void Agent::reload(const AgentOptions& options) {
  work_->reload(options);
}

}  // namespace keyrewind::daemon
