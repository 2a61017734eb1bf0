#include "flow/parallel_for.h"

#include "base/error.h"
#include "flow/group.h"

#include <algorithm>
#include <atomic>
#include <utility>

namespace keyrewind::flow {

void parallel_for(const Spread& spread, std::uint64_t count,
                  const std::function<void(std::uint64_t number, std::stop_token stop)>& body,
                  std::stop_token stop) {
  std::atomic<std::uint64_t> next{0};
  const auto work = [&](const std::stop_token& inner) {
    for (std::uint64_t number = next++; number < count; number = next++) {
      if (inner.stop_requested()) {
        throw Error(ErrorKind::cancelled, "stopped");
      }
      body(number, inner);
    }
  };
  const std::uint64_t threads = std::min<std::uint64_t>(spread.threads, count);
  if (threads <= 1) {
    work(stop);
    return;
  }
  Group group(std::move(stop));
  for (std::uint64_t i = 0; i < threads; ++i) {
    group.spawn(spread.name, work);
  }
  group.wait();
}

}  // namespace keyrewind::flow
