#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace keyrewind::api {

/// What RFC 4648's base64 with padding stands for. Nothing if `text` is anything else.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace keyrewind::api
