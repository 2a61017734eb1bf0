#pragma once

#include "base/bytes.h"

#include <array>
#include <cstdint>
#include <vector>

namespace keyrewind::codec {

/// One frame of a framed object: where it comes from follows from the sizes of those before it.
struct Frame {
  std::uint32_t stored_bytes = 0;
  std::uint32_t raw_bytes = 0;
  std::array<std::byte, 32> sha256{};  ///< Of the stored bytes.

  bool operator==(const Frame&) const = default;
};

/// The most that one frame may hold, so that no index can ask its reader for an absurd allocation.
inline constexpr std::uint32_t kMaxFrameRawBytes = 64U << 20;

/// The table of frames that stands at the end of a framed object as a Zstandard skippable frame,
/// so that `zstd -d` of the whole object still gives the plain data. FORMAT.md specifies the bytes.
///
///   magic     4  0x184D2A5B, little-endian as all numbers here (RFC 8878, skippable frame)
///   length    4  bytes that follow
///   frames    n × (stored_bytes 4, raw_bytes 4, sha256 32)
///   count     4  n
///   version   4  1
///   signature 8  "KRWINDEX"
///
/// No frame is empty or holds more than kMaxFrameRawBytes; `frames` must keep to that.
Bytes encode_frame_index(const std::vector<Frame>& frames);

/// Reads what `encode_frame_index` wrote, all of it and nothing else.
/// Throws Error(corrupt) if it is anything else, Error(incompatible) if its version is newer.
std::vector<Frame> decode_frame_index(ByteView index);

}  // namespace keyrewind::codec
