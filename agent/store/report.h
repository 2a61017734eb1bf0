#pragma once

#include "base/clock.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

namespace keyrewind::store {

/// One request to a repository, for metrics: each attempt is one.
struct RequestReport {
  std::string_view operation;  ///< "put", "get", "list": one of a few, whatever the store.
  /// "ok", "missing", "conflict", "slow_down", "denied", "server_error", "no_answer" (in time, or
  /// no connection), "failed".
  std::string_view result;
  bool retried = false;  ///< It failed, and will be tried again.
  std::chrono::microseconds duration{};
  std::uint64_t sent = 0;                      ///< Bytes of the body.
  std::uint64_t received = 0;                  ///< Bytes of the body.
  std::optional<Timestamp> credentials_end{};  ///< Of those that it was made with, if they do.
};

/// Gets every request; may be called from any thread at once. Empty: nobody wants to know.
using Observer = std::function<void(const RequestReport&)>;

}  // namespace keyrewind::store
