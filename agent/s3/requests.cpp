#include "s3/requests.h"

#include "base/error.h"
#include "base/log.h"
#include "codec/sha256.h"
#include "flow/pause.h"
#include "s3/http_date.h"
#include "s3/signer.h"
#include "s3/xml.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace keyrewind::s3 {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// How often what should be right at once is tried: damaged bytes, an answer to another question.
constexpr int kTriesOfTheOdd = 4;

/// What a request without an answer is to metrics: see store::RequestReport.
std::string_view word_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::denied:
      return "denied";
    case ErrorKind::unavailable:
      return "no_answer";
    case ErrorKind::config:
    case ErrorKind::protocol:
    case ErrorKind::no_backup:
    case ErrorKind::target_not_empty:
    case ErrorKind::corrupt:
    case ErrorKind::incompatible:
    case ErrorKind::busy:
    case ErrorKind::cancelled:
    case ErrorKind::failed:
    case ErrorKind::internal:
      break;
  }
  return "failed";
}

http::ClientOptions client_options(const S3Options& options) {
  http::ClientOptions client;
  client.ca_file = options.ca_file;
  client.stall_timeout = options.stall_timeout;
  client.upload_limit = options.upload_limit;
  client.download_limit = options.download_limit;
  return client;
}

CredentialOptions credential_options(const S3Options& options, const Place& place) {
  CredentialOptions credentials = options.credentials;
  if (credentials.region.empty()) {
    credentials.region = place.region();
  }
  return credentials;
}

bool is_same(const Credentials& one, const Credentials& other) {
  return one.access_key_id == other.access_key_id &&
         one.secret_access_key.reveal() == other.secret_access_key.reveal() &&
         one.session_token.reveal() == other.session_token.reveal();
}

bool is_expected(const Call& call, const Failure& failure) {
  // That its bucket is gone is no answer about an object. Nor is a 404 that does not say what is
  // missing, though only the answer to HEAD has no room for it: any web server gives that. And 400
  // is whatever a store did not like: a slow request or an old token says nothing of the question.
  const bool no_answer = failure.code == "NoSuchBucket" ||
                         (failure.status == 404 && failure.code.empty() && call.method != "HEAD") ||
                         (failure.status == 400 && remedy(failure) != Remedy::none);
  return !no_answer && std::find(call.expected.begin(), call.expected.end(), failure.status) !=
                           call.expected.end();
}

}  // namespace

/// One sending of a call, and what became of it.
struct Requests::Try {
  Credentials credentials{};
  http::Response response{};
  Failure failure{};             ///< If the answer is no success.
  std::optional<Error> error{};  ///< If there is no answer, or not one to this question.

  bool answers(const Call& call) const {
    return !error && (failure.status == 0 || is_expected(call, failure));
  }
};

/// What happened to a call so far.
struct Requests::Course {
  Backoff backoff;
  bool fixed_clock = false;
  bool refreshed_keys = false;
  int odd = 0;
};

Requests::Requests(const S3Options& options, const Clock& clock)
    : place_(options),
      retry_time_(options.retry_time),
      observer_(options.observer),
      clock_(clock),
      credentials_(credential_options(options, place_), clock),
      http_(client_options(options)),
      random_(std::random_device{}()) {}

Answer Requests::send(const Call& call, const std::stop_token& stop) {
  try {
    return send_until_over(call, stop);
  } catch (Error& error) {
    if (error.kind() != ErrorKind::cancelled) {
      error.add_context(call.on_bucket
                            ? fmt::format("{}: {}", place_.url(), call.operation)
                            : fmt::format("{}: {} {}", place_.url(), call.operation, call.name));
    }
    throw;
  }
}

Answer Requests::send_until_over(const Call& call, const std::stop_token& stop) {
  Course course{Backoff(call.retry_time.value_or(retry_time_), steady_clock::now())};
  while (true) {
    if (stop.stop_requested()) {
      throw Error(ErrorKind::cancelled, "stopped");
    }
    Try attempt = try_once(call, stop);
    if (attempt.answers(call)) {
      report(call, attempt, false);
      return {std::move(attempt.response), std::move(attempt.failure),
              course.backoff.tries() > 0 || course.odd > 0};
    }
    const auto pause = pause_before_next(call, attempt, course, stop);
    report(call, attempt, pause.has_value());
    if (!pause) {
      Error error = attempt.error ? *attempt.error
                                  : to_error(attempt.failure, call.action,
                                             call.on_bucket ? "" : call.name, place_);
      if (course.backoff.tries() > 1) {
        error.add_context(fmt::format("{} times in vain", course.backoff.tries()));
      }
      throw error;
    }
    flow::pause(*pause, stop);
  }
}

Requests::Try Requests::try_once(const Call& call, const std::stop_token& stop) {
  Try attempt;
  try {
    attempt.credentials = credentials_.get(stop);
    http::Request request = make_request(call);
    milliseconds correction{};
    {
      const std::lock_guard lock(mutex_);
      correction = correction_;
    }
    sign(request, codec::sha256_hex(call.body), attempt.credentials,
         SigningScope{.region = place_.region()}, clock_.now() + correction);
    attempt.response = send_once(request, stop);
    note_date(attempt.response);
    const bool success = attempt.response.status >= 200 && attempt.response.status < 300;
    if (!success || (call.fails_late && read_error(attempt.response.body))) {
      attempt.failure = read_failure(attempt.response);
    } else if (call.check) {
      call.check(attempt.response);
    }
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::cancelled) {
      throw;
    }
    attempt.error = error;
  }
  return attempt;
}

