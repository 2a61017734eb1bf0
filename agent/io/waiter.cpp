#include "io/waiter.h"

#include "base/error.h"

#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>

namespace keyrewind::io {

namespace {

/// Rounded up, so that a wait never ends just before its deadline and is begun again for nothing.
int milliseconds_until(Deadline deadline) {
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  return static_cast<int>(
      std::clamp<std::int64_t>(left.count(), 0, std::numeric_limits<int>::max()));
}

}  // namespace

Waiter::Waiter() : wake_up_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!wake_up_) {
    throw Error(ErrorKind::failed, "make an eventfd: " + errno_text(errno));
  }
}

bool Waiter::wait(int descriptor, short events, Deadline deadline, const std::stop_token& stop) {
  const std::stop_callback on_stop(stop, [this] { ::eventfd_write(wake_up_.number(), 1); });
  while (true) {
    throw_if_stopped(stop);
    std::array<pollfd, 2> watched{pollfd{descriptor, events, 0},
                                  pollfd{wake_up_.number(), POLLIN, 0}};
    const int ready = ::poll(watched.data(), watched.size(), milliseconds_until(deadline));
    if (ready < 0 && errno != EINTR) {
      throw Error(ErrorKind::failed, "poll: " + errno_text(errno));
    }
    if (ready > 0 && watched[1].revents != 0) {
      // Also left behind by an earlier wait with another token, so it is not yet the answer.
      drain();
      continue;
    }
    if (ready > 0) {
      return true;
    }
    if (ready == 0) {
      return false;
    }
  }
}

void Waiter::drain() const noexcept {
  eventfd_t ignored = 0;
  ::eventfd_read(wake_up_.number(), &ignored);
}

void throw_if_stopped(const std::stop_token& stop) {
  if (stop.stop_requested()) {
    throw Error(ErrorKind::cancelled, "stopped");
  }
}

}  // namespace keyrewind::io
