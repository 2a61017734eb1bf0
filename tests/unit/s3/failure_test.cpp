#include "s3/failure.h"

#include "s3/s3_store.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ostream>

namespace keyrewind::s3 {
namespace {

using testing::HasSubstr;

Place place() {
  S3Options options;
  options.bucket = "backups";
  options.prefix = "prod";
  options.region = "eu-central-1";
  return Place(options);
}

http::Response answer(int status, const std::string& body) {
  http::Response response;
  response.status = status;
  const ByteView bytes = as_bytes(body);
  response.body.assign(bytes.begin(), bytes.end());
  return response;
}

TEST(Failure, IsReadFromTheAnswer) {
  http::Response response = answer(
      503,
      "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>");
  response.headers = {{"retry-after", "7"}, {"x-amz-bucket-region", "eu-west-1"}};

  const Failure failure = read_failure(response);

  EXPECT_EQ(failure.status, 503);
  EXPECT_EQ(failure.code, "SlowDown");
  EXPECT_EQ(failure.message, "Please reduce your request rate.");
  EXPECT_EQ(failure.retry_after, std::chrono::seconds(7));
  EXPECT_EQ(failure.region, "eu-west-1");
}

TEST(Failure, IsReadFromAnAnswerThatExplainsNothing) {
  for (const char* body : {"", "<html>502 Bad Gateway</html>"}) {
    const Failure failure = read_failure(answer(502, body));

    EXPECT_EQ(failure.status, 502);
    EXPECT_EQ(failure.code, "");
    EXPECT_EQ(failure.retry_after, std::nullopt);
  }
}

TEST(Failure, HasNoPauseThatMakesNoSense) {
  for (const char* text : {"", "soon", "-1", "1.5", "Sun, 06 Nov 1994 08:49:37 GMT"}) {
    http::Response response = answer(503, "");
    response.headers = {{"retry-after", text}};
    EXPECT_EQ(read_failure(response).retry_after, std::nullopt) << text;
  }
}

struct Case {
  int status;
  std::string code;
  Remedy remedy;
  ErrorKind kind;
  std::string says;
  std::string word = "failed";