http::Response Requests::send_once(const http::Request& request, const std::stop_token& stop) {
  try {
    return http_.send(request, stop);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::protocol && request.into.empty()) {
      throw Error(Side::repository, ErrorKind::corrupt, error.what());
    }
    throw;
  }
}

http::Request Requests::make_request(const Call& call) const {
  http::Request request;
  request.method = call.method;
  request.url =
      place_.request_url(call.on_bucket ? std::string() : place_.key(call.name), call.query);
  request.headers = call.headers;
  request.body = call.body;
  request.into = call.into;
  request.max_body = call.max_body;
  request.stall_timeout = call.stall_timeout;
  return request;
}

/// Whether and when `call` is tried again: nothing if not.
std::optional<milliseconds> Requests::pause_before_next(const Call& call, const Try& attempt,
                                                        Course& course,
                                                        const std::stop_token& stop) {
  const auto now = steady_clock::now();
  if (attempt.error) {
    const bool odd = attempt.error->kind() == ErrorKind::protocol && call.check &&
                     attempt.response.status != 0 && ++course.odd < kTriesOfTheOdd;
    const bool again = attempt.error->kind() == ErrorKind::unavailable || odd;
    return again ? course.backoff.next(now, random(), false) : std::nullopt;
  }
  Remedy cure = remedy(attempt.failure);
  if (attempt.failure.code.empty() && cure == Remedy::refresh_keys && is_out_of_time(attempt)) {
    cure = Remedy::fix_clock;
  }
  switch (cure) {
    case Remedy::none:
      return std::nullopt;
    case Remedy::wait:
      return course.backoff.next(now, random(), false, attempt.failure.retry_after);
    case Remedy::slow_down:
      return course.backoff.next(now, random(), true, attempt.failure.retry_after);
    case Remedy::resend:
      return ++course.odd < kTriesOfTheOdd ? course.backoff.next(now, random(), false)
                                           : std::nullopt;
    case Remedy::fix_clock:
      return !std::exchange(course.fixed_clock, true) && learn_time(attempt)
                 ? std::optional(milliseconds(0))
                 : std::nullopt;
    case Remedy::refresh_keys:
      return !std::exchange(course.refreshed_keys, true) && get_other_keys(attempt, stop)
                 ? std::optional(milliseconds(0))
                 : std::nullopt;
  }
  return std::nullopt;
}

/// Whether the store can't have accepted our time, though it could not say so.
bool Requests::is_out_of_time(const Try& attempt) const {
  constexpr std::chrono::minutes kSurelyAccepted{5};  // AWS and Ceph take 15.
  const auto date = from_http_date(attempt.response.header("date"));
  const std::lock_guard lock(mutex_);
  return date && std::chrono::abs(*date - (clock_.now() + correction_)) > kSurelyAccepted;
}

/// Takes the time for signatures from the store. Returns whether it told it.
bool Requests::learn_time(const Try& attempt) {
  const auto date = from_http_date(attempt.response.header("date"));
  if (!date) {
    return false;
  }
  const milliseconds ahead = *date - clock_.now();
  {
    const std::lock_guard lock(mutex_);
    correction_ = ahead;
  }
  log::warn("The clock of this machine is wrong; requests are signed with the store's",
            {{"repository", place_.url()},
             {"store_ahead_seconds", std::chrono::floor<std::chrono::seconds>(ahead).count()}});
  return true;
}

/// Returns whether there are others now.
bool Requests::get_other_keys(const Try& attempt, const std::stop_token& stop) {
  credentials_.refuse(attempt.credentials);
  try {
    return !is_same(credentials_.get(stop), attempt.credentials);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::cancelled) {
      throw;
    }
    return false;  // What the store said is nearer to the cause.
  }
}

void Requests::note_date(const http::Response& response) {
  if (const auto date = from_http_date(response.header("date"))) {
    const std::lock_guard lock(mutex_);
    clock_ahead_ = std::chrono::round<std::chrono::seconds>(*date - clock_.now());
  }
}

void Requests::report(const Call& call, const Try& attempt, bool retried) const {
  if (!observer_) {
    return;
  }
  std::string_view result = "ok";
  if (attempt.error) {
    result = word_of(attempt.error->kind());
  } else if (attempt.failure.status != 0) {
    result = report_word(attempt.failure);
  }
  observer_({.operation = call.operation,
             .result = result,
             .retried = retried,
             .duration = attempt.response.duration,
             .sent = attempt.response.status == 0 ? 0 : call.body.size(),
             .received = attempt.response.received,
             .credentials_end = attempt.credentials.expires});
}

std::optional<std::chrono::seconds> Requests::clock_ahead() const {
  const std::lock_guard lock(mutex_);
  return clock_ahead_;
}

double Requests::random() {
  const std::lock_guard lock(mutex_);
  return std::uniform_real_distribution<double>(0.0, 1.0)(random_);
}

}  // namespace keyrewind::s3
