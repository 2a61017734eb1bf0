#include "io/waiter.h"

#include "base/error.h"

#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <optional>

namespace keyrewind::io {

namespace {

/// Rounded up, so that a wait never ends just before its deadline and is begun again for nothing.
int milliseconds_until(Deadline deadline) {
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  return static_cast<int>(
      std::clamp<std::int64_t>(left.count(), 0, std::numeric_limits<int>::max()));
}

Fd make_event() {
  Fd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event) {
    throw Error(ErrorKind::failed, "make an eventfd: " + errno_text(errno));
  }
  return event;
}

void drain(const Fd& event) noexcept {
  eventfd_t ignored = 0;
  ::eventfd_read(event.number(), &ignored);
}

/// Waits for `descriptor`, and for `woken` unless that is negative. Returns the one that is ready,
/// or nothing once the deadline has passed.
std::optional<int> wait_for(int descriptor, short events, int woken, const Fd& stopped,
                            Deadline deadline, const std::stop_token& stop) {
  const std::stop_callback on_stop(stop, [&] { ::eventfd_write(stopped.number(), 1); });
  while (true) {
    throw_if_stopped(stop);
    std::array<pollfd, 3> watched{pollfd{descriptor, events, 0},
                                  pollfd{stopped.number(), POLLIN, 0}, pollfd{woken, POLLIN, 0}};
    const int ready = ::poll(watched.data(), watched.size(), milliseconds_until(deadline));
    if (ready < 0 && errno != EINTR) {
      throw Error(ErrorKind::failed, "poll: " + errno_text(errno));
    }
    if (ready == 0) {
      return std::nullopt;
    }
    if (ready > 0 && watched[1].revents != 0) {
      // Also left behind by an earlier wait with another token, so it is not yet the answer.
      drain(stopped);
      continue;
    }
    if (ready > 0) {
      return watched[0].revents != 0 ? descriptor : woken;
    }
  }
}

}  // namespace

Waiter::Waiter() : stopped_(make_event()), woken_(make_event()) {}

bool Waiter::wait(int descriptor, short events, Deadline deadline, const std::stop_token& stop) {
  constexpr int kNone = -1;
  return wait_for(descriptor, events, kNone, stopped_, deadline, stop).has_value();
}

bool Waiter::wait_unless_woken(int descriptor, short events, Deadline deadline,
                               const std::stop_token& stop) {
  const auto ready = wait_for(descriptor, events, woken_.number(), stopped_, deadline, stop);
  if (ready != woken_.number()) {
    return ready.has_value();
  }
  drain(woken_);
  return false;
}

void Waiter::wake() noexcept {
  ::eventfd_write(woken_.number(), 1);
}

void throw_if_stopped(const std::stop_token& stop) {
  if (stop.stop_requested()) {
    throw Error(ErrorKind::cancelled, "stopped");
  }
}

}  // namespace keyrewind::io
