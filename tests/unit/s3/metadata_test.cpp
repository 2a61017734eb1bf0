#include "s3/metadata.h"

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

class ContainerTest : public ChainTest {
 protected:
  std::string url() { return container_credentials_url(Variables(options().environment)); }

  Error failure_with(HttpAnswer answer) {
    HttpServer pod({answer, answer});
    environment_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = pod.url();
    start(options());
    return failure();
  }
};

TEST_F(ContainerTest, AsksEcsAtItsAddress) {
  environment_["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "/v2/credentials/some-id";
  environment_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = "http://127.0.0.1/other";
  EXPECT_EQ(url(), "http://169.254.170.2/v2/credentials/some-id");

  environment_["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "@evil.example/";
  EXPECT_THROW(url(), Error);
}

TEST_F(ContainerTest, SendsItsTokenInTheClearOnlyToThisMachineAndToEcsAndEks) {
  for (const char* allowed :
       {"http://169.254.170.23/v1/credentials", "http://[fd00:ec2::23]/v1/credentials",
        "http://169.254.170.2/x", "http://127.0.0.1:8080/x", "http://127.8.9.10/x",
        "http://localhost:80/x?y=z", "http://[::1]:99", "HTTP://127.0.0.1",
        "https://credentials.example:8443/x"}) {
    environment_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = allowed;
    EXPECT_EQ(url(), allowed);
  }
  for (const char* refused :
       {"http://evil.example/x", "http://127.0.0.1.evil.example/", "http://127.0.0.1@evil.example/",
        "http://evil.example\\@127.0.0.1/", "http://169.254.170.24/", "http://localhost.evil/",
        "http://127.1/", "http://[fd00:ec2::24]/", "http://%31/", "http:///x", "http://", "ftp://x",
        "127.0.0.1/x", "http://127.0.0.1/a b", "https://user:password@host/"}) {
    environment_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = refused;
    try {
      url();
      ADD_FAILURE() << refused << " is allowed";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::config);
    }
  }
}

TEST_F(ContainerTest, GivesThePodsCredentialsForItsToken) {
  HttpServer pod({{.body = metadata_answer("ASIAPOD")}});
  environment_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = pod.url() + "/v1/credentials?x=y";
  environment_["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] =
      write("pod-token", fmt::format("{}\n", kWebToken));
  environment_["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "the file goes first";

  const Credentials credentials = get();

  EXPECT_EQ(credentials.access_key_id, "ASIAPOD");
  EXPECT_EQ(credentials.secret_access_key.reveal(), kSecretKey);
  EXPECT_EQ(credentials.session_token.reveal(), kSessionToken);
  EXPECT_EQ(credentials.expires, clock_.now() + std::chrono::hours(6));
  EXPECT_EQ(credentials.provider, "container metadata");
  EXPECT_EQ(pod.last_request().target, "/v1/credentials?x=y");
  EXPECT_EQ(pod.last_request().header("authorization"), kWebToken);
}

TEST_F(ContainerTest, ReadsTheTokensFileAgainAtEveryRefresh) {
  HttpServer pod({{.body = metadata_answer("ASIAONE")}, {.body = metadata_answer("ASIATWO")}});
  environment_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = pod.url();
  environment_["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = write("pod-token", kWebToken);
  get();

  write("pod-token", "renewed");
  clock_.advance(std::chrono::hours(6));

  EXPECT_EQ(get().access_key_id, "ASIATWO");
  EXPECT_EQ(pod.last_request().header("authorization"), "renewed");
}

TEST_F(ContainerTest, TakesATokenFromTheEnvironment) {
  HttpServer pod({{.body = metadata_answer("ASIAPOD")}});
  environment_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = pod.url();
  environment_["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = fmt::format("Basic {}", kWebToken);

  get();

  EXPECT_EQ(pod.last_request().header("authorization"), fmt::format("Basic {}", kWebToken));
}

TEST_F(ContainerTest, RefusesATokenThatWouldEndItsHeader) {
  environment_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = "http://127.0.0.1:1";
  environment_["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = fmt::format("{}\r\nx: y", kWebToken);
  EXPECT_EQ(failure().kind(), ErrorKind::config);

  environment_["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] =
      write("pod-token", fmt::format("{}\nx: y", kWebToken));
  start(options());
  EXPECT_EQ(failure().kind(), ErrorKind::config);

  environment_["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = (dir_ / "absent").string();
  start(options());
  EXPECT_THAT(failure().what(), HasSubstr("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: "));
}

TEST_F(ContainerTest, NeverRepeatsWhatAnAnswerSays) {
  const std::string echo = fmt::format("{{\"message\": \"{} {}\"}}", kWebToken, kSecretKey);

  EXPECT_EQ(failure_with({.status = 404, .body = echo}).kind(), ErrorKind::denied);
  EXPECT_EQ(failure_with({.status = 500, .body = echo}).kind(), ErrorKind::unavailable);
  EXPECT_EQ(failure_with({.status = 200, .body = echo}).kind(), ErrorKind::protocol);
  const Error refused = failure_with(
      {.body = fmt::format(R"({{"Code": "AssumeRoleUnauthorizedAccess", "Message": "{}"}})",
                           kSecretKey)});
  EXPECT_EQ(refused.kind(), ErrorKind::denied);
  EXPECT_THAT(refused.what(), HasSubstr("AssumeRoleUnauthorizedAccess"));
  EXPECT_EQ(failure_with({.body = fmt::format(R"({{"Code": "{}"}})", kSecretKey)}).kind(),
            ErrorKind::denied);
}

TEST_F(ContainerTest, RefusesAnswersThatAreNone) {
  const std::string whole = metadata_answer("ASIAPOD");
  for (const std::string& body :
       {std::string(), std::string("null"), std::string("[1]"), whole.substr(0, 60),
        fmt::format(R"({{"AccessKeyId": "A", "SecretAccessKey": 5, "Token": "{}"}})",
                    kSessionToken),
        fmt::format(R"({{"AccessKeyId": "A", "SecretAccessKey": "{}", "Expiration": "soon"}})",
                    kSecretKey),
        fmt::format(R"({{"AccessKeyId": "A", "SecretAccessKey": "{}", "Token": "a b"}})",
                    kSecretKey)}) {
    EXPECT_EQ(failure_with({.body = body}).kind(), ErrorKind::protocol) << body;
  }
}

TEST_F(ContainerTest, IsAskedOnceMoreIfItStumbles) {
  HttpServer pod({{.status = 500}, {.body = metadata_answer("ASIAPOD")}});
  environment_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = pod.url();

  EXPECT_EQ(get().access_key_id, "ASIAPOD");
}

TEST_F(ContainerTest, IsUnavailableIfNobodyAnswers) {
  const Error error = failure_with({.fault = HttpFault::close_after_body});

  EXPECT_EQ(error.kind(), ErrorKind::unavailable);
  EXPECT_EQ(error.side(), Side::repository);
  EXPECT_THAT(error.what(), StartsWith("container metadata: 127.0.0.1:"));
}

TEST_F(ContainerTest, IsNeverAskedThroughAProxy) {
  HttpServer proxy(std::vector<HttpAnswer>{{.status = 502}});
  HttpServer pod({{.body = metadata_answer("ASIAPOD")}});
  environment_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = pod.url();
  ::setenv("http_proxy", proxy.url().c_str(), 1);

  EXPECT_EQ(get().access_key_id, "ASIAPOD");

  ::unsetenv("http_proxy");
  EXPECT_TRUE(proxy.requests().empty());
}

class InstanceTest : public ChainTest {
 protected:
  InstanceTest() { environment_.erase("AWS_EC2_METADATA_DISABLED"); }

  /// A healthy service with the role "backup", while `down` is false.
  HttpServer::Handler service(const bool& down = kUp) {
    return [this, &down](const HttpRequest& request) -> HttpAnswer {
      if (down) {
        return {.status = 503};
      }
      if (request.target.ends_with("/token")) {
        return {.body = "metadata-token\n"};
      }
      return {.body = request.target.ends_with("/") ? "backup\nanother\n"
                                                    : metadata_answer("ASIAINSTANCE")};
    };
  }

  void use(const HttpServer& server) {
    environment_["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = server.url() + "/";
    start(options());
  }

  static constexpr bool kUp = false;
};

TEST_F(InstanceTest, GivesTheRolesCredentialsForASessionsToken) {
  HttpServer server(service());
  use(server);

  EXPECT_EQ(get().access_key_id, "ASIAINSTANCE");

  const auto requests = server.requests();
  ASSERT_EQ(requests.size(), 3);
  EXPECT_EQ(requests[0].method, "PUT");
  EXPECT_EQ(requests[0].target, "/latest/api/token");
  EXPECT_NE(requests[0].header("x-aws-ec2-metadata-token-ttl-seconds"), "");
  EXPECT_EQ(requests[1].target, "/latest/meta-data/iam/security-credentials/");
  EXPECT_EQ(requests[1].header("x-aws-ec2-metadata-token"), "metadata-token");
  EXPECT_EQ(requests[2].target, "/latest/meta-data/iam/security-credentials/backup");
  EXPECT_EQ(requests[2].header("x-aws-ec2-metadata-token"), "metadata-token");
}

TEST_F(InstanceTest, SaysSoIfVersionTwoIsTurnedOff) {
  HttpServer server(std::vector<HttpAnswer>{{.status = 403}});
  use(server);

  const Error error = failure();

  EXPECT_EQ(error.kind(), ErrorKind::denied);
  EXPECT_THAT(error.what(), AllOf(HasSubstr("403"), HasSubstr("version 2")));
}

TEST_F(InstanceTest, SaysSoIfNoRoleIsAttached) {
  HttpServer no_list({{.body = "metadata-token"}, {.status = 404}});
  use(no_list);
  Error error = failure();
  EXPECT_EQ(error.kind(), ErrorKind::denied);
  EXPECT_THAT(error.what(), HasSubstr("attach a role"));

  HttpServer empty_list({{.body = "metadata-token"}, {.body = "\n"}});
  use(empty_list);
  error = failure();
  EXPECT_EQ(error.kind(), ErrorKind::denied);
  EXPECT_THAT(error.what(), HasSubstr("names no role"));

  HttpServer no_credentials({{.body = "metadata-token"}, {.body = "role"}, {.status = 404}});
  use(no_credentials);
  EXPECT_EQ(failure().kind(), ErrorKind::denied);
}

TEST_F(InstanceTest, RefusesAnAnswerThatIsNoToken) {
  HttpServer server({{.body = "<html>\r\na portal</html>"}});
  use(server);

  EXPECT_EQ(failure().kind(), ErrorKind::protocol);
}

TEST_F(InstanceTest, IsUnavailableIfItIsNamedAndDoesNotAnswer) {
  HttpServer server(
      {{.fault = HttpFault::close_after_body}, {.fault = HttpFault::close_after_body}});
  use(server);

  EXPECT_EQ(failure().kind(), ErrorKind::unavailable);
}

TEST_F(InstanceTest, IsKeptOnceItHasAnswered) {
  bool down = false;
  HttpServer server(service(down));
  use(server);
  get();

  down = true;
  clock_.advance(std::chrono::hours(6));

  EXPECT_EQ(failure().kind(), ErrorKind::unavailable);
}

/// Before anything is known of it, as on a machine that may be none of AWS's.
class UnknownInstanceTest : public InstanceTest {
 protected:
  UnknownInstanceTest() : instance_(Variables(options().environment)) {}

  std::optional<Found> find_at(const HttpServer& server) {
    environment_["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = server.url();
    return instance_.find({});
  }

  InstanceMetadata instance_;
};

TEST_F(UnknownInstanceTest, IsTakenForNoneIfItDoesNotAnswer) {
  HttpServer server(
      {{.fault = HttpFault::close_after_body}, {.fault = HttpFault::close_after_body}});

  EXPECT_FALSE(find_at(server));
  EXPECT_THAT(instance_.place(), HasSubstr("does not answer"));
}

TEST_F(UnknownInstanceTest, IsTakenForNoneIfItKnowsNoToken) {
  HttpServer server(std::vector<HttpAnswer>{{.status = 404}});

  EXPECT_FALSE(find_at(server));
  EXPECT_THAT(instance_.place(), HasSubstr("404"));
}

TEST_F(UnknownInstanceTest, IsKnownOnceItGaveAToken) {
  bool down = false;
  HttpServer server(service(down));
  EXPECT_TRUE(find_at(server));

  HttpServer gone({{.fault = HttpFault::close_after_body}, {.fault = HttpFault::close_after_body}});

  EXPECT_THROW(find_at(gone), Error);
}

TEST_F(UnknownInstanceTest, IsUnavailableIfItStumbles) {
  HttpServer server({{.status = 500}, {.status = 500}});

  EXPECT_THROW(find_at(server), Error);
}

TEST_F(InstanceTest, IsNotAskedIfItIsTurnedOff) {
  HttpServer server(service());
  use(server);
  environment_["AWS_EC2_METADATA_DISABLED"] = "True";

  EXPECT_EQ(failure().kind(), ErrorKind::denied);
  EXPECT_TRUE(server.requests().empty());
}

}  // namespace
}  // namespace keyrewind::s3
