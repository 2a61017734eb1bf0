#include "s3/requests.h"

#include "base/error.h"
#include "fake_s3.h"
#include "support/manual_clock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <thread>

namespace keyrewind::s3 {
namespace {

using namespace std::chrono_literals;
using test::FakeS3;
using test::HttpAnswer;
using test::HttpFault;
using test::HttpRequest;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

bool any(const HttpRequest& /*request*/) {
  return true;
}

class RequestsTest : public testing::Test {
 protected:
  Call get(const std::string& name = "a") const {
    return {.operation = "get", .action = "s3:GetObject", .name = name, .expected = {404}};
  }

  Call put(std::string_view content) const {
    return {.operation = "put",
            .action = "s3:PutObject",
            .method = "PUT",
            .name = "a",
            .body = as_bytes(content)};
  }

  Requests& requests() {
    if (!requests_) {
      requests_.emplace(options_, clock_);
    }
    return *requests_;
  }

  Error failure_of(const Call& call, std::stop_token stop = {}) {
    try {
      (void)requests().send(call, stop);
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), Not(HasSubstr(test::kFakeSecret)));
      return error;
    }
    ADD_FAILURE() << "nothing was thrown";
    return {ErrorKind::internal, ""};
  }

  std::size_t sent() { return fake_.server().requests().size(); }

  FakeS3 fake_;
  S3Options options_ = fake_.options();
  test::ManualClock clock_{*from_rfc3339("2026-11-20T13:02:21Z")};
  std::optional<Requests> requests_;
};

TEST_F(RequestsTest, AreSignedAndCarryTheHashOfTheirPayload) {
  const Answer answer = requests().send(put("content"), {});

  EXPECT_TRUE(answer.ok());
  EXPECT_FALSE(answer.uncertain);
  const HttpRequest request = fake_.server().last_request();
  EXPECT_EQ(request.header("x-amz-date"), "20261120T130221Z");
  EXPECT_THAT(request.header("authorization"),
              HasSubstr("AWS4-HMAC-SHA256 Credential=AKIAFAKE/20261120/eu-test-1/s3/aws4_request"));
  EXPECT_EQ(request.header("x-amz-content-sha256"), codec::sha256_hex(as_bytes("content")));
}

TEST_F(RequestsTest, GiveFailuresThatWereExpectedToTheirCaller) {
  const Answer answer = requests().send(get("no-such"), {});

  EXPECT_FALSE(answer.ok());
  EXPECT_EQ(answer.status(), 404);
  EXPECT_EQ(answer.failure.code, "NoSuchKey");
  EXPECT_EQ(sent(), 1);
}

TEST_F(RequestsTest, TakeAMissingBucketForNoAnswerAboutAnObject) {
  options_.bucket = "other";

  const Error error = failure_of(get());

  EXPECT_EQ(error.kind(), ErrorKind::unavailable);
  EXPECT_THAT(error.what(), AllOf(HasSubstr("s3://other/prefix: get a: "),
                                  HasSubstr("bucket other does not exist")));
  EXPECT_EQ(sent(), 1);
}

TEST_F(RequestsTest, TakeABadMomentForNoAnswerThoughItsStatusIsExpected) {
  fake_.refuse(any, 400, "RequestTimeout");
  Call call = put("content");
  call.expected = {400};

  EXPECT_EQ(requests().send(call, {}).status(), 200);
  EXPECT_EQ(sent(), 2);
}

TEST_F(RequestsTest, AreSentAgainAfterABadMoment) {
  fake_.refuse(any, 500, "InternalError");
  fake_.refuse(any, 400, "RequestTimeout");
  fake_.refuse(any, 409, "OperationAborted");
  fake_.add({.when = any, .answer = {.status = 502, .body = "<html>"}});

  const Answer answer = requests().send(put("content"), {});

  EXPECT_TRUE(answer.ok());
  EXPECT_TRUE(answer.uncertain);
  EXPECT_EQ(sent(), 5);
  EXPECT_EQ(fake_.object("a")->content, "content");
}

struct Break {
  std::string name;
  HttpFault fault;

  friend std::ostream& operator<<(std::ostream& out, const Break& one) { return out << one.name; }
};

class RequestsBreak : public RequestsTest, public testing::WithParamInterface<Break> {};

TEST_P(RequestsBreak, IsTriedAgain) {
  fake_.put("a", std::string(5000, 'x'));
  fake_.break_off(test::with_method("GET"), GetParam().fault, 100);

  const Answer answer = requests().send(get(), {});

  EXPECT_EQ(answer.response.received, 5000);
  EXPECT_TRUE(answer.uncertain);
}

