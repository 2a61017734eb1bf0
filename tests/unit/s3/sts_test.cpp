#include "s3/sts.h"

#include "unit/s3/chain_fixture.h"

namespace keyrewind::s3 {
namespace {

using test::HttpAnswer;
using test::HttpFault;
using test::HttpRequest;
using test::HttpServer;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

constexpr const char* kWeb = "AssumeRoleWithWebIdentity";

class StsTest : public ChainTest {
 protected:
  /// How the chain fails when STS gives this answer to a web identity.
  Error failure_with(HttpAnswer answer) {
    HttpServer sts({std::move(answer)});
    set_web_identity(sts.url());
    start(options());
    return failure();
  }

  StsEndpoint endpoint(const std::string& region) {
    return sts_endpoint(Variables(options().environment), region);
  }
};

TEST_F(StsTest, AsksWithTheTokenAndTheSessionsNameAndWithoutSignature) {
  HttpServer sts({{.body = sts_answer(kWeb, "ASIAWEB")}});
  set_web_identity(sts.url());
  environment_["AWS_ROLE_SESSION_NAME"] = "pod-7";

  const Credentials credentials = get();

  EXPECT_EQ(credentials.access_key_id, "ASIAWEB");
  EXPECT_EQ(credentials.secret_access_key.reveal(), kSecretKey);
  EXPECT_EQ(credentials.session_token.reveal(), kSessionToken);
  EXPECT_EQ(credentials.expires, clock_.now() + std::chrono::hours(1));
  const HttpRequest request = sts.last_request();
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.body, fmt::format("Action=AssumeRoleWithWebIdentity&Version=2011-06-15"
                                      "&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fbackup"
                                      "&RoleSessionName=pod-7&WebIdentityToken={}",
                                      kWebToken));
  EXPECT_FALSE(request.has_header("authorization"));
}

TEST_F(StsTest, RefusesAWebIdentityThatIsSetByHalf) {
  set_web_identity("http://127.0.0.1:1");
  environment_.erase("AWS_ROLE_ARN");
  EXPECT_THAT(failure().what(), HasSubstr("AWS_ROLE_ARN is not; set both"));

  set_web_identity("http://127.0.0.1:1");
  environment_.erase("AWS_WEB_IDENTITY_TOKEN_FILE");
  start(options());
  const Error error = failure();
  EXPECT_EQ(error.kind(), ErrorKind::config);
  EXPECT_THAT(error.what(), HasSubstr("AWS_WEB_IDENTITY_TOKEN_FILE is not; set both"));
}

TEST_F(StsTest, SaysWhatIsWrongWithATokensFile) {
  set_web_identity("http://127.0.0.1:1");
  environment_["AWS_WEB_IDENTITY_TOKEN_FILE"] = (dir_ / "absent").string();
  const Error error = failure();
  EXPECT_EQ(error.kind(), ErrorKind::config);
  EXPECT_THAT(error.what(),
              AllOf(StartsWith("AWS_WEB_IDENTITY_TOKEN_FILE: "), HasSubstr("absent")));

  environment_["AWS_WEB_IDENTITY_TOKEN_FILE"] = write("empty", " \n");
  EXPECT_THAT(failure().what(), HasSubstr("is empty"));
}

TEST_F(StsTest, NamesTheCodeOfARefusalAndWhatToDo) {
  for (const auto& [code, what] :
       std::map<std::string, std::string>{{"AccessDenied", "trust policy"},
                                          {"ExpiredTokenException", "the token has run out"},
                                          {"InvalidIdentityToken", "issuer"},
                                          {"RegionDisabledException", "turn STS on"},
                                          {"ValidationError", "check the role"}}) {
    const Error error = failure_with(
        {.status = 400,
         .body = fmt::format("<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"
                             "<Error><Type>Sender</Type><Code>{}</Code></Error></ErrorResponse>",
                             code)});
    EXPECT_EQ(error.kind(), ErrorKind::denied);
    EXPECT_EQ(error.side(), Side::repository);
    EXPECT_THAT(error.what(),
                AllOf(HasSubstr("role/backup"), HasSubstr("400 (" + code + ")"), HasSubstr(what)));
  }
}

TEST_F(StsTest, IsUnavailableIfItAsksToComeLater) {
  for (const HttpAnswer& answer : std::vector<HttpAnswer>{
           {.status = 503, .body = ""},
           {.status = 500, .body = "<html>oops"},
           {.status = 429, .body = ""},
           {.status = 400, .body = "<Error><Code>Throttling</Code></Error>"},
           {.status = 400, .body = "<Error><Code>IDPCommunicationError</Code></Error>"}}) {
    EXPECT_EQ(failure_with(answer).kind(), ErrorKind::unavailable);
  }
}

TEST_F(StsTest, IsUnavailableIfItBreaksOff) {
  const Error error = failure_with({.fault = HttpFault::reset_after_body});

  EXPECT_EQ(error.kind(), ErrorKind::unavailable);
  EXPECT_THAT(error.what(), HasSubstr("role/backup"));
}

TEST_F(StsTest, NeverRepeatsWhatAnErrorEchoes) {
  const std::string token(kWebToken);
  for (const std::string& body :
       {"<ErrorResponse><Error><Code>InvalidIdentityToken</Code><Message>no key for token " +
            token + "</Message></Error></ErrorResponse>",
        "<ErrorResponse><Error><Code>" + token + "</Code></Error></ErrorResponse>",
        "<ErrorResponse><Error><Code>" + token.substr(0, 20) + "</Code></Error></ErrorResponse>",
        "WebIdentityToken=" + token, "{\"message\":\"" + token + "\"}"}) {
    EXPECT_EQ(failure_with({.status = 400, .body = body}).kind(), ErrorKind::denied);
    EXPECT_EQ(failure_with({.status = 200, .body = body}).kind(), ErrorKind::protocol);
    EXPECT_EQ(failure_with({.status = 503, .body = body}).kind(), ErrorKind::unavailable);
  }
  // The fixture searches what was said.
}

TEST_F(StsTest, NeverRepeatsCredentialsThatItCannotUse) {
  const std::string whole = sts_answer(kWeb, "ASIAWEB");
  const auto with = [&](std::string_view from, std::string_view to) {
    std::string changed = whole;
    changed.replace(changed.find(from), from.size(), to);
    return changed;
  };
  for (const std::string& body :
       {with("<AccessKeyId>ASIAWEB</AccessKeyId>", ""), with("Expiration>20", "Expiration>at 20"),
        with("<SessionToken>", "<SessionToken>two words "), with("<SecretAccessKey>", "<X>"),
        whole.substr(0, whole.size() / 2)}) {
    EXPECT_EQ(failure_with({.status = 200, .body = body}).kind(), ErrorKind::protocol) << body;
  }
}

TEST_F(StsTest, RefusesAnAnswerThatIsTooLong) {
  const Error error = failure_with({.status = 200, .body = std::string(300'000, 'x')});

  EXPECT_EQ(error.side(), Side::repository);
  EXPECT_THAT(error.what(), HasSubstr("262144 bytes"));
}

TEST_F(StsTest, IsAskedInTheRegion) {
  EXPECT_EQ(endpoint("eu-central-1").url, "https://sts.eu-central-1.amazonaws.com");
  EXPECT_EQ(endpoint("eu-central-1").region, "eu-central-1");
  EXPECT_EQ(endpoint("us-gov-west-1").url, "https://sts.us-gov-west-1.amazonaws.com");
  EXPECT_EQ(endpoint("cn-north-1").url, "https://sts.cn-north-1.amazonaws.com.cn");
  EXPECT_EQ(endpoint("us-iso-east-1").url, "https://sts.us-iso-east-1.c2s.ic.gov");
  EXPECT_EQ(endpoint("us-isob-east-1").url, "https://sts.us-isob-east-1.sc2s.sgov.gov");
}

TEST_F(StsTest, IsAskedAtTheGlobalAddressIfNoRegionIsKnown) {
  EXPECT_EQ(endpoint("").url, "https://sts.amazonaws.com");
  EXPECT_EQ(endpoint("").region, "us-east-1");
}

TEST_F(StsTest, IsAskedWhereVariablesSay) {
  environment_["AWS_ENDPOINT_URL"] = "https://all.example";
  EXPECT_EQ(endpoint("eu-west-1").url, "https://all.example");
  environment_["AWS_ENDPOINT_URL_STS"] = "https://sts.example:8443/";
  EXPECT_EQ(endpoint("eu-west-1").url, "https://sts.example:8443");
  EXPECT_EQ(endpoint("eu-west-1").region, "eu-west-1");
  environment_["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] = "TRUE";
  EXPECT_EQ(endpoint("eu-west-1").url, "https://sts.eu-west-1.amazonaws.com");
}

TEST_F(StsTest, SendsNothingToAHostThatARegionMakesUp) {
  EXPECT_THROW(endpoint("evil.example/"), Error);
  EXPECT_THROW(endpoint("EU"), Error);
}

}  // namespace
}  // namespace keyrewind::s3
