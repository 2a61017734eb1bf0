#pragma once

#include "base/bytes.h"

#include <array>
#include <cstddef>

namespace keyrewind::codec {

/// HMAC-SHA-256 of `message` (RFC 2104). Either may be empty.
std::array<std::byte, 32> hmac_sha256(ByteView key, ByteView message);

}  // namespace keyrewind::codec
