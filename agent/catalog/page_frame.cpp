#include "catalog/page_frame.h"

#include "base/error.h"
#include "codec/zstd_frame.h"

#include <fmt/format.h>

namespace keyrewind::catalog {
namespace {

/// Pages are written once and read often.
constexpr int kLevel = 9;

}  // namespace

Bytes deflate_page(std::string_view json) {
  Bytes frame;
  codec::FrameCompressor(kLevel).compress(as_bytes(json), frame);
  return frame;
}

Bytes inflate_page(ByteView frame, std::uint64_t max_bytes) {
  const auto corrupt = [](std::string_view why) {
    return Error(Side::repository, ErrorKind::corrupt, fmt::format("the page is damaged: {}", why));
  };
  try {
    const std::uint64_t bytes = codec::stated_raw_bytes(frame);
    if (bytes > max_bytes) {
      throw corrupt(fmt::format("it would hold {} bytes", bytes));
    }
    Bytes json;
    codec::FrameInflater().inflate(frame, static_cast<std::size_t>(bytes), json);
    return json;
  } catch (const Error& error) {
    throw corrupt(error.what());
  }
}

}  // namespace keyrewind::catalog
