#include "codec/frame_index.h"

#include "base/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <string>
#include <string_view>

namespace keyrewind::codec {
namespace {

// Written to every snapshot: FORMAT.md, section "Frame index".
constexpr std::uint32_t kMagic =
    0x184D2A5B;  // RFC 8878, section 3.1.2: one of 16 for skippable frames.
constexpr std::uint32_t kVersion = 1;
constexpr std::string_view kSignature = "KRWINDEX";
constexpr std::size_t kHeadBytes = 4 + 4;
constexpr std::size_t kFrameBytes = 4 + 4 + 32;
constexpr std::size_t kTailBytes = 4 + 4 + kSignature.size();

void put(Bytes& out, std::uint32_t number) {
  for (int shift = 0; shift < 32; shift += 8) {
    out.push_back(static_cast<std::byte>(number >> shift));
  }
}

void put(Bytes& out, ByteView bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

/// Takes the index apart from its front; the caller has checked the length.
class Reader {
 public:
  explicit Reader(ByteView bytes) : bytes_(bytes) {}

  std::uint32_t number() {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      value |= std::to_integer<std::uint32_t>(bytes_[i]) << (8 * i);
    }
    bytes_ = bytes_.subspan(4);
    return value;
  }

  ByteView take(std::size_t count) {
    const ByteView head = bytes_.first(count);
    bytes_ = bytes_.subspan(count);
    return head;
  }

 private:
  ByteView bytes_;
};

Error corrupt(const std::string& why) {
  return {ErrorKind::corrupt, "a frame index is damaged: " + why};
}

bool is_sound(const Frame& frame) {
  return frame.stored_bytes > 0 && frame.raw_bytes > 0 && frame.raw_bytes <= kMaxFrameRawBytes;
}

/// Checks all but the frames themselves, and returns how many there are.
std::size_t check_shape(ByteView index) {
  if (index.size() < kHeadBytes + kTailBytes) {
    throw corrupt(fmt::format("it has only {} bytes", index.size()));
  }
  Reader head(index.first(kHeadBytes));
  if (head.number() != kMagic) {
    throw corrupt("it doesn't begin with its magic number");
  }
  if (head.number() != index.size() - kHeadBytes) {
    throw corrupt("its length field is wrong");
  }
  Reader tail(index.last(kTailBytes));
  const std::uint32_t count = tail.number();
  const std::uint32_t version = tail.number();
  if (as_text(tail.take(kSignature.size())) != kSignature) {
    throw corrupt("it doesn't end with its signature");
  }
  if (version > kVersion) {
    throw Error(ErrorKind::incompatible,
                fmt::format("a frame index was written in version {}, this Keyrewind reads up to "
                            "{}; use a newer one",
                            version, kVersion));
  }
  if (version != kVersion) {
    throw corrupt("its version is wrong");
  }
  if (index.size() - kHeadBytes - kTailBytes != count * std::uint64_t{kFrameBytes}) {
    throw corrupt(fmt::format("it has no room for the {} frames that it counts", count));
  }
  return count;
}

}  // namespace

Bytes encode_frame_index(const std::vector<Frame>& frames) {
  const std::size_t length = frames.size() * kFrameBytes + kTailBytes;
  if (length > std::numeric_limits<std::uint32_t>::max() ||
      !std::all_of(frames.begin(), frames.end(), is_sound)) {
    throw Error(ErrorKind::internal, "these frames fit in no frame index");
  }
  Bytes index;
  index.reserve(kHeadBytes + length);
  put(index, kMagic);
  put(index, static_cast<std::uint32_t>(length));
  for (const Frame& frame : frames) {
    put(index, frame.stored_bytes);
    put(index, frame.raw_bytes);
    put(index, frame.sha256);
  }
  put(index, static_cast<std::uint32_t>(frames.size()));
  put(index, kVersion);
  put(index, as_bytes(kSignature));
  return index;
}

std::vector<Frame> decode_frame_index(ByteView index) {
  std::vector<Frame> frames(check_shape(index));
  Reader reader(index.subspan(kHeadBytes));
  for (Frame& frame : frames) {
    frame.stored_bytes = reader.number();
    frame.raw_bytes = reader.number();
    const ByteView sha256 = reader.take(frame.sha256.size());
    std::copy(sha256.begin(), sha256.end(), frame.sha256.begin());
    if (!is_sound(frame)) {
      throw corrupt(fmt::format("it has a frame of {} bytes that holds {}", frame.stored_bytes,
                                frame.raw_bytes));
    }
  }
  return frames;
}

}  // namespace keyrewind::codec
