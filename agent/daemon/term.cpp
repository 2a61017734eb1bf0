#include "daemon/term.h"

#include "backup/durable_point.h"
#include "backup/log_merge.h"
#include "backup/log_shipper.h"
#include "backup/log_tail.h"
#include "base/error.h"
#include "base/log.h"
#include "catalog/catalog.h"
#include "catalog/log_runs.h"
#include "catalog/repository.h"
#include "daemon/base_keeper.h"
#include "daemon/event_notes.h"
#include "daemon/hop_judge.h"
#include "daemon/place.h"
#include "daemon/shard_view.h"
#include "flow/background.h"
#include "flow/group.h"
#include "flow/pause.h"
#include "replica/log_stream.h"
#include "replica/server_figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

namespace keyrewind::daemon {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kFirstPause{100};
constexpr milliseconds kLongestPause{10000};
constexpr milliseconds kSnapshotPause{2000};  ///< Before a full sync is asked for again.

/// How long the thread that decides may be without a beat: an attempt asks a repository and several
/// nodes, each of which may take as long as it is tried again.
constexpr std::chrono::minutes kLongestAttempt{10};
constexpr std::chrono::seconds kLongestTurn{20};

/// How often the node that is read is asked for memory and keys.
constexpr std::chrono::seconds kFiguresInterval{60};

/// How often pages are written of the log, which takes a thousand segments each.
constexpr std::chrono::hours kPagesInterval{1};

/// A stream that is malformed at the same offset so often is not going to get better.
constexpr int kMalformedTries = 3;

/// How long somebody who wants a backup is let hope that one can be begun.
constexpr milliseconds kBackupPatience = std::chrono::minutes(15);
constexpr milliseconds kDetachedPatience = std::chrono::minutes(1);

/// Where the log goes on, as the control loop and the shipper agree on it. Any thread.
class CurrentPlace {
 public:
  std::optional<Place> get() const {
    const std::lock_guard lock(mutex_);
    return place_;
  }

  void set(Place place) {
    const std::lock_guard lock(mutex_);
    place_ = std::move(place);
    given_up_ = false;
  }

  /// The log has been read on to `tail`; nothing, if the place was given up meanwhile.
  void advance(const backup::Spool::Tail& tail) {
    const std::lock_guard lock(mutex_);
    if (std::exchange(given_up_, false)) {
      return;
    }
    const bool has_base = place_ && place_->lineage == tail.lineage && place_->has_base;
    place_ = Place{.lineage = tail.lineage,
                   .position = tail.position,
                   .database = tail.database,
                   .has_base = has_base};
  }

  /// What the spool has does not follow what the repository has: that decides.
  void give_up(const std::string& lineage) {
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

 private:
  mutable std::mutex mutex_;
  std::optional<Place> place_;
  bool given_up_ = false;
};

metrics::Detachment reason_of(const Error& error) {
  if (error.side() == Side::here) {
    return metrics::Detachment::spool_failed;
  }
  return error.kind() == ErrorKind::protocol ? metrics::Detachment::bad_stream
                                             : metrics::Detachment::link_lost;
}

}  // namespace

class Term::Work {
 public:
  Work(const TermContext& context, AgentOptions options)
      : store_(context.store),
        spool_(context.spool),
        events_(context.events),
        lease_(context.lease),
        metrics_(context.metrics),
        clock_(context.clock),
        desk_(context.desk),
        seen_(context.seen),
        backup_ended_(context.backup_ended),
        on_gap_(context.gap),
        options_(std::move(options)),
        catalog_(store_, options_.source),
        shipper_(store_, spool_, durable_,
                 {.source = options_.source,
                  .shard = kOnlyShard,
                  .compression_level = options_.pipeline.compression_level,
                  .allow_plaintext = options_.allow_plaintext,
                  .lease = lease_,
                  .stored = context.log_stored,
                  .durable =
                      [this](Timestamp arrived) {
                        seen_.change([&](auto& seen) { seen.durable_arrived = arrived; });
                      }},
                 metrics_, clock_),
        bases_(catalog_, kOnlyShard, events_, desk_, context.tasks, context.guard, seen_, durable_,
               metrics_, clock_, context.backup_ended) {
    reload(options_);
    shipper_.on_break([this](const std::string& lineage) { place_.give_up(lineage); });
  }

