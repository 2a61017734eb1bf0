#include "s3/failure.h"

#include "s3/xml.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <initializer_list>

namespace keyrewind::s3 {
namespace {

bool is_one_of(std::string_view code, std::initializer_list<std::string_view> codes) {
  return std::find(codes.begin(), codes.end(), code) != codes.end();
}

bool means_slow_down(const Failure& failure) {
  return failure.status == 429 ||
         is_one_of(failure.code,
                   {"SlowDown", "SlowDownRead", "SlowDownWrite", "Throttling",
                    "ThrottlingException", "RequestThrottled", "RequestLimitExceeded",
                    "TooManyRequests", "BandwidthLimitExceeded", "RequestRateTooHigh"});
}

bool means_stale_keys(const Failure& failure) {
  return is_one_of(failure.code, {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired",
                                  "InvalidToken", "InvalidAccessKeyId", "SignatureDoesNotMatch"}) ||
         // To HEAD the store can't say which of them.
         ((failure.status == 400 || failure.status == 403) && failure.code.empty());
}

/// Failures that have a code but no status that says as much: in a body that comes after a 200, the
/// status was sent before anybody knew.
bool means_bad_moment(const Failure& failure) {
  return is_one_of(failure.code,
                   {"InternalError", "ServiceUnavailable", "RequestTimeout", "OperationAborted",
                    "ConditionalRequestConflict", "ServerBusy"}) ||
         failure.status == 408 || failure.status == 409 || failure.status == 307 ||
         (failure.status >= 500 && failure.status != 501 && failure.status != 505 &&
          failure.status != 507);
}

std::optional<std::chrono::milliseconds> retry_after(const http::Response& response) {
  const std::string& text = response.header("retry-after");
  int seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc{} || end != text.data() + text.size() || seconds < 0) {
    return std::nullopt;
  }
  return std::chrono::seconds(seconds);
}

/// "AccessDenied", or "status 403".
std::string named(const Failure& failure) {
  return failure.code.empty() ? fmt::format("status {}", failure.status) : failure.code;
}

std::string said(const Failure& failure) {
  const std::string message = failure.message.empty() ? "" : ": " + failure.message;
  return fmt::format("the store answers {}{}", named(failure), message);
}

Error repository_error(ErrorKind kind, std::string message) {
  return {Side::repository, kind, std::move(message)};
}

Error denied(const Failure& failure, std::string_view action, std::string_view name,
             const Place& place) {
  const std::string what = name.empty()
                               ? "arn:aws:s3:::" + place.bucket()
                               : fmt::format("arn:aws:s3:::{}/{}*", place.bucket(), place.key(""));
  return repository_error(ErrorKind::denied, fmt::format("access is denied ({}); allow {} on {}",
                                                         named(failure), action, what));
}

Error elsewhere(const Failure& failure, const Place& place) {
  if (failure.region.empty() || failure.region == place.region()) {
    return repository_error(
        ErrorKind::config,
        fmt::format("the bucket is not at {} ({}); set s3.region or s3.endpoint to where it is",
                    place.endpoint(), named(failure)));
  }
  return repository_error(ErrorKind::config,
                          fmt::format("the bucket is in region {}, not in {}; set s3.region to it",
                                      failure.region, place.region()));
}

}  // namespace

Failure read_failure(const http::Response& response) {
  Failure failure{.status = response.status};
  if (const auto document = read_error(response.body)) {
    failure.code = document->code;
    failure.message = document->message;
    failure.region = document->region;
  }
  if (failure.region.empty()) {
    failure.region = response.header("x-amz-bucket-region");
  }
  failure.retry_after = retry_after(response);
  return failure;
}

