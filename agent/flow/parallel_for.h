#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>

namespace keyrewind::flow {

/// How a loop is spread over threads.
struct Spread {
  std::string name;  ///< Of the threads, in `top -H`.
  std::size_t threads = 1;
};

/// Calls `body` for 0 to `count` - 1, several at once and in no particular order, and returns when
/// all are done. The first that throws stops the others and is rethrown. With one thread, or for
/// one call, nothing but the calling thread is used.
void parallel_for(const Spread& spread, std::uint64_t count,
                  const std::function<void(std::uint64_t number, std::stop_token stop)>& body,
                  std::stop_token stop);

}  // namespace keyrewind::flow
