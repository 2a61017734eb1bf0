#pragma once

#include "base/clock.h"

#include <optional>
#include <string>

namespace keyrewind::s3 {

/// Reads a Date header, "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, section 5.6.7). Nothing if it is
/// anything else.
std::optional<Timestamp> from_http_date(const std::string& text);

}  // namespace keyrewind::s3
