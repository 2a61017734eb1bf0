#include "flow/pause.h"

#include <condition_variable>
#include <mutex>

namespace keyrewind::flow {

void pause(std::chrono::milliseconds duration, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any nobody;
  std::unique_lock lock(mutex);
  nobody.wait_for(lock, stop, duration, [] { return false; });
}

}  // namespace keyrewind::flow