  End run(const std::stop_token& stop) {
    std::stop_source end;
    const std::stop_callback on_stop(stop, [&] { end.request_stop(); });
    std::stop_source workers_end;
    flow::Group workers(workers_end.get_token());
    // A worker that fails for good ends the whole.
    const auto spawn = [&](const char* name, auto body) {
      workers.spawn(name, [&end, body](const std::stop_token& token) {
        try {
          body(token);
        } catch (const Error& error) {
          if (error.kind() != ErrorKind::cancelled) {
            end.request_stop();
            throw;
          }
        } catch (...) {
          end.request_stop();
          throw;
        }
      });
    };
    std::atomic<bool> lost = false;
    spawn("ship", [this](const std::stop_token& token) { shipper_.run(token); });
    spawn("merge", [this](const std::stop_token& token) { merge_for_ever(token); });
    spawn("metrics", [this](const std::stop_token& token) { measure_for_ever(token); });
    spawn("lease", [&](const std::stop_token& token) {
      lost = wait_for_loss(token);
      end.request_stop();
    });
    if (options_.log_enabled) {
      attach_for_ever(end.get_token());
    } else {
      back_up_for_ever(end.get_token());
    }
    if (options_.pulse != nullptr) {
      options_.pulse->rest();
    }
    bases_.stop();
    give_up_backup(milliseconds(0),
                   {Side::source, ErrorKind::unavailable, "this agent does not work any more"});
    const bool orderly = stop.stop_requested() && !lost;
    // Said first: whoever has less patience than we have kills us before the end.
    if (orderly && spool_.bytes() > 0) {
      log::info("stopping; the log that waits in the spool is stored first",
                {{"bytes", spool_.bytes()},
                 {"for_at_most", to_human(current_options().shutdown_patience)}});
    }
    const bool shipped = orderly && spool_.wait_until_shipped(current_options().shutdown_patience);
    workers_end.request_stop();
    workers.wait();
    if (lost) {
      return End::lost;
    }
    if (orderly && !shipped) {
      throw Error(Side::repository, ErrorKind::unavailable,
                  fmt::format("{} bytes of log could not be stored before the end; they stay in "
                              "the spool for the next start",
                              spool_.bytes()));
    }
    if (options_.log_enabled) {
      log::info("agent stopped; all that was read is in the repository",
                {{"offset", received_.load()}, {"durable_offset", durable_offset()}});
    } else {
      log::info("agent stopped");
    }
    return End::stopped;
  }

  void reload(const AgentOptions& options) {
    sealing_.max_age = options.segment_max_age;
    sealing_.max_bytes = options.segment_max_bytes;
    spool_.set_max_bytes(options.spool.max_bytes);
    const std::lock_guard lock(mutex_);
    options_.shard = options.shard;
    options_.full_sync_min_interval = options.full_sync_min_interval;
    options_.fork = options.fork;
  }

 private:
  AgentOptions current_options() const {
    const std::lock_guard lock(mutex_);
    return options_;
  }

  bool may_write() const { return lease_ == nullptr || lease_->state() == store::LeaseState::ours; }

  /// Returns whether somebody else has the lease; false once `stop` is requested.
  bool wait_for_loss(const std::stop_token& stop) const {
    while (!stop.stop_requested()) {
      if (lease_ == nullptr) {
        flow::pause(kLongestPause, stop);
        continue;
      }
      const store::LeaseState state = lease_->state();
      if (state == store::LeaseState::others) {
        return true;
      }
      lease_->wait_while(state, milliseconds(1000), stop);
    }
    return false;
  }

  static BaseKeeper::Options base_options(const AgentOptions& options) {
    return {.shard = options.shard,
            .pipeline = options.pipeline,
            .allow_plaintext = options.allow_plaintext,
            .min_interval = options.full_sync_min_interval,
            .fork = options.fork};
  }

  /// The control loop: everything that fails is tried again, with growing pauses.
  void attach_for_ever(const std::stop_token& stop) {
    milliseconds next_pause = kFirstPause;
    std::string last_failure;
    while (!stop.stop_requested()) {
      flow::beat(options_.pulse, kLongestAttempt);
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
        note_not_attached(error);
        if (std::exchange(last_failure, error.what()) != error.what()) {
          log::warn("log not attached", {{"error", error.what()}});
        }
      }
      if (std::exchange(was_attached_, false)) {
        next_pause = kFirstPause;
      }
      flow::pause(next_pause, stop);
      next_pause = std::min(next_pause * 2, kLongestPause);
    }
  }

