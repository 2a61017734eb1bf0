#pragma once

#include <cstddef>
#include <cstdint>

namespace keyrewind::restore {

/// How much of this machine, and of the repository, reading may use.
struct ReadOptions {
  std::size_t threads = 2;             ///< That inflate; memory may allow fewer.
  std::size_t connections = 4;         ///< Requests at once; memory may allow fewer.
  std::uint64_t memory = 128U << 20U;  ///< Bytes, for the whole process.
  bool check_object = false;  ///< Check the SHA-256 of a plain object as a whole, too. (That of an
                              ///< encrypted one is over bytes that decrypting authenticates.)
};

/// Memory that the process needs besides what is fetched and inflated.
inline constexpr std::uint64_t kBaseMemory = 40U << 20U;

/// What one request fetches at most: two frames of 4 MiB that do not shrink, which makes them a
/// little larger. Larger requests hide the latency of a store no better.
inline constexpr std::uint64_t kFetchBytes = (8U << 20U) + (64U << 10U);

}  // namespace keyrewind::restore
