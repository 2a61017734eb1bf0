#pragma once

#include "base/clock.h"
#include "base/error.h"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace keyrewind::api {

/// Work that the agent does on request or by a schedule, as it stands at one moment.
struct Task {
  enum class Kind { backup, verify, prune, drill, compact };
  enum class State { queued, running, succeeded, failed, cancelled };

  /// Why it failed; what a command that did the same would have ended with.
  struct Failure {
    Side side = Side::here;
    ErrorKind kind = ErrorKind::internal;
    std::string message;
  };

  std::string id;  ///< Of [0-9a-zA-Z-], unique over all agents.
  Kind kind = Kind::backup;
  State state = State::queued;
  std::string schedule;  ///< That started it; empty: a person did.
  Timestamp created{};
  std::optional<Timestamp> started{};
  std::optional<Timestamp> finished{};

  std::uint64_t done_bytes = 0;
  std::uint64_t total_bytes = 0;  ///< 0: not known.
  std::uint64_t done_keys = 0;
  std::uint64_t total_keys = 0;      ///< 0: not known.
  std::optional<double> fraction{};  ///< Between 0 and 1, if a total is known.

  /// What the command of that name prints with -o json, once it succeeded; null before.
  nlohmann::ordered_json result = nullptr;
  std::optional<Failure> failure{};  ///< Of a failed one.

  bool is_over() const noexcept { return state != State::queued && state != State::running; }
};

}  // namespace keyrewind::api