  void note_not_attached(const Error& error) {
    note_detached(error.what());
    note_source_down(error);
  }

  void note_source_down(const Error& error) {
    if (error.side() == Side::source) {
      seen_.change([&](Observations::Seen& seen) {
        seen.status.source.up = false;
        seen.status.source.error = error.what();
      });
    }
  }

  /// Without a log: takes the backups that are asked for, and looks meanwhile how the source is.
  void back_up_for_ever(const std::stop_token& stop) {
    std::string last_failure;
    auto next_figures = steady_clock::now();
    while (!stop.stop_requested()) {
      flow::beat(options_.pulse, kLongestAttempt);
      const AgentOptions options = current_options();
      try {
        const replica::Shard shard = shard_.look(options.shard, stop);
        const auto nodes = replica::choose_nodes(shard, options.shard.read_from, std::nullopt);
        if (!nodes.empty()) {
          note_node(shard, nodes.front().address);
          if (steady_clock::now() >= next_figures) {
            tell_figures(replica::options_for(options.shard.source, nodes.front().address), stop);
            next_figures = steady_clock::now() + kFiguresInterval;
          }
        }
        if (may_write()) {
          bases_.serve_desk(shard, base_options(options), stop);
        } else {
          bases_.note_outcome();
        }
        last_failure.clear();
      } catch (const Error& error) {
        if (stop.stop_requested()) {
          return;
        }
        if (error.side() == Side::here && error.kind() == ErrorKind::config) {
          throw;
        }
        note_source_down(error);
        if (std::exchange(last_failure, error.what()) != error.what()) {
          log::warn("source not looked at", {{"error", error.what()}});
        }
      }
      desk_.wait(options.watch_interval, stop);
    }
  }

  /// Attaches where the log can go on, and reads it until that ends; or begins a new lineage.
  void attach_once(const std::stop_token& stop) {
    const AgentOptions options = current_options();
    const std::vector<Place> places = find_places(stop);
    const replica::Shard shard = shard_.look(options.shard, stop);
    std::optional<Error> first_failure;
    for (const Place& place : places) {
      for (const replica::Node& node :
           replica::choose_nodes(shard, options.shard.read_from, place.position)) {
        const auto source = replica::options_for(options.shard.source, node.address);
        if (auto stream = attach_to(source, place, first_failure, stop)) {
          refused_since_.reset();
          follow(std::move(stream), place, node.address, stop);
          return;
        }
      }
    }
    if (first_failure) {
      throw *first_failure;  // It may have the log, and answer better soon.
    }
    if (!places.empty()) {
      wait_for_better_nodes(shard, places.front(), options);
    }
    begin_lineage(shard, places, options, stop);
  }

