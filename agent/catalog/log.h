#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "catalog/log_span.h"
#include "catalog/names.h"
#include "catalog/segment.h"
#include "store/object_store.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

/// The log of a lineage as a repository holds it.
namespace keyrewind::catalog {

/// A segment by its name, not yet opened.
struct SegmentEntry {
  std::string object;
  std::uint64_t bytes = 0;
  std::int64_t begin = 0;
  std::int64_t end = 0;
  Timestamp last{};              ///< When its last byte had arrived, to the second.
  std::uint64_t level = 0;       ///< 0 as sealed; one more than those that it was merged from.
  std::uint64_t generation = 0;  ///< Of the lease under which it was written.

  bool encrypted() const noexcept { return object.ends_with(store::kEncryptedSuffix); }

  bool operator==(const SegmentEntry&) const = default;
};

/// The two ways to tell of a segment: with its name, or by what that says.
LogSpan span_of(const SegmentEntry& entry);
SegmentEntry entry_of(const std::string& source, const std::string& shard,
                      const std::string& lineage, const LogSpan& span);

/// What the names of a shard's log tell, from one listing that is never held as a whole.
struct LogNames {
  /// By lineage, as list_logs gives them.
  std::map<std::string, std::vector<LogSpan>> logs;
  std::map<std::string, std::int64_t> trims;  ///< As trims_among gives them.
  std::map<std::string, std::vector<names::LogPageName>> pages;
  std::vector<std::string> events;  ///< The objects, in no order.
};
LogNames list_log_names(const store::ObjectStore& store, const std::string& source,
                        const std::string& shard, std::stop_token stop);

/// All segments of a shard by lineage, each list in order of `begin`, longer ones first. Merging
/// leaves several that cover the same bytes for a while. Stale ones are not among them.
std::map<std::string, std::vector<SegmentEntry>> list_logs(const store::ObjectStore& store,
                                                           const std::string& source,
                                                           const std::string& shard,
                                                           std::stop_token stop);

/// Segments that somebody wrote who had lost the lease without knowing it yet: they reach beyond
/// the offset where a later generation began, which has written the same bytes again. Takes them
/// out of `segments`, which are of one lineage and in the order above.
std::vector<SegmentEntry> take_stale(std::vector<SegmentEntry>& segments);

/// The same of objects that were listed already.
std::map<std::string, std::vector<SegmentEntry>> logs_among(
    const std::vector<store::ObjectInfo>& objects, const std::string& source,
    const std::string& shard);

/// Stale segments of a shard, and plain indexes whose segments never came or have gone.
std::vector<std::string> list_log_waste(const store::ObjectStore& store, const std::string& source,
                                        const std::string& shard, std::stop_token stop);

/// From where on a log counts, by lineage: retention has removed, or is removing, the segments that
/// end before. Whoever reads a timeline passes over them.
std::map<std::string, std::int64_t> trims_among(const std::vector<store::ObjectInfo>& objects,
                                                const std::string& source,
                                                const std::string& shard);

/// What a trim says, as FORMAT.md specifies it: JSON, ending in a newline.
std::string encode_trim(const std::string& lineage, std::int64_t offset, Timestamp at);

/// Removes a segment, with its index if that stands beside it.
void remove_segment(store::ObjectStore& store, const std::string& object, std::stop_token stop);

/// The fewest of `segments` (in the order above) that cover the stream from `begin` on without a
/// break, each one beginning where the one before ends; the first may begin earlier.
std::vector<SegmentEntry> cover(std::span<const SegmentEntry> segments, std::int64_t begin);

/// The same, as places in `spans`. What it takes in memory is little more than those.
std::vector<std::uint32_t> cover_places(std::span<const LogSpan> spans, std::int64_t begin);

/// Opens the index of one; of an encrypted segment the plain one, which takes no identity. Throws
/// Error(corrupt), naming the object, if it is damaged or does not fit its name; nothing if the
/// object is gone (merged or removed since it was listed).
std::optional<Segment> read_segment(const store::ObjectStore& store, const SegmentEntry& entry,
                                    std::stop_token stop);

/// Removes what uploads of segments and events of a shard left that never completed. The caller
/// holds names::agent_lock. Returns how many there were.
std::size_t remove_abandoned_log_uploads(store::ObjectStore& store, const std::string& source,
                                         const std::string& shard, std::stop_token stop);

/// The name of a lineage that begins at `offset` of the history `replid`: the replication id
/// itself, or, where a lineage of that name is `there` already because the same history begins
/// again after a gap, the first 40 digits of the SHA-256 of "keyrewind lineage <replid> <offset>".
std::string lineage_id(const std::string& replid, std::int64_t offset,
                       const std::function<bool(const std::string& lineage)>& there);

/// Something that happened to a log and is not in it: an object under `events/`.
struct Event {
  std::string id;       ///< "<compact time>-<6 hexadecimal digits>".
  std::string kind;     ///< "gap", "detached", "full_sync_deferred", "clock_step".
  std::string lineage;  ///< Whose log it concerns.
  std::int64_t offset = 0;
  Timestamp at{};
  std::string detail;  ///< One line for people.

  bool operator==(const Event&) const = default;
};

/// JSON as FORMAT.md specifies it, ending in a newline. Throws Error(internal) if the id or the
/// lineage can be no part of a name.
std::string encode(const Event& event);

/// Reads what `encode` wrote. Throws Error(corrupt) if it is not that, Error(incompatible) if its
/// format version is newer.
Event decode_event(ByteView json);

/// The most bytes that an event may have.
inline constexpr std::uint64_t kMaxEventBytes = 64U << 10U;

/// Reads the events of a shard that stand in `objects`, oldest first. Damaged ones end up in
/// `problems`, a line each.
std::vector<Event> read_events(const store::ObjectStore& store, const std::string& source,
                               const std::string& shard, const std::vector<std::string>& objects,
                               std::vector<std::string>& problems, std::stop_token stop);

/// The same of all that there are.
std::vector<Event> list_events(const store::ObjectStore& store, const std::string& source,
                               const std::string& shard, std::vector<std::string>& problems,
                               std::stop_token stop);

}  // namespace keyrewind::catalog
