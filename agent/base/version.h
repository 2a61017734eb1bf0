#pragma once

#include <string_view>

namespace keyrewind {

/// The release of this program, such as "0.1.0".
std::string_view version() noexcept;

}  // namespace keyrewind
