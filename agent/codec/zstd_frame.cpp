#include "codec/zstd_frame.h"

#include "base/error.h"

#include <fmt/format.h>
#include <zstd.h>

#include <cstdint>
#include <string>

namespace keyrewind::codec {
namespace {

/// RFC 8878, section 3.1.1: the first bytes of a frame, skippable ones excluded.
constexpr std::uint32_t kFrameMagic = ZSTD_MAGICNUMBER;

void check(std::size_t result, const char* doing) {
  if (ZSTD_isError(result) != 0) {
    throw Error(ErrorKind::internal, fmt::format("{}: {}", doing, ZSTD_getErrorName(result)));
  }
}

Error corrupt(const std::string& why) {
  return {ErrorKind::corrupt, "a compressed frame is damaged: " + why};
}

bool begins_with_frame_magic(ByteView frame) {
  std::uint32_t magic = 0;
  if (frame.size() < sizeof magic) {
    return false;
  }
  for (std::size_t i = 0; i < sizeof magic; ++i) {
    magic |= std::to_integer<std::uint32_t>(frame[i]) << (8 * i);
  }
  return magic == kFrameMagic;
}

/// Throws unless `frame` is one whole frame, nothing behind it, that says it holds `raw_bytes`.
void check_header(ByteView frame, std::size_t raw_bytes) {
  const std::uint64_t content = stated_raw_bytes(frame);
  if (content != raw_bytes) {
    throw corrupt(fmt::format("it holds {} bytes where {} are expected", content, raw_bytes));
  }
  const std::size_t length = ZSTD_findFrameCompressedSize(frame.data(), frame.size());
  if (ZSTD_isError(length) != 0) {
    throw corrupt(ZSTD_getErrorName(length));
  }
  if (length != frame.size()) {
    throw corrupt(fmt::format("{} bytes follow its end", frame.size() - length));
  }
}

}  // namespace

void FrameCompressor::Free::operator()(ZSTD_CCtx_s* context) const noexcept {
  ZSTD_freeCCtx(context);
}

FrameCompressor::FrameCompressor(int level) : context_(ZSTD_createCCtx()) {
  if (!context_) {
    throw Error(ErrorKind::failed, "no memory for a Zstandard compressor");
  }
  check(ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_compressionLevel, level),
        "compression level");
  check(ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_checksumFlag, 1), "frame checksum");
  check(ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_contentSizeFlag, 1), "frame content size");
}

void FrameCompressor::compress(ByteView raw, Bytes& frame) {
  // Growing zero-fills what the last frame left free. That is 0.05 ms for 4 MiB, under 1 % of the
  // compression; a scratch buffer to copy from costs as much, and 4 MiB a thread.
  frame.resize(max_frame_bytes(raw.size()));
  const std::size_t length =
      ZSTD_compress2(context_.get(), frame.data(), frame.size(), raw.data(), raw.size());
  check(length, "compress a frame");
  frame.resize(length);
}

void FrameInflater::Free::operator()(ZSTD_DCtx_s* context) const noexcept {
  ZSTD_freeDCtx(context);
}

FrameInflater::FrameInflater() : context_(ZSTD_createDCtx()) {
  if (!context_) {
    throw Error(ErrorKind::failed, "no memory for a Zstandard decompressor");
  }
}

void FrameInflater::inflate(ByteView frame, std::size_t raw_bytes, Bytes& raw) {
  check_header(frame, raw_bytes);
  raw.resize(raw_bytes);
  const std::size_t length =
      ZSTD_decompressDCtx(context_.get(), raw.data(), raw.size(), frame.data(), frame.size());
  if (ZSTD_isError(length) != 0) {
    throw corrupt(ZSTD_getErrorName(length));
  }
  if (length != raw_bytes) {
    throw corrupt(fmt::format("it gave {} bytes where {} are expected", length, raw_bytes));
  }
}

std::uint64_t stated_raw_bytes(ByteView frame) {
  if (!begins_with_frame_magic(frame)) {
    throw corrupt("it doesn't begin like a Zstandard frame");
  }
  const unsigned long long content = ZSTD_getFrameContentSize(frame.data(), frame.size());
  if (content == ZSTD_CONTENTSIZE_ERROR || content == ZSTD_CONTENTSIZE_UNKNOWN) {
    throw corrupt("it doesn't say how much it holds");
  }
  return content;
}

std::size_t max_frame_bytes(std::size_t raw_bytes) {
  return ZSTD_compressBound(raw_bytes);
}

}  // namespace keyrewind::codec
