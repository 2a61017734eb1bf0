#pragma once

#include "io/fd.h"

namespace keyrewind::http {

/// What a thread that polls descriptors can be woken by. `wake` may be called from any thread.
class Wakeup {
 public:
  Wakeup();

  void wake() const noexcept;
  /// Becomes readable with `wake`, until `clear`.
  int fd() const noexcept { return event_.number(); }
  void clear() const noexcept;

 private:
  io::Fd event_;
};

}  // namespace keyrewind::http
