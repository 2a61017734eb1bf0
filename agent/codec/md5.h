#pragma once

#include "base/bytes.h"

#include <array>
#include <cstddef>

namespace keyrewind::codec {

/// The MD5 of `bytes`: not for security, but for protocols that want one (Content-MD5 of S3).
std::array<std::byte, 16> md5(ByteView bytes);

}  // namespace keyrewind::codec
