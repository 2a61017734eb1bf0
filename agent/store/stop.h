#pragma once

#include "base/error.h"

#include <stop_token>

namespace keyrewind::store {

/// Throws Error(cancelled) once `stop` is requested: every call of a store begins with it.
inline void throw_if_stopped(const std::stop_token& stop) {
  if (stop.stop_requested()) {
    throw Error(ErrorKind::cancelled, "stopped");
  }
}

}  // namespace keyrewind::store
