#include "codec/zstd_frame.h"

#include "base/error.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

namespace keyrewind::codec {
namespace {

Bytes bytes_of(std::string_view text) {
  const ByteView view = as_bytes(text);
  return {view.begin(), view.end()};
}

Bytes noise(std::size_t count) {
  Bytes bytes(count);
  std::uint32_t state = 1;
  for (std::byte& byte : bytes) {
    state = state * 1664525 + 1013904223;
    byte = static_cast<std::byte>(state >> 24);
  }
  return bytes;
}

Bytes compress(ByteView raw, int level = 1) {
  Bytes frame;
  FrameCompressor(level).compress(raw, frame);
  return frame;
}

/// What `frame` inflates to; nothing if it is called corrupt.
std::optional<Bytes> inflate(ByteView frame, std::size_t raw_bytes) {
  Bytes raw;
  try {
    FrameInflater().inflate(frame, raw_bytes, raw);
    return raw;
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::corrupt) << error.what();
    return std::nullopt;
  }
}

TEST(Frame, GivesBackWhatWentIn) {
  for (const Bytes& raw : {Bytes(), bytes_of("a"), Bytes(5U << 20), noise(1'000'003)}) {
    for (const int level : {1, 19}) {
      const Bytes frame = compress(raw, level);

      EXPECT_LE(frame.size(), max_frame_bytes(raw.size()));
      EXPECT_TRUE(inflate(frame, raw.size()) == raw) << raw.size() << " bytes at level " << level;
    }
  }
}

TEST(Frame, SaysHowMuchItHolds) {
  EXPECT_EQ(stated_raw_bytes(compress(Bytes(1'000'003))), 1'000'003U);
  EXPECT_EQ(stated_raw_bytes(compress(Bytes())), 0U);
  const Bytes frame = compress(noise(100));
  for (std::size_t length = 0; length < 6; ++length) {
    EXPECT_THROW((void)stated_raw_bytes(ByteView(frame).first(length)), Error) << length;
  }
  EXPECT_THROW((void)stated_raw_bytes(as_bytes("anything else")), Error);
}

TEST(Frame, StandsAlone) {
  FrameCompressor compressor(1);
  Bytes first;
  Bytes second;
  compressor.compress(as_bytes("the same text"), first);
  compressor.compress(as_bytes("another text, longer than that"), second);
  compressor.compress(as_bytes("the same text"), second);

  EXPECT_EQ(first, second);
  EXPECT_EQ(inflate(second, 13), bytes_of("the same text"));
}

TEST(Frame, ReusesItsBuffers) {
  FrameCompressor compressor(1);
  FrameInflater inflater;
  const Bytes large = noise(100'000);
  Bytes frame;
  Bytes raw;

  compressor.compress(large, frame);
  inflater.inflate(frame, large.size(), raw);
  compressor.compress(as_bytes("small"), frame);
  inflater.inflate(frame, 5, raw);

  EXPECT_EQ(raw, bytes_of("small"));
}

TEST(Frame, IsRefusedWhereItHoldsAnotherNumberOfBytes) {
  const Bytes frame = compress(as_bytes("some text"));

  EXPECT_EQ(inflate(frame, 8), std::nullopt);
  EXPECT_EQ(inflate(frame, 10), std::nullopt);
  EXPECT_EQ(inflate(frame, 0), std::nullopt);
}

TEST(Frame, AllocatesNothingThatItDoesNotHold) {
  const Bytes frame = compress(as_bytes("some text"));
  Bytes raw;

  EXPECT_THROW(FrameInflater().inflate(frame, std::size_t{1} << 50, raw), Error);

  EXPECT_EQ(raw.capacity(), 0U);
}

TEST(Frame, IsRefusedWithAnythingBehindIt) {
  const Bytes frame = compress(as_bytes("some text"));

  Bytes with_a_byte = frame;
  with_a_byte.push_back(std::byte{0});
  EXPECT_EQ(inflate(with_a_byte, 9), std::nullopt);

  Bytes twice = frame;
  twice.insert(twice.end(), frame.begin(), frame.end());
  EXPECT_EQ(inflate(twice, 9), std::nullopt);
  EXPECT_EQ(inflate(twice, 18), std::nullopt);
}

TEST(Frame, IsNoSkippableFrame) {
  const Bytes skippable = bytes_of(std::string_view("\x5b\x2a\x4d\x18\x00\x00\x00\x00", 8));

  EXPECT_EQ(inflate(skippable, 0), std::nullopt);
  EXPECT_EQ(inflate({}, 0), std::nullopt);
}

TEST(Frame, ShowsEveryTruncation) {
  const Bytes raw = noise(3000);
  const Bytes frame = compress(raw);

  for (std::size_t length = 0; length < frame.size(); ++length) {
    EXPECT_EQ(inflate(ByteView(frame).first(length), raw.size()), std::nullopt) << length;
  }
}

TEST(Frame, ShowsEveryFlippedBit) {
  std::string text;
  for (int i = 0; i < 200; ++i) {
    text += "key:" + std::to_string(i * 7919);
  }
  const Bytes raw = bytes_of(text);
  const Bytes frame = compress(raw);

  for (std::size_t bit = 0; bit < frame.size() * 8; ++bit) {
    Bytes damaged = frame;
    damaged[bit / 8] ^= std::byte{1} << (bit % 8);
    // A bit of the header may be unused, so it may inflate, but then to the same bytes.
    const std::optional<Bytes> inflated = inflate(damaged, raw.size());
    EXPECT_TRUE(!inflated || *inflated == raw) << "bit " << bit;
  }
}

TEST(FrameInflater, WorksOnAfterADamagedFrame) {
  const Bytes raw = noise(3000);
  const Bytes frame = compress(raw);
  Bytes damaged = frame;
  damaged[frame.size() / 2] ^= std::byte{1};
  FrameInflater inflater;
  Bytes inflated;

  EXPECT_THROW(inflater.inflate(damaged, raw.size(), inflated), Error);
  inflater.inflate(frame, raw.size(), inflated);

  EXPECT_EQ(inflated, raw);
}

}  // namespace
}  // namespace keyrewind::codec
