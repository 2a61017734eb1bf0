#pragma once

#include "base/bytes.h"

#include <cstdint>
#include <string_view>

namespace keyrewind::catalog {

/// A page's JSON as it is stored: one Zstandard frame with a content checksum.
Bytes deflate_page(std::string_view json);

/// The JSON again. Throws Error(Side::repository, corrupt) if the frame is damaged or would hold
/// more than `max_bytes`.
Bytes inflate_page(ByteView frame, std::uint64_t max_bytes);

}  // namespace keyrewind::catalog
