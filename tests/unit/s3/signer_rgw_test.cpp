#include "codec/sha256.h"
#include "s3/signer.h"
#include "s3/sts.h"
#include "support/s3_servers.h"
#include "unit/s3/chain_fixture.h"

#include <algorithm>

namespace keyrewind::s3 {
namespace {

using test::S3Bucket;
using test::S3Server;
using testing::HasSubstr;

constexpr const char* kRole = "arn:aws:iam:::role/backup";

std::string& header(http::Request& request, std::string_view name) {
  return std::find_if(request.headers.begin(), request.headers.end(),
                      [&](const auto& header) { return header.first == name; })
      ->second;
}

/// What we sign, before a server that checks it.
class SignerOnRgw : public ChainTest {
 protected:
  void SetUp() override { test::require_rgw(); }

  Credentials owner() const {
    return {.access_key_id = S3Server::rgw().access_key(),
            .secret_access_key = Secret(S3Server::rgw().secret_key())};
  }

  http::Request signed_request(const std::string& method, const std::string& path,
                               const Credentials& credentials, std::string_view body = "",
                               http::Headers headers = {}) {
    http::Request request{.method = method,
                          .url = S3Server::rgw().endpoint() + path,
                          .headers = std::move(headers),
                          .body = as_bytes(body)};
    sign(request, codec::sha256_hex(request.body), credentials, {.region = "us-east-1"},
         system_clock_.now());
    return request;
  }

  int status(const http::Request& request) { return client_.send(request, {}).status; }

  /// A profile that assumes the role as the owner, by the gateway's own STS.
  void set_profile_with_role(const std::string& secret) {
    write(".aws/credentials",
          fmt::format("[base]\naws_access_key_id = {}\naws_secret_access_key = {}\n"
                      "[backup]\nrole_arn = {}\nsource_profile = base\n",
                      S3Server::rgw().access_key(), secret, kRole));
    environment_["AWS_PROFILE"] = "backup";
    environment_["AWS_ENDPOINT_URL_STS"] = S3Server::rgw().endpoint();
    chain_ = std::make_unique<CredentialChain>(options(), system_clock_);
  }

  SystemClock system_clock_;
  http::Client client_{http::ClientOptions{}};
};

TEST_F(SignerOnRgw, SignsKeysHeadersAndQueriesOfAllKinds) {
  const S3Bucket bucket = S3Server::rgw().new_bucket();
  const std::string body = "content";
  for (const std::string_view key : {"plain", "two words", "a+b", "umlaut \xC3\xA4", "50%", "a//b",
                                     "a/../b", "~t-e_s.t", "?#&=;:@$,!'()*[]{}|^`<>\"\\"}) {
    const std::string path = "/" + bucket.name() + "/" + uri_encode(key, true);
    EXPECT_EQ(status(signed_request("PUT", path, owner(), body,
                                    {{"x-amz-meta-a", "one"},
                                     {"x-amz-meta-a-b", " two  words "},
                                     {"content-type", "text/plain"}})),
              200)
        << key;
    EXPECT_EQ(status(signed_request("GET", path, owner(), "", {{"Range", "bytes=0-1"}})), 206)
        << key;
    EXPECT_EQ(status(signed_request("GET",
                                    "/" + bucket.name() + "?prefix=" + uri_encode(key, false) +
                                        "&list-type=2&encoding-type=url&delimiter=%2F",
                                    owner())),
              200)
        << key;
  }
}

TEST_F(SignerOnRgw, IsRefusedOnceAnythingThatWasSignedIsAltered) {
  const S3Bucket bucket = S3Server::rgw().new_bucket();
  const std::string path = "/" + bucket.name() + "/key";
  const auto put = [&] {
    return signed_request("PUT", path, owner(), "content", {{"x-amz-meta-a", "one"}});
  };
  ASSERT_EQ(status(put()), 200);

  http::Request signature = put();
  char& digit = header(signature, "authorization").back();
  digit = digit == '0' ? '1' : '0';
  EXPECT_EQ(status(signature), 403);

  http::Request meta = put();
  header(meta, "x-amz-meta-a") = "two";
  EXPECT_EQ(status(meta), 403);

  http::Request elsewhere = put();
  elsewhere.url += "2";
  EXPECT_EQ(status(elsewhere), 403);

  http::Request body = put();
  body.body = as_bytes("CONTENT");
  EXPECT_EQ(status(body), 400);

  Credentials wrong = owner();
  wrong.secret_access_key = Secret("wrong");
  EXPECT_EQ(status(signed_request("GET", path, wrong)), 403);
}

TEST_F(SignerOnRgw, AssumesARoleWhoseTokenWorks) {
  set_profile_with_role(S3Server::rgw().secret_key());
  const S3Bucket bucket = S3Server::rgw().new_bucket();
  const std::string path = "/" + bucket.name() + "/key";

  Credentials temporary = chain_->get({});

  EXPECT_NE(temporary.access_key_id, S3Server::rgw().access_key());
  EXPECT_FALSE(temporary.session_token.empty());
  ASSERT_TRUE(temporary.expires);
  EXPECT_GT(*temporary.expires, system_clock_.now());
  EXPECT_EQ(status(signed_request("PUT", path, temporary, "content")), 200);
  EXPECT_EQ(status(signed_request("GET", path, temporary)), 200);

  std::string altered(temporary.session_token.reveal());
  altered[altered.size() / 2] = altered[altered.size() / 2] == 'A' ? 'B' : 'A';
  temporary.session_token = Secret(altered);
  EXPECT_EQ(status(signed_request("GET", path, temporary)), 403);
}

TEST_F(SignerOnRgw, IsDeniedTheRoleWithAWrongSecret) {
  set_profile_with_role("wrong");

  const Error error = failure();

  EXPECT_EQ(error.kind(), ErrorKind::denied);
  EXPECT_THAT(error.what(), HasSubstr(kRole));
}

}  // namespace
}  // namespace keyrewind::s3
