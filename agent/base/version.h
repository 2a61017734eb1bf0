#pragma once

#include <string_view>

namespace keyrewind {

/// The release of this program, such as "0.1.0".
std::string_view version() noexcept;

/// The commit that the build was configured at, such as "3a7cd1c2f0b4"; "unknown" outside a
/// repository.
std::string_view revision() noexcept;

/// Of this program: "GNU 12.2.0".
std::string_view compiler() noexcept;

}  // namespace keyrewind
