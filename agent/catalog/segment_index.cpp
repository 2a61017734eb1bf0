#include "base/error.h"
#include "catalog/json_object.h"
#include "catalog/names.h"
#include "catalog/segment.h"
#include "catalog/segment_json.h"
#include "codec/sha256.h"
#include "codec/zstd_frame.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <string_view>
#include <utility>

namespace keyrewind::catalog {
namespace {

using nlohmann::ordered_json;

// Written to every segment: FORMAT.md, section "The segment object".
constexpr std::string_view kSegmentKind = "keyrewind-segment";
constexpr std::uint32_t kMagic = 0x184D2A5C;  // RFC 8878, section 3.1.2; a frame index has 5B.
constexpr std::uint32_t kVersion = 1;
constexpr std::string_view kSignature = "KRWSEGMT";
constexpr std::size_t kHeadBytes = 4 + 4;
constexpr std::size_t kTrailerBytes = 32 + 8 + 4 + kSignature.size();
constexpr std::size_t kSaltDigits = 32;

/// Better than the stream's own level: an index is small, and is fetched by every reader.
constexpr int kLevel = 9;

/// The end of the year 9999, beyond which no time of the repository can be written.
constexpr std::int64_t kLastMillisecond = 253'402'300'799'999;

Error corrupt(const std::string& why) {
  return {Side::repository, ErrorKind::corrupt, "the segment's index is damaged: " + why};
}

bool is_between(std::int64_t low, std::int64_t offset, std::int64_t high) {
  return low <= offset && offset <= high;
}

bool is_writable(Timestamp time) {
  return is_between(0, time.time_since_epoch().count(), kLastMillisecond);
}

/// Whether the items' offsets never fall and all lie in the segment.
template <typename Item>
bool are_in_order(const std::vector<Item>& items, const Segment& segment) {
  std::int64_t last = segment.begin;
  for (const Item& item : items) {
    if (!is_between(last, item.offset, segment.end)) {
      return false;
    }
    last = item.offset;
  }
  return true;
}

bool are_links_sound(const Segment& segment) {
  std::int64_t last = segment.begin;
  for (const Link& link : segment.links) {
    if (link.end <= last) {
      return false;
    }
    last = link.end;
  }
  return last == segment.end;
}

bool are_marks_sound(const Segment& segment) {
  return !segment.marks.empty() && are_in_order(segment.marks, segment) &&
         segment.marks.back().offset == segment.end &&
         std::all_of(segment.marks.begin(), segment.marks.end(),
                     [](const TimeMark& mark) { return is_writable(mark.at); });
}

bool are_ids_sound(const Segment& segment) {
  return !segment.ids.empty() && segment.ids.front().offset == segment.begin &&
         are_in_order(segment.ids, segment) &&
         std::all_of(segment.ids.begin(), segment.ids.end(),
                     [](const HistoryId& id) { return names::is_valid_lineage(id.replid); });
}

bool are_resumptions_sound(const Segment& segment) {
  return are_in_order(segment.resumptions, segment) &&
         std::all_of(segment.resumptions.begin(), segment.resumptions.end(),
                     [](const Resumption& resumption) { return is_writable(resumption.at); });
}

bool are_noted_sound(const Segment& segment) {
  std::int64_t last = segment.begin;
  for (const aof::NotedCommand& noted : segment.noted) {
    if (noted.end <= last || noted.end > segment.end ||
        !is_between(segment.begin, noted.before, noted.end - 1)) {
      return false;
    }
    last = noted.end;
  }
  return segment.noted.size() <= kMaxNoted;
}

bool are_frames_sound(const Segment& segment) {
  std::int64_t left = segment.end - segment.begin;
  for (const codec::Frame& frame : segment.frames) {
    if (frame.raw_bytes == 0 || frame.raw_bytes > kMaxSegmentFrameBytes ||
        frame.stored_bytes == 0 || frame.stored_bytes > codec::max_frame_bytes(frame.raw_bytes)) {
      return false;
    }
    left -= frame.raw_bytes;
    if (left < 0) {
      return false;
    }
  }
  return left == 0;
}

/// Whether the frames and salts are there, or just the number that stands for them in plain.
bool is_body_sound(const Segment& segment) {
  if (segment.held_bytes == 0) {
    return are_frames_sound(segment);
  }
  return segment.frames.empty() &&
         std::none_of(segment.links.begin(), segment.links.end(),
                      [](const Link& link) { return !link.salt.empty(); });
}

/// Which part of the segment is not as segment.h says; empty if all are.
std::string_view flaw_of(const Segment& segment) {
  if (!names::is_valid_source(segment.source) || !names::is_valid_source(segment.shard) ||
      !names::is_valid_lineage(segment.lineage)) {
    return "source, shard and lineage";
  }
  if (segment.begin < 0 || segment.begin >= segment.end) {
    return "begin and end";
  }
  const std::pair<bool, std::string_view> parts[] = {
      {are_ids_sound(segment), "ids"},     {are_links_sound(segment), "links"},
      {are_marks_sound(segment), "marks"}, {are_resumptions_sound(segment), "resumptions"},
      {are_noted_sound(segment), "noted"}, {is_body_sound(segment), "frames"}};
  for (const auto& [sound, name] : parts) {
    if (!sound) {
      return name;
    }
  }
  return {};
}

ordered_json to_json(const std::optional<std::uint64_t>& database) {
  return database ? ordered_json(*database) : ordered_json(nullptr);
}

/// The first time, then for each mark how far its offset and its time are from the one before;
/// `begin` and the first time are before the first.
ordered_json to_json(const std::vector<TimeMark>& marks, std::int64_t begin) {
  const std::int64_t from = marks.front().at.time_since_epoch().count();
  ordered_json deltas = ordered_json::array();
  std::int64_t offset = begin;
  std::int64_t time = from;
  for (const TimeMark& mark : marks) {
    deltas.push_back(mark.offset - std::exchange(offset, mark.offset));
    const std::int64_t at = mark.at.time_since_epoch().count();
    deltas.push_back(at - std::exchange(time, at));
  }
  return {{"from", from}, {"deltas", std::move(deltas)}};
}

ordered_json to_json(const Link& link) {
  ordered_json json = {{"end", link.end}, {"sha256", to_hex(link.sha256)}};
  if (!link.salt.empty()) {
    json["salt"] = link.salt;
  }
  return json;
}

ordered_json to_json(const Resumption& resumption) {
  return {
      {"offset", resumption.offset}, {"at", to_rfc3339(resumption.at)}, {"node", resumption.node}};
}

ordered_json to_json(const aof::NotedCommand& noted) {
  return {{"command", noted.command},
          {"database", to_json(noted.database)},
          {"before", noted.before},
          {"end", noted.end}};
}

ordered_json to_json(const codec::Frame& frame) {
  return {
      {"stored", frame.stored_bytes}, {"raw", frame.raw_bytes}, {"sha256", to_hex(frame.sha256)}};
}

template <typename Item>
ordered_json to_json(const std::vector<Item>& items) {
  ordered_json list = ordered_json::array();
  for (const Item& item : items) {
    list.push_back(to_json(item));
  }
  return list;
}

std::string to_document(const Segment& segment) {
  ordered_json document = begin_document(kSegmentKind);
  document["source"] = segment.source;
  document["shard"] = segment.shard;
  document["lineage"] = segment.lineage;
  document["begin"] = segment.begin;
  document["end"] = segment.end;
  document["database"] = to_json(segment.database);
  document["commands"] = segment.commands;
  document["ids"] = to_json(segment.ids);
  document["previous"] = to_hex(segment.previous);
  document["links"] = to_json(segment.links);
  document["marks"] = to_json(segment.marks, segment.begin);
  document["resumptions"] = to_json(segment.resumptions);
  document["noted"] = to_json(segment.noted);
  document["noted_left_out"] = segment.noted_left_out;
  document["frames"] = to_json(segment.frames);
  if (segment.held_bytes != 0) {
    document["held_bytes"] = segment.held_bytes;
  }
  return document.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

std::vector<TimeMark> read_marks(const JsonObject& in, std::int64_t begin) {
  const std::vector<std::int64_t> deltas = in.integers("deltas");
  if (deltas.size() % 2 != 0) {
    in.reject("deltas", "holds an odd number of numbers");
  }
  std::vector<TimeMark> marks;
  marks.reserve(deltas.size() / 2);
  std::int64_t offset = begin;
  auto time =
      static_cast<std::int64_t>(in.number("from", static_cast<std::uint64_t>(kLastMillisecond)));
  for (std::size_t i = 0; i < deltas.size(); i += 2) {
    if (deltas[i] < 0 || deltas[i] > std::numeric_limits<std::int64_t>::max() - offset ||
        !is_between(-time, deltas[i + 1], kLastMillisecond - time)) {
      in.reject("deltas", "leads out of range");
    }
    offset += deltas[i];
    time += deltas[i + 1];
    marks.push_back({offset, Timestamp(std::chrono::milliseconds(time))});
  }
  return marks;
}

Link read_link(const JsonObject& in) {
  Link link{.end = read_offset(in, "end"), .sha256 = read_digest(in, "sha256")};
  if (in.has("salt")) {
    link.salt = in.hex("salt", kSaltDigits);
  }
  return link;
}

Resumption read_resumption(const JsonObject& in) {
  return {read_offset(in, "offset"), in.time("at"), in.text("node")};
}

aof::NotedCommand read_noted(const JsonObject& in) {
  return {in.text("command"), in.optional_number("database"), read_offset(in, "before"),
          read_offset(in, "end")};
}

codec::Frame read_frame(const JsonObject& in) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint32_t>::max();
  return {static_cast<std::uint32_t>(in.number("stored", kMost)),
          static_cast<std::uint32_t>(in.number("raw", kMost)), read_digest(in, "sha256")};
}

Segment read_document(ByteView json) {
  const JsonDocument document(json, "the segment's index", kSegmentKind);
  const JsonObject& root = document.root();
  Segment segment;
  segment.source = root.text("source");
  segment.shard = root.text("shard");
  segment.lineage = root.text("lineage");
  segment.begin = read_offset(root, "begin");
  segment.end = read_offset(root, "end");
  segment.database = root.optional_number("database");
  segment.commands = root.number("commands");
  segment.ids = read_list(root, "ids", read_history_id);
  segment.previous = read_digest(root, "previous");
  segment.links = read_list(root, "links", read_link);
  segment.marks = read_marks(root.object("marks"), segment.begin);
  segment.resumptions = read_list(root, "resumptions", read_resumption);
  segment.noted = read_list(root, "noted", read_noted);
  segment.noted_left_out = root.number("noted_left_out");
  segment.frames = read_list(root, "frames", read_frame);
  segment.held_bytes = root.has("held_bytes") ? root.number("held_bytes") : 0;
  if (const std::string_view flaw = flaw_of(segment); !flaw.empty()) {
    throw corrupt(fmt::format("{} do not fit the rest", flaw));
  }
  return segment;
}

void put(Bytes& out, std::uint64_t number, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; ++i) {
    out.push_back(static_cast<std::byte>(number >> (8 * i)));
  }
}

void put(Bytes& out, ByteView bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

std::uint64_t number_at(ByteView bytes, std::size_t at, std::size_t count) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < count; ++i) {
    value |= std::to_integer<std::uint64_t>(bytes[at + i]) << (8 * i);
  }
  return value;
}

