#pragma once

#include "base/error.h"
#include "http/client.h"
#include "s3/place.h"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

/// What a store's refusals mean.
namespace keyrewind::s3 {

struct Failure {
  int status = 0;
  std::string code{};  ///< "SlowDown", as S3 names it; empty where the answer has no body.
  std::string message{};
  std::string region{};  ///< Where the bucket really is, if the store says so.
  std::optional<std::chrono::milliseconds> retry_after{};
};

/// Reads what an answer that is no success says.
Failure read_failure(const http::Response& response);

/// What to do about a failure.
enum class Remedy {
  none,          ///< It would fail the same way again.
  wait,          ///< The store has a bad moment: try again.
  slow_down,     ///< It is overloaded: try again, later.
  resend,        ///< The bytes were damaged on their way: try again, a few times.
  fix_clock,     ///< Our clock is wrong: sign with the store's.
  refresh_keys,  ///< The credentials are no longer good: get others.
};

Remedy remedy(const Failure& failure);

/// What the failure is to whoever asked for `action` (such as "s3:PutObject") on the object `name`
/// (or on the bucket, if empty), and what they can do.
Error to_error(const Failure& failure, std::string_view action, std::string_view name,
               const Place& place);

/// A word for metrics: see store::RequestReport.
std::string_view report_word(const Failure& failure);

}  // namespace keyrewind::s3
