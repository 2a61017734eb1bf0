#include "io/fd.h"

#include <unistd.h>

namespace keyrewind::io {

void Fd::close() noexcept {
  if (number_ >= 0) {
    ::close(std::exchange(number_, -1));
  }
}

}  // namespace keyrewind::io
