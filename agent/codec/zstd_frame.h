#pragma once

#include "base/bytes.h"

#include <cstddef>
#include <cstdint>
#include <memory>

struct ZSTD_CCtx_s;
struct ZSTD_DCtx_s;

namespace keyrewind::codec {

/// Compresses pieces into Zstandard frames (RFC 8878) that stand alone: each has its content
/// size and a content checksum, and any of them can be inflated without the others.
class FrameCompressor {
 public:
  /// `level` is Zstandard's own, from 1 (fast) to 19 (small).
  explicit FrameCompressor(int level);

  /// Compresses `raw` to one frame that replaces the content of `frame`.
  void compress(ByteView raw, Bytes& frame);

 private:
  struct Free {
    void operator()(ZSTD_CCtx_s* context) const noexcept;
  };

  std::unique_ptr<ZSTD_CCtx_s, Free> context_;
};

/// Inflates frames that FrameCompressor made.
class FrameInflater {
 public:
  FrameInflater();

  /// Inflates `frame` into `raw`, which becomes exactly `raw_bytes` long.
  /// Throws Error(corrupt) if the frame does not inflate to just that many bytes.
  void inflate(ByteView frame, std::size_t raw_bytes, Bytes& raw);

 private:
  struct Free {
    void operator()(ZSTD_DCtx_s* context) const noexcept;
  };

  std::unique_ptr<ZSTD_DCtx_s, Free> context_;
};

/// How much `frame` says that it holds, which is all that a reader knows before it inflates it.
/// Throws Error(corrupt) if it doesn't begin like a frame of FrameCompressor's.
std::uint64_t stated_raw_bytes(ByteView frame);

/// The most bytes that a frame of `raw_bytes` can have.
std::size_t max_frame_bytes(std::size_t raw_bytes);

}  // namespace keyrewind::codec
