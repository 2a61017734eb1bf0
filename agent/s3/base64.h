#pragma once

#include "base/bytes.h"

#include <string>

namespace keyrewind::s3 {

/// RFC 4648, with padding.
std::string to_base64(ByteView bytes);

}  // namespace keyrewind::s3
