#pragma once

#include "base/clock.h"
#include "http/client.h"
#include "s3/backoff.h"
#include "s3/credentials.h"
#include "s3/failure.h"
#include "s3/place.h"
#include "s3/s3_store.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <random>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace keyrewind::s3 {

/// What is asked of the store.
struct Call {
  std::string_view operation;  ///< For metrics: "put".
  std::string_view action;     ///< The right that it takes: "s3:PutObject".
  std::string method = "GET";
  std::string name{};  ///< Of the object, below the prefix; only of meaning if not `on_bucket`.
  bool on_bucket = false;
  Query query{};
  http::Headers headers{};
  ByteView body{};
  std::span<std::byte> into{};
  std::uint64_t max_body = 16U << 20U;  ///< Of the answer; more is Error(corrupt).
  /// For what a store may work on for long before it answers.
  std::optional<std::chrono::milliseconds> stall_timeout{};
  std::optional<std::chrono::milliseconds> retry_time{};  ///< In place of the options'.
  std::vector<int> expected{};  ///< Statuses of failures that are an answer to whoever asks.
  bool fails_late = false;      ///< A failure may come as the body of a 200.
  /// Looks at a success. What it throws as Error(protocol) is tried again a few times.
  std::function<void(const http::Response&)> check{};
};

/// A success, or a failure that the call expected.
struct Answer {
  http::Response response;
  Failure failure{};  ///< If it is no success.
  /// Whether an earlier try may have been carried out, though it seemed to fail.
  bool uncertain = false;

  bool ok() const noexcept { return failure.status == 0; }
  int status() const noexcept { return response.status; }
};

/// Signs requests, sends them, and is the one place that tries them again: until their time is
/// over, with the store's wishes in mind, and with a clock and credentials that it corrects.
/// Any thread.
class Requests {
 public:
  /// `clock` must outlive this.
  Requests(const S3Options& options, const Clock& clock);

  const Place& place() const noexcept { return place_; }

  /// Throws what the failure means, and Error(cancelled) once `stop` is requested. The message
  /// begins with the repository, the operation and the object.
  Answer send(const Call& call, const std::stop_token& stop);

  /// See S3Store::clock_ahead.
  std::optional<std::chrono::seconds> clock_ahead() const;

 private:
  struct Try;
  struct Course;

  Answer send_until_over(const Call& call, const std::stop_token& stop);
  Try try_once(const Call& call, const std::stop_token& stop);
  http::Response send_once(const http::Request& request, const std::stop_token& stop);
  http::Request make_request(const Call& call) const;
  std::optional<std::chrono::milliseconds> pause_before_next(const Call& call, const Try& attempt,
                                                             Course& course,
                                                             const std::stop_token& stop);
  bool is_out_of_time(const Try& attempt) const;
  bool learn_time(const Try& attempt);
  bool get_other_keys(const Try& attempt, const std::stop_token& stop);
  void note_date(const http::Response& response);
  void report(const Call& call, const Try& attempt, bool retried) const;
  double random();

  const Place place_;
  const std::chrono::milliseconds retry_time_;
  const store::Observer observer_;
  const Clock& clock_;
  CredentialChain credentials_;
  http::Client http_;
  mutable std::mutex mutex_;                 ///< Guards what follows.
  std::chrono::milliseconds correction_{0};  ///< Of our clock, for signatures.
  std::optional<std::chrono::seconds> clock_ahead_;
  std::minstd_rand random_;
};

}  // namespace keyrewind::s3