  /// Nothing if the node does not have the log; or does not say, which is kept in `failure`: the
  /// next node may.
  static std::unique_ptr<replica::LogStream> attach_to(const replica::SourceOptions& source,
                                                       const Place& place,
                                                       std::optional<Error>& failure,
                                                       const std::stop_token& stop) {
    try {
      return replica::LogStream::attach(source, place.position, stop);
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::cancelled) {
        throw;
      }
      if (!failure) {
        failure = error;
      }
      return nullptr;
    }
  }

  /// Where the spool ends, unless somebody who had the lease meanwhile has brought the log further.
  void take_up_spool(const std::stop_token& stop) {
    const bool is_known = lease_ == nullptr || (may_write() && lease_->was_ours_before());
    if (taken_up_ == TakenUp::surely || (taken_up_ == TakenUp::perhaps && !may_write())) {
      return;
    }
    const auto tail = spool_.tail();
    if (tail && may_write() && !is_known) {
      const auto places = places_in_repository(catalog_, kOnlyShard, stop);
      const bool spool_is_ahead =
          places.empty() || (places.front().lineage == tail->lineage &&
                             places.front().position.offset <= tail->position.offset);
      if (!spool_is_ahead) {
        log::info("another agent has brought the log further than the spool",
                  {{"lineage", places.front().lineage},
                   {"offset", places.front().position.offset},
                   {"spool_offset", tail->position.offset}});
        place_.give_up(tail->lineage);
        taken_up_ = TakenUp::surely;
        return;
      }
    }
    if (tail && !place_.get()) {
      place_.set(
          {.lineage = tail->lineage, .position = tail->position, .database = tail->database});
    }
    taken_up_ = may_write() ? TakenUp::surely : TakenUp::perhaps;
  }

  /// Where this process knows that the log ends, else what the repository says.
  std::vector<Place> find_places(const std::stop_token& stop) {
    take_up_spool(stop);
    if (const auto place = place_.get()) {
      return {*place};
    }
    if (abandoned_) {
      return {};
    }
    catalog::ensure_repository(store_, clock_, stop);
    return places_in_repository(catalog_, kOnlyShard, stop);
  }

  /// Throws while some node that may not be read, or does not answer, could still have the log.
  void wait_for_better_nodes(const replica::Shard& shard, const Place& place,
                             const AgentOptions& options) {
    const auto able = std::ranges::find_if(shard.nodes, [&](const replica::Node& node) {
      return !node.info.position.replid.empty() && replica::can_continue(node.info, place.position);
    });
    if (able != shard.nodes.end() &&
        replica::choose_nodes(shard, options.shard.read_from, place.position).empty()) {
      throw Error(Side::source, ErrorKind::unavailable,
                  fmt::format("only {} can continue the log, which read_from ({}) does not allow",
                              replica::to_string(able->address),
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
                  fmt::format("no node can continue the log at present{}; waiting for one that may",
                              shard.problems.empty() ? "" : ": " + shard.problems.front()));
    }
  }

  /// Reads the log from `stream` until it is lost, or another node is better, or `stop`.
  void follow(std::unique_ptr<replica::LogStream> stream, const Place& place,
              const replica::Address& node, const std::stop_token& stop) {
    note_attached(*stream, place, node);
    Place now = place;
    now.position.replid = stream->replid();
    std::stop_source tail_end;
    const std::stop_callback on_stop(stop, [&] { tail_end.request_stop(); });
    NodeFault fault = NodeFault::none;
    backup::TailEnd end = backup::TailEnd::stopped;
    try {
      flow::Group watcher({});
      watcher.spawn("watch", [&](const std::stop_token& token) {
        fault = watch(node, now, token);
        tail_end.request_stop();
      });
      end = backup::tail_log(*stream,
                             {.lineage = place.lineage,
                              .position = place.position,
                              .database = place.database,
                              .resumed = !place.fresh,
                              .node = replica::to_string(node),
                              .pulse = options_.pulse},
                             spool_, sealing_, durable_, received_, metrics_, clock_,
                             tail_end.get_token());
    } catch (const Error& error) {
      note_lost(error);
      throw;
    }
    // Nobody reads it any more: the server must not keep anything for it.
    stream.reset();
    place_.advance(*spool_.tail());
    if (stop.stop_requested()) {
      metrics_.detached(metrics::Detachment::stopped);
      return;
    }
    if (end == backup::TailEnd::spool_full) {
      return let_spool_drain(stop);
    }
    if (end == backup::TailEnd::spool_slow) {
      metrics_.detached(metrics::Detachment::spool_slow);
      throw Error(
          ErrorKind::failed,
          "the disk of log.spool.dir takes nothing; the server is left alone until it does");
    }
    if (fault == NodeFault::none) {
      return;  // The place was given up: the repository says where to go on.
    }
    metrics_.detached(metrics::Detachment::hop);
    metrics_.hop();
    log::info("log hops to another node", {{"from", replica::to_string(node)},
                                           {"reason", to_string(fault)},
                                           {"offset", received_.load()}});
  }

  /// Says once in a term that it took over from somebody else.
  void note_takeover(const Place& place) {
    if (lease_ == nullptr || std::exchange(takeover_noted_, true) || !may_write() ||
        lease_->was_ours_before() || lease_->generation() <= 1) {
      return;
    }
    events_.note(
        "lease_taken", place.lineage, place.position.offset,
        fmt::format("this agent took the lease over, generation {}", lease_->generation()));
  }

  void note_attached(const replica::LogStream& stream, const Place& place,
                     const replica::Address& node) {
    was_attached_ = true;
    bases_.follow(place);
    note_takeover(place);
    if (!place_.get()) {
      // What the repository says that it has is durable, whoever stored it.
      durable_.move(place.lineage, place.position.offset);
      place_.set(place);
    }
    metrics_.attached();
    seen_.change([&](Observations::Seen& seen) {
      seen.detached_since.reset();
      seen.detached_why.clear();
      seen.status.log.attached = true;
      seen.status.source.up = true;
      seen.status.source.error.clear();
      seen.status.source.node = replica::to_string(node);
      seen.status.source.server = rdb::to_string(stream.greeting().server);
    });
    const bool failover = stream.replid() != place.position.replid;
    if (failover) {
      metrics_.failover();
    }
    log::info("log attached", {{"node", replica::to_string(node)},
                               {"lineage", place.lineage},
                               {"offset", place.position.offset},
                               {"failover", failover}});
  }

  void note_lost(const Error& error) {
    metrics_.detached(reason_of(error));
    note_detached(error.what());
    if (const auto tail = spool_.tail()) {
      place_.advance(*tail);
    }
    const std::int64_t offset = spool_.tail() ? spool_.tail()->position.offset : 0;
    const bool same_place = std::exchange(malformed_at_, offset) == offset;
    if (error.kind() != ErrorKind::protocol) {
      malformed_tries_ = 0;
      return;
    }
    malformed_tries_ = same_place ? malformed_tries_ + 1 : 1;
    if (malformed_tries_ >= kMalformedTries) {
      malformed_tries_ = 0;
      log::error("the stream is malformed at the same place again; it takes a new snapshot",
                 {{"error", error.what()}});
      abandoned_ = place_.get();
      if (abandoned_) {
        place_.give_up(abandoned_->lineage);
      }
    }
  }

  /// At the bound of the spool the server is left alone until half of it is free.
  void let_spool_drain(const std::stop_token& stop) {
    metrics_.detached(metrics::Detachment::spool_full);
    note_detached("the spool is full");
    log::error("spool is full; log detached until the repository takes it",
               {{"spool_bytes", spool_.bytes()}, {"max_bytes", spool_.max_bytes()}});
    if (const auto place = place_.get()) {
      events_.note("detached", place->lineage, place->position.offset,
                   "the spool was full, since the repository did not take the log");
    }
    while (!stop.stop_requested() && spool_.bytes() > spool_.max_bytes() / 2) {
      flow::beat(options_.pulse, kLongestTurn);
      flow::pause(milliseconds(200), stop);
    }
  }

  /// Looks at the shard every few seconds: whether to hop, and whether a snapshot is missing.
  /// Returns why to hop, or none if it was stopped or the place is given up.
  NodeFault watch(const replica::Address& node, const Place& place, const std::stop_token& stop) {
    HopJudge judge(node, current_options().shard.read_from);
    std::string last_failure;
    auto next_figures = steady_clock::now();
    while (!stop.stop_requested() && !place_.is_given_up()) {
      const AgentOptions options = current_options();
      if (steady_clock::now() >= next_figures) {
        tell_figures(replica::options_for(options.shard.source, node), stop);
        next_figures = steady_clock::now() + kFiguresInterval;
      }
      if (const auto shard = look_quietly(options, stop)) {
        note_node(*shard, node);
        const NodeFault fault = judge.consider(*shard, {place.position.replid, received_});
        if (fault != NodeFault::none) {
          return fault;
        }
        if (may_write()) {
          see_to_base(*shard, options, place, last_failure, stop);
        } else {
          bases_.note_outcome();
        }
      }
      desk_.wait(options.watch_interval, stop);
    }
    return NodeFault::none;
  }

  /// What the node says of itself, for metrics.
  void tell_figures(const replica::SourceOptions& source, const std::stop_token& stop) {
    try {
      replica::Connection connection(source, stop);
      const replica::ServerInfo info = replica::ask_server_figures(connection);
      metrics_.source().node({.server = info.product, .version = info.version, .role = info.role});
      metrics_.source().dataset(info.used_memory, info.keys);
    } catch (const Error& error) {
      log::debug("figures of the source not read", {{"error", error.what()}});
    }
  }

  /// Nothing if no node answers just now: a busy server is no news, and a lost link is noticed by
  /// who reads it.
  std::optional<replica::Shard> look_quietly(const AgentOptions& options,
                                             const std::stop_token& stop) {
    try {
      return shard_.look(options.shard, stop);
    } catch (const Error& error) {
      log::debug("shard not looked at", {{"error", error.what()}});
      return std::nullopt;
    }
  }

  /// Why a snapshot that is missing can't be begun is said once for each reason.
  void see_to_base(const replica::Shard& shard, const AgentOptions& options, const Place& place,
                   std::string& last_failure, const std::stop_token& stop) {
    try {
      bases_.see_to_it(shard, base_options(options), place, stop);
      last_failure.clear();
    } catch (const Error& error) {
      if (!stop.stop_requested() && std::exchange(last_failure, error.what()) != error.what()) {
        log::warn("a snapshot is missing and cannot be begun", {{"error", error.what()}});
      }
    }
  }

  /// No node has the log any more, or there never was one: a snapshot, and the log from there.
  void begin_lineage(const replica::Shard& shard, const std::vector<Place>& lost,
                     const AgentOptions& options, const std::stop_token& stop) {
    if (!may_write()) {
      throw Error(Side::repository, ErrorKind::unavailable,
                  "a snapshot is needed, and the repository does not answer");
    }
    const std::optional<Place> before = lost.empty() ? abandoned_ : std::optional(lost.front());
    std::set<std::string> taken;
    for (const Place& place : lost) {
      taken.insert(place.lineage);
    }
    if (before) {
      taken.insert(before->lineage);
    }
    const auto place = bases_.begin_lineage(shard, base_options(options), before, taken, stop);
    if (!place) {
      note_detached("it needs a snapshot to begin with");
      flow::pause(kSnapshotPause, stop);
      return;
    }
    if (before) {
      note_gap(*before, *place);
    }
    refused_since_.reset();
    abandoned_.reset();
    metrics_.forget_offsets();
    place_.set(*place);
  }

  void note_gap(const Place& before, const Place& after) {
    metrics_.gap();
    log::error("gap in the log: a new lineage begins", {{"lineage", before.lineage},
                                                        {"offset", before.position.offset},
                                                        {"new_lineage", after.lineage},
                                                        {"new_offset", after.position.offset}});
    const std::string detail = fmt::format(
        "no server has the stream from offset {} of {} any more; lineage {} begins at "
        "offset {}",
        before.position.offset, before.position.replid, after.lineage, after.position.offset);
    events_.note("gap", before.lineage, before.position.offset, detail);
    if (on_gap_) {
      on_gap_(detail);
    }
  }

  void merge_for_ever(const std::stop_token& stop) {
    flow::work_in_background();
    auto next_pages = steady_clock::now();
    while (!stop.stop_requested()) {
      const AgentOptions options = current_options();
      flow::pause(options.merge_interval, stop);
      // Only the agent that ships may merge.
      if (stop.stop_requested() || !shipper_.working()) {
        continue;
      }
      try {
        const std::size_t merges =
            backup::merge_log(store_,
                              {.source = options.source,
                               .shard = kOnlyShard,
                               .compression_level = options.pipeline.compression_level,
                               .max_bytes = sealing_.max_bytes},
                              stop);
        for (std::size_t i = 0; i < merges; ++i) {
          metrics_.segments_merged();
        }
        if (const auto now = steady_clock::now(); now >= next_pages) {
          catalog::write_log_pages(store_, options.source, kOnlyShard, stop);
          next_pages = now + kPagesInterval;
        }
      } catch (const Error& error) {
        if (!stop.stop_requested()) {
          log::warn("segments not merged", {{"error", error.what()}});
        }
      }
    }
  }

  /// What nobody else tells whenever it changes.
  void measure_for_ever(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      if (options_.log_enabled) {  // Alerts know by this metric whether there is a log.
        metrics_.spool(spool_.bytes(), spool_.max_bytes());
        note_log();
      }
      give_up_late_backup();
      flow::pause(milliseconds(1000), stop);
    }
  }

  std::int64_t durable_offset() const {
    const auto place = place_.get();
    return place ? durable_.offset_of(place->lineage) : 0;
  }

  void note_log() {
    const auto place = place_.get();
    seen_.change([&](Observations::Seen& seen) {
      api::Status::Log& log = seen.status.log;
      log.lineage = place ? place->lineage : "";
      log.received_offset = received_;
      log.durable_offset = durable_offset();
      log.lag_bytes = static_cast<std::uint64_t>(
          std::max<std::int64_t>(log.received_offset - log.durable_offset, 0));
      log.spool_bytes = spool_.bytes();
      log.spool_limit_bytes = spool_.max_bytes();
    });
  }

  /// The node that is read, as the shard shows it.
  void note_node(const replica::Shard& shard, const replica::Address& address) {
    const auto node = std::ranges::find_if(
        shard.nodes, [&](const replica::Node& other) { return other.address == address; });
    seen_.change([&](Observations::Seen& seen) {
      seen.status.source.up = true;
      seen.status.source.error.clear();
      if (node != shard.nodes.end()) {
        metrics_.server_offset(node->info.position.offset);
        const bool is_primary = node->info.role == replica::ReplicationInfo::Role::primary;
        seen.status.source.role = is_primary ? "primary" : "replica";
      }
    });
  }

  void note_detached(const std::string& why) {
    seen_.change([&](Observations::Seen& seen) {
      seen.status.log.attached = false;
      if (!seen.detached_since) {
        seen.detached_since = clock_.now();
      }
      seen.detached_why = why;
    });
  }

  /// Nobody can take it while the log is not attached: who asked should know in the end.
  void give_up_late_backup() {
    const bool can_be_taken =
        may_write() && (!options_.log_enabled || seen_.get().status.log.attached);
    give_up_backup(can_be_taken ? kBackupPatience + current_options().full_sync_min_interval
                                : kDetachedPatience,
                   why_no_backup());
  }

  /// The one that waits, if it has done so for `longest` or was cancelled.
  void give_up_backup(milliseconds longest, const Error& why) {
    const auto wish = desk_.give_up(longest);
    if (!wish || !backup_ended_) {
      return;
    }
    const bool is_cancelled = wish->job && wish->job->stop_token().stop_requested();
    backup_ended_({.error = is_cancelled ? Error(ErrorKind::cancelled, "cancelled") : why,
                   .backup = {},
                   .lineage = {},
                   .origin = wish->origin,
                   .job = wish->job,
                   .attempted = clock_.now()});
  }

  /// Why no backup could be begun.
  Error why_no_backup() const {
    if (!may_write()) {
      const auto problem = lease_->problem();
      return problem ? *problem
                     : Error(Side::repository, ErrorKind::unavailable,
                             "the agent's lease in the repository could not be renewed");
    }
    const Observations::Seen seen = seen_.get();
    const auto unavailable = [](std::string why) {
      return Error(Side::source, ErrorKind::unavailable, std::move(why));
    };
    if (options_.log_enabled && !seen.status.log.attached) {
      return unavailable("the log is not attached, so nothing can be backed up: " +
                         seen.detached_why);
    }
    return unavailable(seen.status.guard ? "no full sync may be done: " + seen.status.guard->reason
                                         : "no full sync may be done yet");
  }

  store::ObjectStore& store_;
  backup::Spool& spool_;
  EventNotes& events_;
  const store::Lease* const lease_;
  metrics::AgentMetrics& metrics_;
  const Clock& clock_;
  BackupDesk& desk_;
  Observations& seen_;
  const BaseKeeper::Ended backup_ended_;
  const std::function<void(const std::string&)> on_gap_;

  mutable std::mutex mutex_;  ///< Guards options_.
  AgentOptions options_;

  catalog::Catalog catalog_;
  backup::DurablePoint durable_;
  backup::SealingOptions sealing_;
  std::atomic<std::int64_t> received_{0};  ///< The offset that reading has come to.
  backup::LogShipper shipper_;
  BaseKeeper bases_;
  ShardView shard_;
  CurrentPlace place_;

  // Of the control loop.
  enum class TakenUp { no, perhaps, surely };
  TakenUp taken_up_ = TakenUp::no;  ///< Whether the spool's end is where the log goes on.
  std::optional<Place> abandoned_;  ///< Where the stream is malformed for good.
  std::optional<steady_clock::time_point> refused_since_;
  bool was_attached_ = false;
  bool takeover_noted_ = false;
  std::int64_t malformed_at_ = 0;  ///< Where the last attachment was lost.
  int malformed_tries_ = 0;
};

Term::Term(const TermContext& context, AgentOptions options)
    : work_(std::make_unique<Work>(context, std::move(options))) {}

Term::~Term() = default;

Term::End Term::run(std::stop_token stop) {
  return work_->run(stop);
}

void Term::reload(const AgentOptions& options) {
  work_->reload(options);
}

}  // namespace keyrewind::daemon
