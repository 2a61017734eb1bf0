#include "http/wakeup.h"

#include "base/error.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace keyrewind::http {

Wakeup::Wakeup() : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!event_) {
    throw Error(ErrorKind::failed, "eventfd: " + errno_text(errno));
  }
}

void Wakeup::wake() const noexcept {
  const std::uint64_t one = 1;
  // It fails only if it is set already.
  [[maybe_unused]] const auto written = ::write(event_.number(), &one, sizeof one);
}

void Wakeup::clear() const noexcept {
  std::uint64_t number = 0;
  [[maybe_unused]] const auto taken = ::read(event_.number(), &number, sizeof number);
}

}  // namespace keyrewind::http
