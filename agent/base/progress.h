#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

namespace keyrewind {

/// How far a long run has come: written by the threads that work, read by the one that shows it.
/// A total of 0 is not known.
struct Progress {
  std::atomic<std::uint64_t> bytes{0};  ///< Of the RDB, uncompressed.
  std::atomic<std::uint64_t> total_bytes{0};
  std::atomic<std::uint64_t> keys{0};
  std::atomic<std::uint64_t> total_keys{0};

  /// Between 0 and 1, if a total is known. A server that streams while it saves does not know its
  /// RDB's length, but says how many keys it has.
  std::optional<double> fraction() const noexcept {
    const auto part = [](std::uint64_t done, std::uint64_t total) {
      return done >= total ? 1.0 : static_cast<double>(done) / static_cast<double>(total);
    };
    if (total_bytes != 0) {
      return part(bytes, total_bytes);
    }
    if (total_keys != 0) {
      return part(keys, total_keys);
    }
    return std::nullopt;
  }
};

}  // namespace keyrewind
