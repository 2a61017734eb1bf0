#include "catalog/log.h"

#include "base/error.h"
#include "catalog/json_object.h"
#include "catalog/names.h"
#include "codec/sha256.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>

namespace keyrewind::catalog {
namespace {

// Written to every event: FORMAT.md, section "Events".
constexpr std::string_view kEventKind = "keyrewind-event";
constexpr std::string_view kTrimKind = "keyrewind-trim";
constexpr std::size_t kLineageDigits = 40;

/// Nearly every index is within it: one request then gives it whole.
constexpr std::uint64_t kFirstRead = 64U << 10U;

/// An index with what stands around its frame.
constexpr std::uint64_t kMaxStoredIndexBytes = kMaxSegmentIndexBytes + 1024;

Error corrupt(const std::string& why) {
  return {Side::repository, ErrorKind::corrupt, why};
}

Bytes read_tail(const store::ObjectStore& store, const SegmentEntry& entry, std::uint64_t bytes,
                const std::stop_token& stop) {
  Bytes tail(static_cast<std::size_t>(std::min(bytes, entry.bytes)));
  store.read(entry.object, entry.bytes - tail.size(), tail, stop);
  return tail;
}

SegmentTail read_index(const store::ObjectStore& store, const SegmentEntry& entry,
                       const std::stop_token& stop) {
  SegmentTail tail = decode_segment_index(read_tail(store, entry, kFirstRead, stop));
  if (!tail.segment && tail.needed <= entry.bytes) {
    tail = decode_segment_index(read_tail(store, entry, tail.needed, stop));
  }
  if (!tail.segment) {
    throw corrupt(
        fmt::format("it has {} bytes where its index alone has {}", entry.bytes, tail.needed));
  }
  return tail;
}

/// Throws unless the segment is the one that its name promises.
void check_fit(const Segment& segment, const SegmentEntry& entry) {
  const std::string name = names::segment(segment.source, segment.shard,
                                          {.lineage = segment.lineage,
                                           .begin = segment.begin,
                                           .end = segment.end,
                                           .last = segment.marks.back().at,
                                           .level = entry.level,
                                           .generation = entry.generation,
                                           .encrypted = entry.encrypted()});
  if (name != entry.object) {
    throw corrupt("its index does not fit its name");
  }
}

/// Throws unless frames and index are just the object.
void check_size(const SegmentTail& tail, const SegmentEntry& entry) {
  std::uint64_t stored = tail.index_bytes;
  for (const codec::Frame& frame : tail.segment->frames) {
    stored += frame.stored_bytes;
  }
  if (stored != entry.bytes) {
    throw corrupt(fmt::format("it has {} bytes where its index wants {}", entry.bytes, stored));
  }
}

/// The plain index of an encrypted segment. If it is lost, and the object can be read, that tells
/// the same.
Segment read_plain_index(const store::ObjectStore& store, const SegmentEntry& entry,
                         const std::stop_token& stop) {
  const std::string name = names::segment_index(entry.object);
  std::optional<Bytes> index = store.get(name, kMaxStoredIndexBytes, stop);
  if (index) {
    SegmentTail tail = decode_segment_index(*index);
    if (!tail.segment || tail.segment->held_bytes == 0) {
      throw corrupt(fmt::format("{} is not a plain index", name));
    }
    return *std::move(tail.segment);
  }
  const std::optional<Bytes> held =
      store.can_read(entry.object) ? store.get(entry.object, entry.bytes, stop) : std::nullopt;
  if (!held) {
    throw corrupt(fmt::format("{} is missing", name));
  }
  const SegmentTail tail = decode_segment_index(*held);
  if (!tail.segment) {
    throw corrupt("it ends within its index");
  }
  return plain_part(*tail.segment, held->size());
}

SegmentEntry entry_of(const store::ObjectInfo& object, const names::SegmentName& name) {
  return {.object = object.name,
          .bytes = object.bytes,
          .begin = name.begin,
          .end = name.end,
          .last = name.last,
          .level = name.level,
          .generation = name.generation};
}

LogSpan span_of(const store::ObjectInfo& object, const names::SegmentName& name) {
  return {.begin = name.begin,
          .end = name.end,
          .last = name.last,
          .bytes = object.bytes,
          .generation = name.generation,
          .level = static_cast<std::uint8_t>(name.level),
          .encrypted = name.encrypted};
}

/// Puts segments of one lineage into the order of list_logs.
template <typename Piece>
void sort_pieces(std::vector<Piece>& pieces) {
  const auto order = [](const Piece& piece) {
    return std::tuple(piece.begin, -piece.end, piece.level, piece.last, piece.generation);
  };
  std::ranges::sort(pieces, {}, order);
}

/// All segments by lineage, in the order of list_logs.
std::map<std::string, std::vector<SegmentEntry>> segments_among(
    const std::vector<store::ObjectInfo>& objects, const std::string& source,
    const std::string& shard) {
  std::map<std::string, std::vector<SegmentEntry>> logs;
  for (const store::ObjectInfo& object : objects) {
    if (const auto name = names::parse_segment(source, shard, object.name)) {
      logs[name->lineage].push_back(entry_of(object, *name));
    }
  }
  for (auto& [lineage, segments] : logs) {
    sort_pieces(segments);
  }
  return logs;
}

template <typename Piece>
std::vector<Piece> take_stale_pieces(std::vector<Piece>& pieces) {
  std::map<std::uint64_t, std::int64_t> first_begin;  // Of each generation.
  for (const Piece& piece : pieces) {
    const auto [begin, added] = first_begin.try_emplace(piece.generation, piece.begin);
    begin->second = std::min(begin->second, piece.begin);
  }
  const auto is_stale = [&](const Piece& piece) {
    return std::any_of(first_begin.upper_bound(piece.generation), first_begin.end(),
                       [&](const auto& later) { return piece.end > later.second; });
  };
  std::vector<Piece> stale;
  std::ranges::copy_if(pieces, std::back_inserter(stale), is_stale);
  std::erase_if(pieces, is_stale);
  return stale;
}

/// How an offset is reached with the fewest pieces.
struct Way {
  std::size_t count = 0;
  std::uint32_t last = 0;  ///< The place of the last one.
};

/// Appends to `places` the fewest of the pieces from `first` to `last`, in their order, that lead
/// from `begin` as far as any do. Returns how far that is.
template <typename Piece>
std::int64_t cover_cluster(std::span<const Piece> pieces, std::size_t first, std::size_t last,
                           std::int64_t begin, std::vector<std::uint32_t>& places) {
  std::unordered_map<std::int64_t, Way> ways;
  std::int64_t furthest = begin;
  // All that end where a piece begins come before it, since none is empty.
  for (std::size_t place = first; place < last; ++place) {
    const Piece& piece = pieces[place];
    if (piece.end <= begin) {
      continue;
    }
    Way way{1, static_cast<std::uint32_t>(place)};
    if (piece.begin > begin) {
      const auto before = ways.find(piece.begin);
      if (before == ways.end()) {
        continue;
      }
      way.count = before->second.count + 1;
    }
    const auto [known, added] = ways.try_emplace(piece.end, way);
    if (!added && way.count < known->second.count) {
      known->second = way;
    }
    furthest = std::max(furthest, piece.end);
  }
  const std::size_t before = places.size();
  for (std::int64_t end = furthest; end > begin; end = pieces[places.back()].begin) {
    places.push_back(ways.at(end).last);
  }
  std::reverse(places.begin() + static_cast<std::ptrdiff_t>(before), places.end());
  return furthest;
}

/// Goes from cluster to cluster: pieces that overlap, over whose ends none reaches.
template <typename Piece>
std::vector<std::uint32_t> cover_pieces(std::span<const Piece> pieces, std::int64_t begin) {
  std::vector<std::uint32_t> places;
  std::int64_t reached = begin;
  std::size_t first = 0;
  while (first < pieces.size()) {
    std::int64_t end = pieces[first].end;
    std::size_t last = first + 1;
    for (; last < pieces.size() && pieces[last].begin < end; ++last) {
      end = std::max(end, pieces[last].end);
    }
    if (end > begin) {
      reached = cover_cluster(pieces, first, last, reached, places);
      if (reached < end) {
        break;
      }
    }
    first = last;
  }
  return places;
}

/// Reads one event; nothing if it is gone.
std::optional<Event> read_event(const store::ObjectStore& store, const std::string& object,
                                const names::EventName& name, const std::stop_token& stop) {
  const std::optional<Bytes> content = store.get(object, kMaxEventBytes, stop);
  if (!content) {
    return std::nullopt;
  }
  Event event = decode_event(*content);
  if (event.id != name.id || event.lineage != name.lineage) {
    throw corrupt("the event does not fit its name");
  }
  return event;
}

}  // namespace

LogSpan span_of(const SegmentEntry& entry) {
  return {.begin = entry.begin,
          .end = entry.end,
          .last = entry.last,
          .bytes = entry.bytes,
          .generation = entry.generation,
          .level = static_cast<std::uint8_t>(entry.level),
          .encrypted = entry.encrypted()};
}

SegmentEntry entry_of(const std::string& source, const std::string& shard,
                      const std::string& lineage, const LogSpan& span) {
  return {.object = names::segment(source, shard,
                                   {.lineage = lineage,
                                    .begin = span.begin,
                                    .end = span.end,
                                    .last = span.last,
                                    .level = span.level,
                                    .generation = span.generation,
                                    .encrypted = span.encrypted}),
          .bytes = span.bytes,
          .begin = span.begin,
          .end = span.end,
          .last = span.last,
          .level = span.level,
          .generation = span.generation};
}

LogNames list_log_names(const store::ObjectStore& store, const std::string& source,
                        const std::string& shard, std::stop_token stop) {
  LogNames found;
  store.visit(
      names::lineages(source, shard),
      [&](const store::ObjectInfo& object) {
        if (const auto segment = names::parse_segment(source, shard, object.name)) {
          found.logs[segment->lineage].push_back(span_of(object, *segment));
        } else if (const auto trim = names::parse_trim(source, shard, object.name)) {
          std::int64_t& offset = found.trims[trim->lineage];
          offset = std::max(offset, trim->offset);
        } else if (auto page = names::parse_log_page(source, shard, object.name)) {
          found.pages[page->lineage].push_back(*std::move(page));
        } else if (names::parse_event(source, shard, object.name)) {
          found.events.push_back(object.name);
        }
      },
      std::move(stop));
  for (auto& [lineage, spans] : found.logs) {
    sort_pieces(spans);
    take_stale_pieces(spans);
  }
  return found;
}

std::map<std::string, std::vector<SegmentEntry>> list_logs(const store::ObjectStore& store,
                                                           const std::string& source,
                                                           const std::string& shard,
                                                           std::stop_token stop) {
  return logs_among(store.list(names::lineages(source, shard), stop), source, shard);
}

std::map<std::string, std::vector<SegmentEntry>> logs_among(
    const std::vector<store::ObjectInfo>& objects, const std::string& source,
    const std::string& shard) {
  auto logs = segments_among(objects, source, shard);
  for (auto& [lineage, segments] : logs) {
    take_stale(segments);
  }
  return logs;
}

std::map<std::string, std::int64_t> trims_among(const std::vector<store::ObjectInfo>& objects,
                                                const std::string& source,
                                                const std::string& shard) {
  std::map<std::string, std::int64_t> trims;
  for (const store::ObjectInfo& object : objects) {
    if (const auto trim = names::parse_trim(source, shard, object.name)) {
      std::int64_t& offset = trims[trim->lineage];
      offset = std::max(offset, trim->offset);
    }
  }
  return trims;
}

std::string encode_trim(const std::string& lineage, std::int64_t offset, Timestamp at) {
  nlohmann::ordered_json document = begin_document(kTrimKind);
  document["lineage"] = lineage;
  document["offset"] = offset;
  document["at"] = to_rfc3339(at);
  return to_text(document);
}

std::vector<SegmentEntry> take_stale(std::vector<SegmentEntry>& segments) {
  return take_stale_pieces(segments);
}

std::vector<SegmentEntry> cover(std::span<const SegmentEntry> segments, std::int64_t begin) {
  std::vector<SegmentEntry> chosen;
  for (const std::uint32_t place : cover_pieces(segments, begin)) {
    chosen.push_back(segments[place]);
  }
  return chosen;
}

std::vector<std::uint32_t> cover_places(std::span<const LogSpan> spans, std::int64_t begin) {
  return cover_pieces(spans, begin);
}

std::optional<Segment> read_segment(const store::ObjectStore& store, const SegmentEntry& entry,
                                    std::stop_token stop) {
  try {
    if (entry.encrypted()) {
      Segment segment = read_plain_index(store, entry, stop);
      check_fit(segment, entry);
      return segment;
    }
    SegmentTail tail = read_index(store, entry, stop);
    check_fit(*tail.segment, entry);
    check_size(tail, entry);
    return std::move(tail.segment);
  } catch (Error& error) {
    if (error.kind() != ErrorKind::corrupt && error.kind() != ErrorKind::incompatible) {
      throw;
    }
    if (!store.head(entry.object, stop)) {
      return std::nullopt;
    }
    error.add_context(entry.object);
    throw;
  }
}

std::vector<std::string> list_log_waste(const store::ObjectStore& store, const std::string& source,
                                        const std::string& shard, std::stop_token stop) {
  std::vector<std::string> waste;
  const auto objects = store.list(names::lineages(source, shard), stop);
  const auto is_there = [&](const std::string& name) {
    return std::binary_search(objects.begin(), objects.end(), store::ObjectInfo{name},
                              [](const auto& a, const auto& b) { return a.name < b.name; });
  };
  for (const store::ObjectInfo& object : objects) {
    const auto segment = names::segment_of_index(object.name);
    if (segment && !is_there(*segment)) {
      waste.push_back(object.name);
    }
  }
  auto logs = segments_among(objects, source, shard);
  for (auto& [lineage, segments] : logs) {
    for (const SegmentEntry& stale : take_stale(segments)) {
      waste.push_back(stale.object);
    }
  }
  return waste;
}

void remove_segment(store::ObjectStore& store, const std::string& object, std::stop_token stop) {
  store.remove(object, stop);
  if (object.ends_with(store::kEncryptedSuffix)) {
    store.remove(names::segment_index(object), stop);
  }
}

std::size_t remove_abandoned_log_uploads(store::ObjectStore& store, const std::string& source,
                                         const std::string& shard, std::stop_token stop) {
  return store.remove_abandoned_uploads(
      names::lineages(source, shard),
      [](const std::string& name) { return names::is_of_agent(name); }, stop);
}

std::string lineage_id(const std::string& replid, std::int64_t offset,
                       const std::function<bool(const std::string& lineage)>& there) {
  std::string lineage = replid;
  while (there(lineage)) {
    lineage = codec::sha256_hex(as_bytes(fmt::format("keyrewind lineage {} {}", lineage, offset)));
    lineage.resize(kLineageDigits);
  }
  return lineage;
}

std::string encode(const Event& event) {
  if (!names::is_valid_source(event.id) || !names::is_valid_lineage(event.lineage) ||
      event.offset < 0) {
    throw Error(ErrorKind::internal, fmt::format("event '{}' of lineage '{}' at {} can't be stored",
                                                 event.id, event.lineage, event.offset));
  }
  nlohmann::ordered_json document = begin_document(kEventKind);
  document["id"] = event.id;
  document["event"] = event.kind;
  document["lineage"] = event.lineage;
  document["offset"] = event.offset;
  document["at"] = to_rfc3339(event.at);
  document["detail"] = event.detail;
  return to_text(document);
}

Event decode_event(ByteView json) {
  const JsonDocument document(json, "the event", kEventKind);
  const JsonObject& root = document.root();
  Event event;
  event.id = root.text("id");
  if (!names::is_valid_source(event.id)) {
    root.reject("id", "can be no part of a name");
  }
  event.kind = root.text("event");
  event.lineage = root.hex("lineage", kLineageDigits);
  event.offset = static_cast<std::int64_t>(
      root.number("offset", static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())));
  event.at = root.time("at");
  event.detail = root.text("detail");
  return event;
}

std::vector<Event> read_events(const store::ObjectStore& store, const std::string& source,
                               const std::string& shard, const std::vector<std::string>& objects,
                               std::vector<std::string>& problems, std::stop_token stop) {
  std::vector<Event> events;
  for (const std::string& object : objects) {
    const auto name = names::parse_event(source, shard, object);
    if (!name) {
      continue;
    }
    try {
      if (std::optional<Event> event = read_event(store, object, *name, stop)) {
        events.push_back(*std::move(event));
      }
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::corrupt && error.kind() != ErrorKind::incompatible) {
        throw;
      }
      problems.push_back(fmt::format("{}: {}", object, error.what()));
    }
  }
  std::sort(events.begin(), events.end(), [](const Event& a, const Event& b) {
    return std::tie(a.at, a.id) < std::tie(b.at, b.id);
  });
  return events;
}

std::vector<Event> list_events(const store::ObjectStore& store, const std::string& source,
                               const std::string& shard, std::vector<std::string>& problems,
                               std::stop_token stop) {
  const LogNames names = list_log_names(store, source, shard, stop);
  return read_events(store, source, shard, names.events, problems, std::move(stop));
}

}  // namespace keyrewind::catalog