TEST_P(RequestsBreak, IsTriedAgainWithABody) {
  const std::string content(100'000, 'x');
  fake_.break_off(test::with_method("PUT"), GetParam().fault, 0);

  (void)requests().send(put(content), {});

  EXPECT_EQ(fake_.object("a")->content, content);
}

INSTANTIATE_TEST_SUITE_P(Breaks, RequestsBreak,
                         testing::Values(Break{"reset_before_body", HttpFault::reset_before_body},
                                         Break{"reset_in_body", HttpFault::reset_in_body},
                                         Break{"reset_after_body", HttpFault::reset_after_body},
                                         Break{"close_after_body", HttpFault::close_after_body},
                                         Break{"silence", HttpFault::silence},
                                         Break{"garbage", HttpFault::garbage}),
                         [](const auto& one) { return one.param.name; });

INSTANTIATE_TEST_SUITE_P(BreaksOfAnswers, RequestsBreak,
                         testing::Values(Break{"cut", HttpFault::cut},
                                         Break{"reset_in_answer", HttpFault::reset_in_answer},
                                         Break{"stall", HttpFault::stall}),
                         [](const auto& one) { return one.param.name; });

TEST_F(RequestsTest, WaitAsLongAsTheStoreAsks) {
  HttpAnswer slow = FakeS3::error(503, "SlowDown");
  slow.headers = {{"Retry-After", "1"}};
  fake_.add({.when = any, .answer = slow});

  const auto began = std::chrono::steady_clock::now();
  EXPECT_TRUE(requests().send(put("content"), {}).ok());

  EXPECT_GE(std::chrono::steady_clock::now() - began, 1s);
  EXPECT_EQ(sent(), 2);
}

TEST_F(RequestsTest, AreGivenUpWhenTheStoreAsksForMoreThanThereIs) {
  HttpAnswer slow = FakeS3::error(503, "SlowDown");
  slow.headers = {{"Retry-After", "3600"}};
  fake_.add({.when = any, .answer = slow, .times = 100});

  EXPECT_EQ(failure_of(put("content")).kind(), ErrorKind::unavailable);
  EXPECT_EQ(sent(), 1);
}

TEST_F(RequestsTest, AreGivenUpWhenTheirTimeIsOver) {
  options_.retry_time = 300ms;
  fake_.refuse(any, 500, "InternalError", 1000);

  const Error error = failure_of(put("content"));

  EXPECT_EQ(error.kind(), ErrorKind::unavailable);
  EXPECT_EQ(error.side(), Side::repository);
  EXPECT_THAT(error.what(), AllOf(HasSubstr("s3://bucket/prefix: put a: "),
                                  HasSubstr(" times in vain: "), HasSubstr("InternalError")));
  EXPECT_GE(sent(), 2);
}

TEST_F(RequestsTest, AreTriedTwiceWhateverTheFirstTryTook) {
  options_.retry_time = 10ms;
  fake_.break_off(any, HttpFault::silence);

  EXPECT_TRUE(requests().send(put("content"), {}).ok());
}

TEST_F(RequestsTest, AreNotTriedAgainWhereItWouldNotHelp) {
  for (const auto& [status, code] : {std::pair(403, "AccessDenied"), std::pair(400, "InvalidTag"),
                                     std::pair(501, "NotImplemented")}) {
    fake_.refuse(any, status, code, 1);
    const std::size_t before = sent();
    (void)failure_of(put("content"));
    EXPECT_EQ(sent(), before + 1) << code;
  }
}

TEST_F(RequestsTest, AreSentAgainAFewTimesWhenTheirBytesWereDamaged) {
  fake_.refuse(any, 400, "BadDigest", 2);
  EXPECT_TRUE(requests().send(put("content"), {}).ok());
  EXPECT_EQ(sent(), 3);

  fake_.refuse(any, 400, "BadDigest", 100);
  EXPECT_THAT(failure_of(put("content")).what(), HasSubstr("BadDigest"));
  EXPECT_EQ(sent(), 3 + 4);
}

TEST_F(RequestsTest, AreSentAgainAFewTimesWhenTheAnswerIsToAnotherQuestion) {
  fake_.put("a", "content");
  int odd = 2;
  Call call = get();
  call.check = [&](const http::Response&) {
    if (odd-- > 0) {
      throw Error(Side::repository, ErrorKind::protocol, "odd answer");
    }
  };

  EXPECT_TRUE(requests().send(call, {}).ok());
  EXPECT_EQ(sent(), 3);
  odd = 100;
  EXPECT_EQ(failure_of(call).kind(), ErrorKind::protocol);
  EXPECT_EQ(sent(), 3 + 4);
}

TEST_F(RequestsTest, FindFailuresThatComeAfterTheStatus) {
  HttpAnswer late = FakeS3::error(200, "InternalError");
  fake_.add({.when = any, .answer = late});
  Call call = put("content");
  call.fails_late = true;

  EXPECT_TRUE(requests().send(call, {}).ok());

  EXPECT_EQ(sent(), 2);
  fake_.add({.when = any, .answer = FakeS3::error(200, "InvalidPart")});
  EXPECT_THAT(failure_of(call).what(), HasSubstr("InvalidPart"));
}

/// Signs with the store's time, once it was told.
TEST_F(RequestsTest, AreSignedAnewWhenOurClockIsWrong) {
  HttpAnswer skewed = FakeS3::error(403, "RequestTimeTooSkewed");
  skewed.headers = {{"Date", "Fri, 20 Nov 2026 14:02:21 GMT"}};
  fake_.add({.when = any, .answer = skewed});

  EXPECT_TRUE(requests().send(put("content"), {}).ok());
  EXPECT_TRUE(requests().send(put("content"), {}).ok());

  EXPECT_EQ(sent(), 3);
  EXPECT_EQ(fake_.server().requests()[1].header("x-amz-date"), "20261120T140221Z");
  EXPECT_EQ(fake_.server().requests()[2].header("x-amz-date"), "20261120T140221Z");
  EXPECT_EQ(requests().clock_ahead(), 3600s);
}

TEST_F(RequestsTest, SayThatTheClockIsWrongIfTheStoreInsists) {
  HttpAnswer skewed = FakeS3::error(403, "RequestTimeTooSkewed");
  skewed.headers = {{"Date", "Fri, 20 Nov 2026 14:02:21 GMT"}};
  fake_.add({.when = any, .answer = skewed, .times = 100});

  EXPECT_THAT(failure_of(put("content")).what(), HasSubstr("clock"));
  EXPECT_EQ(sent(), 2);
}

/// The answer to HEAD has no body: only its Date tells.
TEST_F(RequestsTest, AreSignedAnewWhenOnlyTheDateShowsThatOurClockIsWrong) {
  fake_.put("a", "content");
  fake_.add({.when = any,
             .answer = {.status = 403, .headers = {{"Date", "Fri, 20 Nov 2026 14:02:21 GMT"}}}});
  Call head = get();
  head.method = "HEAD";

  EXPECT_TRUE(requests().send(head, {}).ok());

  EXPECT_EQ(fake_.server().last_request().header("x-amz-date"), "20261120T140221Z");
}

TEST_F(RequestsTest, KnowNoTimeBeforeTheFirstAnswer) {
  EXPECT_EQ(requests().clock_ahead(), std::nullopt);
}

/// An environment whose keys can be changed while they are used.
struct Environment {
  std::mutex mutex;
  std::map<std::string, std::string> variables;

  std::function<std::optional<std::string>(const std::string&)> lookup() {
    return [this](const std::string& name) -> std::optional<std::string> {
      const std::lock_guard lock(mutex);
      const auto found = variables.find(name);
      return found == variables.end() ? std::nullopt : std::optional(found->second);
    };
  }

  void set_token(const std::string& token) {
    const std::lock_guard lock(mutex);
    variables = {{"AWS_ACCESS_KEY_ID", "AKIAENV"},
                 {"AWS_SECRET_ACCESS_KEY", test::kFakeSecret},
                 {"AWS_SESSION_TOKEN", token}};
  }
};

class RequestsWithToken : public RequestsTest {
 protected:
  RequestsWithToken() {
    environment_.set_token("old");
    options_.credentials = {};
    options_.credentials.environment = environment_.lookup();
  }

  /// Refuses a token, and has a new one in place by then, or not.
  void refuse_once(const std::string& code, const std::string& next) {
    fake_.refuse(
        [this, next](const HttpRequest&) {
          environment_.set_token(next);
          return true;
        },
        code == "ExpiredToken" ? 400 : 403, code);
  }

  Environment environment_;
};

TEST_F(RequestsWithToken, AreSentWithOtherCredentialsWhenTheOldOnesHaveEnded) {
  for (const char* code :
       {"ExpiredToken", "InvalidToken", "InvalidAccessKeyId", "SignatureDoesNotMatch"}) {
    const std::size_t before = sent();
    refuse_once(code, code);

    EXPECT_TRUE(requests().send(put("content"), {}).ok()) << code;

    EXPECT_EQ(sent(), before + 2);
    EXPECT_EQ(fake_.server().last_request().header("x-amz-security-token"), code);
  }
}

/// The answer to HEAD does not say why.
TEST_F(RequestsWithToken, AreSentWithOtherCredentialsWhenHeadIsRefused) {
  for (const int status : {400, 403}) {
    fake_.put("a", "content");
    fake_.add({.when =
                   [&](const HttpRequest&) {
                     environment_.set_token(std::to_string(status));
                     return true;
                   },
               .answer = {.status = status}});
    Call head = get();
    head.method = "HEAD";

    EXPECT_TRUE(requests().send(head, {}).ok()) << status;
  }
}

TEST_F(RequestsWithToken, AreGivenUpWhenThereAreNoOtherCredentials) {
  refuse_once("ExpiredToken", "old");

  const Error error = failure_of(put("content"));

  EXPECT_EQ(error.kind(), ErrorKind::denied);
  EXPECT_THAT(error.what(), HasSubstr("ExpiredToken"));
  EXPECT_EQ(sent(), 1);
}

TEST_F(RequestsWithToken, AreGivenUpWhenTheOthersAreRefusedToo) {
  refuse_once("ExpiredToken", "new");
  refuse_once("ExpiredToken", "newer");

  EXPECT_EQ(failure_of(put("content")).kind(), ErrorKind::denied);
  EXPECT_EQ(sent(), 2);
}

TEST_F(RequestsTest, SayThatThereAreNoCredentials) {
  options_.credentials = {};
  options_.credentials.environment = [](const std::string& name) {
    return name == "AWS_EC2_METADATA_DISABLED" ? std::optional<std::string>("true") : std::nullopt;
  };

  EXPECT_EQ(failure_of(put("content")).kind(), ErrorKind::denied);
  EXPECT_EQ(sent(), 0);
}

TEST_F(RequestsTest, EndSoonWhenStoppedWhileTheyWait) {
  HttpAnswer slow = FakeS3::error(503, "SlowDown");
  slow.headers = {{"Retry-After", "4"}};
  fake_.add({.when = any, .answer = slow, .times = 100});
  std::stop_source stop;
  std::jthread stopper([&] {
    fake_.server().wait_for_requests(1);
    stop.request_stop();
  });

  EXPECT_EQ(failure_of(put("content"), stop.get_token()).kind(), ErrorKind::cancelled);
  EXPECT_EQ(sent(), 1);
}

TEST_F(RequestsTest, TakeNoMoreThanTheyWereTold) {
  fake_.put("a", std::string(1000, 'x'));
  Call call = get();
  call.max_body = 999;

  EXPECT_EQ(failure_of(call).kind(), ErrorKind::corrupt);
  EXPECT_EQ(sent(), 1);
}

TEST_F(RequestsTest, ReportNoEndOfCredentialsThatHaveNone) {
  std::optional<Timestamp> end = Timestamp();
  options_.observer = [&](const store::RequestReport& report) { end = report.credentials_end; };

  (void)requests().send(get("no-such"), {});

  EXPECT_EQ(end, std::nullopt);
}

TEST_F(RequestsTest, ReportWhenTheCredentialsEnd) {
  const Timestamp expires = std::chrono::floor<std::chrono::seconds>(clock_.now()) + 1h;
  test::HttpServer container([&](const test::HttpRequest& /*request*/) -> test::HttpAnswer {
    return {.body = fmt::format(R"({{"AccessKeyId":"AKIATEMP","SecretAccessKey":"{}",)"
                                R"("Token":"t","Expiration":"{}"}})",
                                test::kFakeSecret, to_rfc3339(expires))};
  });
  options_.credentials = {};
  options_.credentials.environment = [&](const std::string& name) {
    return name == "AWS_CONTAINER_CREDENTIALS_FULL_URI" ? std::optional(container.url() + "/keys")
                                                        : std::nullopt;
  };
  std::optional<Timestamp> end;
  options_.observer = [&](const store::RequestReport& report) { end = report.credentials_end; };

  (void)requests().send(get("no-such"), {});

  EXPECT_EQ(end, expires);
}

TEST_F(RequestsTest, ReportEveryTry) {
  std::vector<std::string> reports;
  options_.observer = [&](const store::RequestReport& report) {
    reports.push_back(fmt::format("{} {} {} {} {}", report.operation, report.result, report.retried,
                                  report.sent, report.received));
  };
  fake_.refuse(any, 503, "SlowDown");
  fake_.break_off(any, HttpFault::reset_after_body);

  (void)requests().send(put("content"), {});
  (void)requests().send(get("no-such"), {});
  fake_.refuse(any, 403, "AccessDenied");
  (void)failure_of(get());
  (void)requests().send(get(), {});

  ASSERT_THAT(reports, SizeIs(6));
  EXPECT_THAT(reports[0], testing::StartsWith("put slow_down true 7 "));
  EXPECT_EQ(reports[1], "put no_answer true 0 0");
  EXPECT_EQ(reports[2], "put ok false 7 0");
  EXPECT_THAT(reports[3], testing::StartsWith("get missing false 0 "));
  EXPECT_THAT(reports[4], testing::StartsWith("get denied false 0 "));
  EXPECT_EQ(reports[5], "get ok false 0 7");
}

}  // namespace
}  // namespace keyrewind::s3
