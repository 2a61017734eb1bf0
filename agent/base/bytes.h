#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace keyrewind {

/// Owned bytes, and a view of bytes owned elsewhere.
using Bytes = std::vector<std::byte>;
using ByteView = std::span<const std::byte>;

/// The bytes of `text`, which must outlive the view.
inline ByteView as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}

/// The same bytes as text, valid as long as `bytes` are.
inline std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Lower-case hexadecimal, two digits a byte.
std::string to_hex(ByteView bytes);

}  // namespace keyrewind
