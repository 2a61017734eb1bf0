#include "backup/log_shipper.h"

#include "backup/segment_writer.h"
#include "base/error.h"
#include "base/log.h"
#include "catalog/catalog.h"
#include "catalog/log.h"
#include "catalog/names.h"
#include "catalog/repository.h"
#include "flow/background.h"
#include "flow/pause.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace keyrewind::backup {
namespace {

using std::chrono::milliseconds;

/// Whether trying again can help. A bug or a broken spool won't go away.
bool is_worth_retrying(const Error& error) {
  return error.side() == Side::repository && error.kind() != ErrorKind::config;
}

}  // namespace

LogShipper::LogShipper(store::ObjectStore& store, Spool& spool, DurablePoint& durable,
                       ShipperOptions options, metrics::AgentMetrics& metrics, const Clock& clock)
    : store_(store),
      spool_(spool),
      durable_(durable),
      options_(std::move(options)),
      metrics_(metrics),
      clock_(clock) {}

void LogShipper::run(std::stop_token stop) {
  flow::work_in_background();
  milliseconds next_pause = options_.first_pause;
  bool again = false;
  while (!stop.stop_requested()) {
    try {
      wait_for_lease(stop);
      open(stop);
      ship_events(stop);
      if (const auto sealed = spool_.next(stop)) {
        wait_for_lease(stop);
        ship(*sealed, again, stop);
        note_success();
      }
      again = false;
      next_pause = options_.first_pause;
    } catch (const Error& error) {
      if (stop.stop_requested() || !is_worth_retrying(error)) {
        throw;
      }
      again = true;
      note_failure(error);
      flow::pause(next_pause, stop);
      next_pause = std::min(next_pause * 2, options_.longest_pause);
    }
  }
}

void LogShipper::note_success() {
  working_ = true;
  if (std::exchange(failing_, false)) {
    log::info("repository works again", {{"repository", store_.url()}});
  }
}

void LogShipper::note_failure(const Error& error) {
  working_ = false;
  metrics_.repository_failure();
  if (!std::exchange(failing_, true)) {
    log::warn("repository failed; the log stays in the spool until it works",
              {{"error", error.what()}, {"spool_bytes", spool_.bytes()}});
  }
}

bool LogShipper::may_write() const {
  return options_.lease == nullptr || options_.lease->state() == store::LeaseState::ours;
}

/// While the store does not answer, the lease may lapse. Nobody needs to hear of that: it is either
/// ours again when the store is back, or this shipper is stopped.
void LogShipper::wait_for_lease(const std::stop_token& stop) const {
  while (!may_write()) {
    if (stop.stop_requested()) {
      throw Error(ErrorKind::cancelled, "stopped");
    }
    options_.lease->wait_while(options_.lease->state(), milliseconds(500), stop);
  }
}

void LogShipper::take_lock(const std::stop_token& stop) {
  lock_ = store_.try_lock(catalog::names::agent_lock(options_.source, options_.shard), stop);
  if (!lock_) {
    throw Error(
        ErrorKind::busy,
        fmt::format("another agent writes the log of {}; run one for each shard", options_.source));
  }
}

/// That of the lease, but never lower than one that the log has: somebody may have removed the
/// lease, or gone on without any, and what is written now must not look stale.
void LogShipper::find_generation(const std::stop_token& stop) {
  std::uint64_t highest = 0;
  for (const auto& [lineage, segments] :
       catalog::list_logs(store_, options_.source, options_.shard, stop)) {
    for (const catalog::SegmentEntry& segment : segments) {
      highest = std::max(highest, segment.generation);
    }
  }
  generation_ = highest;
  if (options_.lease != nullptr && options_.lease->generation() != highest) {
    const bool follows = options_.lease->generation() > highest;
    generation_ = follows ? options_.lease->generation() : highest + 1;
  }
}

void LogShipper::open(std::stop_token stop) {
  if (opened_) {
    return;
  }
  if (!lock_) {
    catalog::ensure_repository(store_, clock_, stop);
  }
  if (!lock_ && options_.lease == nullptr) {
    take_lock(stop);
  }
  catalog::check_encryption(catalog::Catalog(store_, options_.source), options_.allow_plaintext,
                            stop);
  catalog::remove_abandoned_log_uploads(store_, options_.source, options_.shard, stop);
  for (const std::string& object :
       catalog::list_log_waste(store_, options_.source, options_.shard, stop)) {
    log::info("removed what an earlier agent left", {{"object", object}});
    catalog::remove_segment(store_, object, stop);
  }
  find_generation(stop);
  opened_ = true;
  note_success();
}

void LogShipper::ship_events(std::stop_token stop) {
  for (const catalog::Event& event : spool_.events()) {
    const std::string text = catalog::encode(event);
    const std::string name =
        catalog::names::event(options_.source, options_.shard, event.lineage, event.id);
    store_.put_if_absent(name, as_bytes(text), stop);
    spool_.forget(event);
    tell_stored(name);
    note_success();
  }
}