/// The last bytes of an object, taken apart.
struct Trailer {
  ByteView sha256;
  std::uint64_t frame_bytes = 0;
};

Trailer read_trailer(ByteView trailer) {
  if (as_text(trailer.last(kSignature.size())) != kSignature) {
    throw corrupt("it doesn't end with its signature");
  }
  const std::uint64_t version = number_at(trailer, 32 + 8, 4);
  if (version > kVersion) {
    throw Error(Side::repository, ErrorKind::incompatible,
                fmt::format("the segment's index was written in version {}, this Keyrewind reads "
                            "up to {}; use a newer one",
                            version, kVersion));
  }
  if (version != kVersion) {
    throw corrupt("its version is wrong");
  }
  const std::uint64_t frame_bytes = number_at(trailer, 32, 8);
  if (frame_bytes > kMaxSegmentIndexBytes) {
    throw corrupt(fmt::format("it would have {} bytes", frame_bytes));
  }
  return {trailer.first(32), frame_bytes};
}

/// Checks all but the JSON, and returns the frame that holds it.
ByteView frame_of(ByteView index, const Trailer& trailer) {
  if (number_at(index, 0, 4) != kMagic) {
    throw corrupt("it doesn't begin with its magic number");
  }
  if (number_at(index, 4, 4) != trailer.frame_bytes + kTrailerBytes) {
    throw corrupt("its length field is wrong");
  }
  const ByteView frame = index.subspan(kHeadBytes, static_cast<std::size_t>(trailer.frame_bytes));
  if (codec::sha256_hex(frame) != to_hex(trailer.sha256)) {
    throw corrupt("its SHA-256 is wrong");
  }
  return frame;
}