  friend std::ostream& operator<<(std::ostream& out, const Case& one) {
    return out << one.status << " " << one.code;
  }
};

class FailureCase : public testing::TestWithParam<Case> {};

TEST_P(FailureCase, IsToldAndTreatedAsWhatItIs) {
  const Failure failure{.status = GetParam().status, .code = GetParam().code, .message = "no"};

  EXPECT_EQ(remedy(failure), GetParam().remedy);
  EXPECT_EQ(report_word(failure), GetParam().word);
  const Error error = to_error(failure, "s3:PutObject", "a/b", place());
  EXPECT_EQ(error.side(), Side::repository);
  EXPECT_EQ(error.kind(), GetParam().kind);
  EXPECT_THAT(error.what(), HasSubstr(GetParam().says));
}

INSTANTIATE_TEST_SUITE_P(
    Cases, FailureCase,
    testing::Values(
        Case{500, "InternalError", Remedy::wait, ErrorKind::unavailable, "InternalError: no",
             "server_error"},
        Case{500, "UnknownError", Remedy::wait, ErrorKind::unavailable, "UnknownError",
             "server_error"},
        Case{502, "", Remedy::wait, ErrorKind::unavailable, "answers status 502", "server_error"},
        Case{503, "", Remedy::slow_down, ErrorKind::unavailable, "answers status 503",
             "server_error"},
        Case{503, "SlowDown", Remedy::slow_down, ErrorKind::unavailable, "SlowDown", "slow_down"},
        Case{429, "", Remedy::slow_down, ErrorKind::unavailable, "status 429", "slow_down"},
        Case{400, "RequestTimeout", Remedy::wait, ErrorKind::unavailable, "RequestTimeout"},
        Case{200, "InternalError", Remedy::wait, ErrorKind::unavailable, "InternalError"},
        Case{409, "ConditionalRequestConflict", Remedy::wait, ErrorKind::unavailable,
             "ConditionalRequestConflict", "conflict"},
        Case{307, "TemporaryRedirect", Remedy::wait, ErrorKind::unavailable, "TemporaryRedirect"},
        Case{400, "BadDigest", Remedy::resend, ErrorKind::unavailable, "BadDigest"},
        Case{400, "XAmzContentSHA256Mismatch", Remedy::resend, ErrorKind::unavailable,
             "XAmzContentSHA256Mismatch"},
        Case{403, "RequestTimeTooSkewed", Remedy::fix_clock, ErrorKind::denied, "clock", "denied"},
        Case{400, "ExpiredToken", Remedy::refresh_keys, ErrorKind::denied, "session token"},
        Case{403, "InvalidAccessKeyId", Remedy::refresh_keys, ErrorKind::denied, "access key",
             "denied"},
        Case{403, "SignatureDoesNotMatch", Remedy::refresh_keys, ErrorKind::denied,
             "check the secret access key", "denied"},
        Case{403, "", Remedy::refresh_keys, ErrorKind::denied, "status 403", "denied"},
        Case{400, "", Remedy::refresh_keys, ErrorKind::protocol, "status 400"},
        Case{403, "AccessDenied", Remedy::none, ErrorKind::denied,
             "allow s3:PutObject on arn:aws:s3:::backups/prod/*", "denied"},
        Case{404, "NoSuchBucket", Remedy::none, ErrorKind::unavailable,
             "bucket backups does not exist at https://s3.eu-central-1.amazonaws.com", "missing"},
        Case{404, "", Remedy::none, ErrorKind::protocol, "as no S3 store does", "missing"},
        Case{301, "PermanentRedirect", Remedy::none, ErrorKind::config, "set s3.region"},
        Case{501, "NotImplemented", Remedy::none, ErrorKind::protocol, "NotImplemented: no",
             "server_error"},
        Case{400, "InvalidRequest", Remedy::none, ErrorKind::protocol, "InvalidRequest: no"},
        Case{400, "InvalidStorageClass", Remedy::none, ErrorKind::config, "s3.storage_class"},
        Case{400, "InvalidBucketName", Remedy::none, ErrorKind::config, "check the URL"},
        Case{400, "KMS.DisabledException", Remedy::none, ErrorKind::denied, "s3.kms_key_id"},
        Case{403, "InvalidObjectState", Remedy::none, ErrorKind::unavailable, "archive", "denied"},
        Case{403, "QuotaExceeded", Remedy::none, ErrorKind::unavailable, "no space", "denied"},
        Case{507, "", Remedy::none, ErrorKind::unavailable, "no space", "server_error"},
        Case{412, "PreconditionFailed", Remedy::none, ErrorKind::protocol, "PreconditionFailed",
             "conflict"}),
    [](const auto& one) {
      std::string name = fmt::format("{}{}", one.param.status, one.param.code);
      std::erase(name, '.');
      return name;
    });

TEST(Failure, NamesTheRightRegion) {
  for (const Failure& failure :
       {Failure{.status = 301, .code = "PermanentRedirect", .region = "eu-west-1"},
        Failure{.status = 400, .code = "AuthorizationHeaderMalformed", .region = "eu-west-1"}}) {
    const Error error = to_error(failure, "s3:PutObject", "a", place());

    EXPECT_EQ(error.kind(), ErrorKind::config);
    EXPECT_THAT(error.what(), HasSubstr("is in region eu-west-1, not in eu-central-1; set "
                                        "s3.region"));
  }
}

TEST(Failure, NamesTheBucketWhereNoObjectIsMeant) {
  const Error error =
      to_error({.status = 403, .code = "AccessDenied"}, "s3:ListBucket", "", place());

  EXPECT_THAT(error.what(), HasSubstr("allow s3:ListBucket on arn:aws:s3:::backups"));
}

}  // namespace
}  // namespace keyrewind::s3