void LogShipper::ship(const Spool::Sealed& sealed, bool again, std::stop_token stop) {
  const std::string& lineage = sealed.head.lineage;
  const std::int64_t begin = sealed.head.position.offset;
  if (!ends_.contains(lineage)) {
    try {
      const auto found = find_chain_end(lineage, stop);
      ends_[lineage] = found.value_or(ChainEnd{begin, catalog::chain_start(lineage, begin)});
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::corrupt && error.kind() != ErrorKind::incompatible) {
        throw;
      }
      // Nothing can be chained to a damaged segment: whatever comes behind it needs a new snapshot.
      log::error("the end of the log is damaged", {{"error", error.what()}});
      drop(sealed);
      return;
    }
  }
  ChainEnd& end = ends_[lineage];
  if (end.offset != begin) {
    if (sealed.end <= end.offset) {
      // Stored before, by a process that could not remove it any more or got no answer.
      spool_.remove_first();
      note_durable(lineage, end.offset, sealed.last);
      return;
    }
    drop(sealed);
    return;
  }
  if (again || sealed.recovered) {
    if (const auto stored = already_stored(sealed, end, stop)) {
      end = *stored;
      spool_.remove_first();
      tell_stored(segment_name(sealed, generation_, store_.encrypts()));
      note_durable(lineage, end.offset, sealed.last);
      return;
    }
  }
  const StoredSegment stored =
      store_segment(store_, sealed, end.chain, generation_, options_.compression_level, stop);
  end = {sealed.end, catalog::chain_end(stored.segment)};
  spool_.remove_first();
  tell_stored(stored.object);
  metrics_.segment_stored(static_cast<std::uint64_t>(sealed.end - begin), stored.stored_bytes);
  note_durable(lineage, sealed.end, sealed.last);
  log::debug("segment stored", {{"begin", begin},
                                {"end", sealed.end},
                                {"commands", stored.segment.commands},
                                {"stored_bytes", stored.stored_bytes}});
}

void LogShipper::note_durable(const std::string& lineage, std::int64_t offset, Timestamp arrived) {
  metrics_.durable(offset, arrived);
  durable_.move(lineage, offset);
  if (durable_.offset_of(lineage) == offset) {
    metrics_.recoverable_until(arrived);
  }
  if (options_.durable) {
    options_.durable(arrived);
  }
}

/// Nothing if the repository has no log of this lineage.
std::optional<LogShipper::ChainEnd> LogShipper::find_chain_end(const std::string& lineage,
                                                               std::stop_token stop) {
  const auto logs = catalog::list_logs(store_, options_.source, options_.shard, stop);
  const auto log = logs.find(lineage);
  if (log == logs.end() || log->second.empty()) {
    return std::nullopt;
  }
  const auto last = std::ranges::max_element(
      log->second, {}, [](const catalog::SegmentEntry& entry) { return entry.end; });
  const auto segment = catalog::read_segment(store_, *last, stop);
  if (!segment) {
    throw Error(Side::repository, ErrorKind::unavailable, last->object + " has just gone");
  }
  return ChainEnd{segment->end, catalog::chain_end(*segment)};
}

/// Whether the answer to an earlier attempt was lost, or an earlier process died before it removed
/// the journal: the object is then there under the very name.
std::optional<LogShipper::ChainEnd> LogShipper::already_stored(const Spool::Sealed& sealed,
                                                               const ChainEnd& before,
                                                               std::stop_token stop) {
  const std::string name = segment_name(sealed, generation_, store_.encrypts());
  const auto info = store_.head(name, stop);
  if (!info) {
    return std::nullopt;
  }
  const catalog::SegmentEntry entry{.object = name,
                                    .bytes = info->bytes,
                                    .begin = sealed.head.position.offset,
                                    .end = sealed.end,
                                    .last = std::chrono::floor<std::chrono::seconds>(sealed.last),
                                    .level = 0,
                                    .generation = generation_};
  const auto found = catalog::read_segment(store_, entry, stop);
  const catalog::Segment expected = describe_segment(sealed, before.chain, store_.encrypts());
  if (!found || found->links != expected.links || found->previous != before.chain) {
    throw Error(ErrorKind::failed,
                fmt::format("{} is there, but not as this agent wrote it; another one may be "
                            "writing this source",
                            name));
  }
  return ChainEnd{sealed.end, catalog::chain_end(*found)};
}

void LogShipper::tell_stored(const std::string& object) const {
  if (options_.stored) {
    options_.stored(object);
  }
}

/// A hole, or an overlap that no whole segment can fill: the stream is read again.
void LogShipper::drop(const Spool::Sealed& sealed) {
  log::warn("spooled bytes do not follow the repository's log and are dropped",
            {{"lineage", sealed.head.lineage},
             {"begin", sealed.head.position.offset},
             {"end", sealed.end}});
  const std::string lineage = sealed.head.lineage;
  spool_.remove_first();
  if (broken_) {
    broken_(lineage);
  }
}

}  // namespace keyrewind::backup