Bytes inflate(ByteView frame) {
  try {
    const std::uint64_t bytes = codec::stated_raw_bytes(frame);
    if (bytes > kMaxSegmentIndexBytes) {
      throw corrupt(fmt::format("it would hold {} bytes", bytes));
    }
    Bytes json;
    codec::FrameInflater().inflate(frame, static_cast<std::size_t>(bytes), json);
    return json;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::corrupt || error.side() == Side::repository) {
      throw;
    }
    throw corrupt(error.what());
  }
}

}  // namespace

Segment plain_part(const Segment& segment, std::uint64_t held_bytes) {
  Segment plain = segment;
  plain.frames.clear();
  plain.held_bytes = held_bytes;
  for (Link& link : plain.links) {
    link.salt.clear();
  }
  return plain;
}

Bytes encode_segment_index(const Segment& segment) {
  if (const std::string_view flaw = flaw_of(segment); !flaw.empty()) {
    throw Error(ErrorKind::internal,
                fmt::format("the {} of a segment from {} to {} do not fit the rest", flaw,
                            segment.begin, segment.end));
  }
  const std::string json = to_document(segment);
  Bytes frame;
  codec::FrameCompressor(kLevel).compress(as_bytes(json), frame);
  if (json.size() > kMaxSegmentIndexBytes || frame.size() > kMaxSegmentIndexBytes) {
    throw Error(ErrorKind::failed,
                fmt::format("the index of a segment from {} to {} would have {} bytes, more than "
                            "{}",
                            segment.begin, segment.end, json.size(), kMaxSegmentIndexBytes));
  }
  codec::Sha256 hash;
  hash.feed(frame);
  Bytes index;
  index.reserve(kHeadBytes + frame.size() + kTrailerBytes);
  put(index, kMagic, 4);
  put(index, frame.size() + kTrailerBytes, 4);
  put(index, frame);
  put(index, hash.digest());
  put(index, frame.size(), 8);
  put(index, kVersion, 4);
  put(index, as_bytes(kSignature));
  return index;
}

SegmentTail decode_segment_index(ByteView tail) {
  SegmentTail result;
  result.needed = kHeadBytes + kTrailerBytes;
  if (tail.size() < result.needed) {
    return result;
  }
  const Trailer trailer = read_trailer(tail.last(kTrailerBytes));
  result.needed += trailer.frame_bytes;
  if (tail.size() < result.needed) {
    return result;
  }
  const ByteView index = tail.last(static_cast<std::size_t>(result.needed));
  result.segment = read_document(inflate(frame_of(index, trailer)));
  result.index_bytes = std::exchange(result.needed, 0);
  return result;
}

}  // namespace keyrewind::catalog
