#pragma once

#include "aof/framer.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "codec/frame_index.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

/// Segments: the stored pieces of a lineage's log. FORMAT.md, section "The segment object".
namespace keyrewind::catalog {

using Digest = std::array<std::byte, 32>;

/// All of the stream up to `offset` had arrived by `at`, by the clock of the agent's machine.
struct TimeMark {
  std::int64_t offset = 0;
  Timestamp at{};

  bool operator==(const TimeMark&) const = default;
};

/// From `offset` on the history goes by this replication id.
struct HistoryId {
  std::int64_t offset = 0;
  std::string replid;

  bool operator==(const HistoryId&) const = default;
};

/// The stream was taken up again at `offset`: nobody saw when what follows was written, from the
/// last mark before until `at`.
struct Resumption {
  std::int64_t offset = 0;
  Timestamp at{};
  std::string node;  ///< "10.0.0.7:6379": from where it is read since.

  bool operator==(const Resumption&) const = default;
};

/// One piece of the stream as it was sealed: a link of the hash chain. It begins where the link
/// before ends.
struct Link {
  std::int64_t end = 0;
  Digest sha256{};  ///< Of the salt's digits, if there is one, and the raw bytes.
  /// 32 random hexadecimal digits: they keep a digest that stands in plain from telling what an
  /// encrypted segment holds. Empty of others, and in the plain index.
  std::string salt{};

  bool operator==(const Link&) const = default;
};

/// What a segment says of itself: everything but the bytes. It covers the stream from the offset
/// `begin` to `end`, both safe to cut at.
struct Segment {
  std::string source;
  std::string shard;
  std::string lineage;
  std::int64_t begin = 0;
  std::int64_t end = 0;
  std::optional<std::uint64_t> database;  ///< Selected at `begin`, if known.
  std::uint64_t commands = 0;
  std::vector<HistoryId> ids;   ///< The first one stands at `begin`.
  Digest previous{};            ///< The chain before this segment.
  std::vector<Link> links;      ///< At least one.
  std::vector<TimeMark> marks;  ///< In the order of offsets; the last one stands at `end`.
  std::vector<Resumption> resumptions;
  std::vector<aof::NotedCommand> noted;
  std::uint64_t noted_left_out = 0;  ///< Further ones, beyond kMaxNoted.
  std::vector<codec::Frame> frames;  ///< In the order of the object; each stands alone.
  /// Not 0 in the plain index of an encrypted segment, which has neither frames nor salts: how many
  /// bytes the object holds, at whose end the whole index stands.
  std::uint64_t held_bytes = 0;

  bool operator==(const Segment&) const = default;
};

inline constexpr std::size_t kMaxNoted = 10000;

/// The most that one frame of a segment holds.
inline constexpr std::uint32_t kMaxSegmentFrameBytes = 4U << 20U;

/// The chain at the beginning of a lineage's log: SHA-256 of "keyrewind log <lineage> <offset>".
Digest chain_start(const std::string& lineage, std::int64_t offset);

/// The chain behind `link`: SHA-256 of the chain before it, `end` as 8 bytes little-endian, and the
/// link's SHA-256.
Digest chain_after(const Digest& before, const Link& link);

/// The chain behind the segment, folded over all its links.
Digest chain_end(const Segment& segment);

/// When all of the stream up to `offset` had arrived: the time of the first mark that reaches it.
Timestamp arrival(const Segment& segment, std::int64_t offset);

/// What of an index may stand in plain beside the encrypted object that holds `held_bytes`.
Segment plain_part(const Segment& segment, std::uint64_t held_bytes);

/// The index as it stands at the end of the object: a Zstandard skippable frame that holds a
/// Zstandard frame of JSON, its SHA-256, lengths and a signature.
/// Throws Error(internal) if the segment is not whole as its fields above say, and Error(failed) if
/// its index would be larger than kMaxSegmentIndexBytes.
Bytes encode_segment_index(const Segment& segment);

/// An index, if it is all there.
struct SegmentTail {
  std::optional<Segment> segment;
  std::uint64_t index_bytes = 0;  ///< How many it has in all; known with the segment.
  std::uint64_t needed = 0;       ///< If there is no segment: how many bytes from the end it takes.
};

/// Reads an index from the last bytes of an object, as many as there are or more. Throws
/// Error(Side::repository, corrupt) if it is none or is damaged, incompatible if it is newer.
SegmentTail decode_segment_index(ByteView tail);

/// The most that an index may have, inflated and as stored.
inline constexpr std::uint64_t kMaxSegmentIndexBytes = 16U << 20U;

}  // namespace keyrewind::catalog