Remedy remedy(const Failure& failure) {
  if (means_slow_down(failure)) {
    return Remedy::slow_down;
  }
  if (failure.code == "RequestTimeTooSkewed") {
    return Remedy::fix_clock;
  }
  if (means_stale_keys(failure)) {
    return Remedy::refresh_keys;
  }
  if (is_one_of(failure.code, {"BadDigest", "XAmzContentSHA256Mismatch", "IncompleteBody",
                               "XAmzContentChecksumMismatch"})) {
    return Remedy::resend;
  }
  if (means_bad_moment(failure)) {
    return failure.status == 503 ? Remedy::slow_down : Remedy::wait;
  }
  return Remedy::none;
}

Error to_error(const Failure& failure, std::string_view action, std::string_view name,
               const Place& place) {
  const std::string& code = failure.code;
  if (code == "NoSuchBucket") {
    return repository_error(
        ErrorKind::unavailable,
        fmt::format("bucket {} does not exist at {}; make it, or correct the URL", place.bucket(),
                    place.endpoint()));
  }
  if (code == "SignatureDoesNotMatch") {
    return repository_error(ErrorKind::denied,
                            "the store refuses the signature (SignatureDoesNotMatch); check the "
                            "secret access key");
  }
  if (code == "InvalidAccessKeyId") {
    return repository_error(
        ErrorKind::denied,
        "the store does not know the access key (InvalidAccessKeyId); check it and the endpoint");
  }
  if (is_one_of(code, {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired",
                       "InvalidToken"})) {
    return repository_error(
        ErrorKind::denied,
        fmt::format("the session token is no longer good ({}); get new credentials", code));
  }
  if (code == "RequestTimeTooSkewed") {
    return repository_error(
        ErrorKind::denied,
        "this machine's clock differs too much from the store's (RequestTimeTooSkewed); set it");
  }
  if (failure.status == 301 ||
      is_one_of(code, {"PermanentRedirect", "IllegalLocationConstraint"}) ||
      (code == "AuthorizationHeaderMalformed" && !failure.region.empty())) {
    return elsewhere(failure, place);
  }
  if (is_one_of(code, {"QuotaExceeded", "XMinioStorageFull", "InsufficientCapacity"}) ||
      failure.status == 507) {
    return repository_error(
        ErrorKind::unavailable,
        fmt::format("the store has no space left for this ({})", named(failure)));
  }
  if (code == "InvalidObjectState") {
    return repository_error(
        ErrorKind::unavailable,
        "the object is in an archive (InvalidObjectState); restore it from there first");
  }
  if (code.starts_with("KMS") || code == "KeyUnavailableException") {
    return repository_error(ErrorKind::denied,
                            said(failure) + "; check s3.kms_key_id and the rights to that key");
  }
  if (code == "InvalidStorageClass") {
    return repository_error(ErrorKind::config, said(failure) + "; check s3.storage_class");
  }
  if (is_one_of(code, {"InvalidBucketName", "AuthorizationHeaderMalformed"})) {
    return repository_error(ErrorKind::config,
                            said(failure) + "; check the URL, s3.region and s3.path_style");
  }
  if (failure.status == 401 || failure.status == 403) {
    return denied(failure, action, name, place);
  }
  if (failure.status >= 500 && failure.status != 501) {
    return repository_error(ErrorKind::unavailable, said(failure));
  }
  if (failure.status == 404 && code.empty()) {
    return repository_error(ErrorKind::protocol,
                            fmt::format("{} answers 404 as no S3 store does; check s3.endpoint and "
                                        "s3.path_style",
                                        place.endpoint()));
  }
  const Remedy what = remedy(failure);
  const bool passes = what != Remedy::none && what != Remedy::refresh_keys;
  return repository_error(passes ? ErrorKind::unavailable : ErrorKind::protocol, said(failure));
}

std::string_view report_word(const Failure& failure) {
  if (failure.status == 404) {
    return "missing";
  }
  if (means_slow_down(failure)) {
    return "slow_down";
  }
  if (failure.status == 409 || failure.status == 412) {
    return "conflict";
  }
  if (failure.status == 401 || failure.status == 403) {
    return "denied";
  }
  return failure.status >= 500 ? "server_error" : "failed";
}

}  // namespace keyrewind::s3
