#include "support/s3_servers.h"

#include "support/agent_run.h"
#include "support/tls_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <ostream>
#include <stdexcept>
#include <string>

namespace keyrewind::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

/// A server of either kind, as a test's parameter.
struct Kind {
  std::string name;
  void (*require)();
  const S3Server& (*server)();
};

void PrintTo(const Kind& kind, std::ostream* out) {
  *out << kind.name;
}

class EveryS3Server : public testing::TestWithParam<Kind> {
 protected:
  void SetUp() override { GetParam().require(); }
};

TEST_P(EveryS3Server, KeepsWhatIsPut) {
  const S3Bucket bucket = GetParam().server().new_bucket();

  bucket.client().put(bucket.name(), "a/key with $.txt", "content");

  EXPECT_EQ(bucket.client().get(bucket.name(), "a/key with $.txt"), "content");
  EXPECT_THAT(bucket.keys(), ElementsAre("a/key with $.txt"));
  EXPECT_THAT(bucket.uploads(), IsEmpty());
}

TEST_P(EveryS3Server, RefusesAWrongSecret) {
  const S3Server& server = GetParam().server();
  const S3Client stranger(server.endpoint(),
                          {.access_key = server.access_key(), .secret_key = "wrong"});

  const S3Answer answer = stranger.send("GET", "/");

  EXPECT_EQ(answer.status, 403);
  EXPECT_EQ(answer.error_code(), "SignatureDoesNotMatch");
}

TEST_P(EveryS3Server, LosesABucketWithAllItHolds) {
  const S3Server& server = GetParam().server();
  std::string name;
  {
    const S3Bucket bucket = server.new_bucket({.versioned = true});
    name = bucket.name();
    bucket.client().put(name, "key", "one");
    bucket.client().put(name, "key", "two");
    bucket.client().send("POST", "/" + name + "/large", {{"uploads", ""}});
    EXPECT_THAT(bucket.uploads(), ElementsAre("large"));
  }

  EXPECT_EQ(server.client().send("HEAD", "/" + name).status, 404);
}

INSTANTIATE_TEST_SUITE_P(Servers, EveryS3Server,
                         testing::Values(Kind{"rgw", &require_rgw, &S3Server::rgw},
                                         Kind{"swift", &require_swift, &S3Server::swift}),
                         [](const auto& kind) { return kind.param.name; });

class Rgw : public testing::Test {
 protected:
  void SetUp() override { require_rgw(); }
};

TEST_F(Rgw, HasGatewaysThatStopAndComeBack) {
  const S3Bucket bucket = S3Server::rgw().new_bucket();
  RgwGateway gateway;
  const S3Client through(gateway.endpoint(), bucket.client().keys());
  through.put(bucket.name(), "key", "content");

  gateway.stop();
  EXPECT_THROW(through.send("GET", "/"), std::runtime_error);
  gateway.start();

  EXPECT_EQ(through.get(bucket.name(), "key"), "content");
}

TEST_F(Rgw, DoesNotWaitForAFrozenGateway) {
  RgwGateway gateway;
  gateway.freeze();

  const S3Bucket bucket = S3Server::rgw().new_bucket();
  bucket.client().put(bucket.name(), "key", "content");
  gateway.thaw();

  const S3Client through(gateway.endpoint(), bucket.client().keys());
  EXPECT_EQ(through.get(bucket.name(), "key"), "content");
}

TEST_F(Rgw, SpeaksTls) {
  const TlsFiles files;
  std::ofstream(files / "both.pem")
      << std::ifstream(files.server_cert()).rdbuf() << std::ifstream(files.server_key()).rdbuf();
  const RgwGateway gateway(files / "both.pem");
  const S3Keys keys = S3Server::rgw().client().keys();

  const S3Client trusting(gateway.endpoint(), keys, files.ca_cert());
  const S3Client strict(gateway.endpoint(), keys);

  EXPECT_EQ(trusting.send("GET", "/").status, 200);
  EXPECT_THROW(strict.send("GET", "/"), std::runtime_error);
}

TEST_F(Rgw, TakesPermissionsAwayAndGivesThemBack) {
  const S3Bucket bucket = S3Server::rgw().new_bucket();
  bucket.set_policy(R"({"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*",)"
                    R"("Action":"s3:PutObject","Resource":"arn:aws:s3:::)" +
                    bucket.name() + R"(/*"}]})");
  EXPECT_EQ(bucket.client().send("PUT", "/" + bucket.name() + "/key", {}, "x").status, 403);

  bucket.set_policy("");

  EXPECT_EQ(bucket.client().send("PUT", "/" + bucket.name() + "/key", {}, "x").status, 200);
}

TEST_F(Rgw, KeepsUsersApart) {
  const S3Server& server = S3Server::rgw();
  const S3Bucket bucket = server.new_bucket();
  const S3Client other(server.endpoint(), server.new_user());

  EXPECT_EQ(other.send("GET", "/").status, 200);
  EXPECT_EQ(other.send("GET", "/" + bucket.name()).error_code(), "AccessDenied");
}

TEST_F(Rgw, GivesKeysThatEnd) {
  const S3Server& server = S3Server::rgw();
  const S3Bucket bucket = server.new_bucket();

  const S3Client lasting(server.endpoint(), server.client().session_keys(std::chrono::hours(1)));
  const S3Client brief(server.endpoint(), server.client().session_keys(std::chrono::seconds(1)));

  EXPECT_THAT(lasting.list(bucket.name()), IsEmpty());
  wait_until("the keys' end", [&] { return brief.send("GET", "/" + bucket.name()).status == 403; });
}

}  // namespace
}  // namespace keyrewind::test
