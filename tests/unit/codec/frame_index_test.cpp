#include "codec/frame_index.h"

#include "base/error.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace keyrewind::codec {
namespace {

std::vector<Frame> some_frames(std::size_t count) {
  std::vector<Frame> frames(count);
  for (std::size_t i = 0; i < count; ++i) {
    frames[i].stored_bytes = static_cast<std::uint32_t>(1000 + i);
    frames[i].raw_bytes = static_cast<std::uint32_t>(4000 + 3 * i);
    frames[i].sha256.fill(static_cast<std::byte>(i + 1));
  }
  return frames;
}

/// How decoding `index` fails; nothing if it does not.
std::optional<ErrorKind> failure_of(ByteView index) {
  try {
    (void)decode_frame_index(index);
    return std::nullopt;
  } catch (const Error& error) {
    return error.kind();
  }
}

void put_number(Bytes& index, std::size_t at, std::uint32_t number) {
  for (std::size_t i = 0; i < 4; ++i) {
    index[at + i] = static_cast<std::byte>(number >> (8 * i));
  }
}

TEST(FrameIndex, GivesBackItsFrames) {
  for (const std::size_t count : {0U, 1U, 2U, 1000U}) {
    EXPECT_EQ(decode_frame_index(encode_frame_index(some_frames(count))), some_frames(count));
  }
}

TEST(FrameIndex, HasTheBytesThatTheFormatSays) {
  Frame frame;
  frame.stored_bytes = 0x01020304;
  frame.raw_bytes = 0x00a0b0c0;
  frame.sha256.fill(std::byte{0x77});

  const Bytes index = encode_frame_index({frame});

  EXPECT_EQ(to_hex(index),
            "5b2a4d18"                                                          // magic
            "38000000"                                                          // length 56
            "04030201"                                                          // stored_bytes
            "c0b0a000"                                                          // raw_bytes
            "7777777777777777777777777777777777777777777777777777777777777777"  // sha256
            "01000000"                                                          // count
            "01000000"                                                          // version
            "4b5257494e444558");                                                // KRWINDEX
}

TEST(FrameIndex, ShowsEveryTruncation) {
  const Bytes index = encode_frame_index(some_frames(3));

  for (std::size_t length = 0; length < index.size(); ++length) {
    EXPECT_EQ(failure_of(ByteView(index).first(length)), ErrorKind::corrupt) << length;
    EXPECT_EQ(failure_of(ByteView(index).subspan(index.size() - length)), ErrorKind::corrupt)
        << length;
  }
}

TEST(FrameIndex, NeverReadsAFlippedBitAsTheSameFrames) {
  const std::vector<Frame> frames = some_frames(3);
  const Bytes index = encode_frame_index(frames);

  for (std::size_t bit = 0; bit < index.size() * 8; ++bit) {
    Bytes damaged = index;
    damaged[bit / 8] ^= std::byte{1} << (bit % 8);
    try {
      EXPECT_NE(decode_frame_index(damaged), frames) << "bit " << bit;
    } catch (const Error&) {
      // Seen at once. What is not, the SHA-256 of the index shows.
    }
  }
}

TEST(FrameIndex, IsRefusedWithAnythingBehindIt) {
  Bytes index = encode_frame_index(some_frames(3));
  index.push_back(std::byte{0});

  EXPECT_EQ(failure_of(index), ErrorKind::corrupt);
}

TEST(FrameIndex, BelievesNoCountThatItHasNoRoomFor) {
  Bytes index = encode_frame_index(some_frames(3));
  for (const std::uint32_t count : {0U, 2U, 4U, 0x06666669U, 0xffffffffU}) {
    put_number(index, index.size() - 16, count);
    EXPECT_EQ(failure_of(index), ErrorKind::corrupt) << count;
  }
}

TEST(FrameIndex, SaysThatItIsNewer) {
  Bytes index = encode_frame_index(some_frames(3));

  put_number(index, index.size() - 12, 2);
  EXPECT_EQ(failure_of(index), ErrorKind::incompatible);

  put_number(index, index.size() - 12, 0);
  EXPECT_EQ(failure_of(index), ErrorKind::corrupt);
}

TEST(FrameIndex, HoldsNoFrameThatIsEmptyOrAbsurdlyLarge) {
  const Bytes sound = encode_frame_index(some_frames(1));
  const std::size_t stored_bytes = 8;
  const std::size_t raw_bytes = 12;

  for (const auto& [at, number] : std::vector<std::pair<std::size_t, std::uint32_t>>{
           {stored_bytes, 0}, {raw_bytes, 0}, {raw_bytes, kMaxFrameRawBytes + 1}}) {
    Bytes index = sound;
    put_number(index, at, number);
    EXPECT_EQ(failure_of(index), ErrorKind::corrupt);
  }
  EXPECT_THROW((void)encode_frame_index({Frame{}}), Error);
}

}  // namespace
}  // namespace keyrewind::codec
