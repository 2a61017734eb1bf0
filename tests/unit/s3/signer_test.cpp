#include "s3/signer.h"

#include "base/error.h"
#include "codec/sha256.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <string>

namespace keyrewind::s3 {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

constexpr std::string_view kEmptySha256 =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

const Timestamp kMay2013 = *from_rfc3339("2013-05-24T00:00:00Z");
const Timestamp kAugust2015 = *from_rfc3339("2015-08-30T12:36:00Z");

/// The keys of the S3 documentation, "Examples of the complete Signature Version 4".
Credentials documented() {
  Credentials credentials;
  credentials.access_key_id = "AKIAIOSFODNN7EXAMPLE";
  credentials.secret_access_key = Secret("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
  return credentials;
}

/// The keys of the aws-sig-v4-test-suite.
Credentials of_test_suite() {
  Credentials credentials;
  credentials.access_key_id = "AKIDEXAMPLE";
  credentials.secret_access_key = Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
  return credentials;
}

http::Request request(std::string method, std::string url, http::Headers headers = {}) {
  http::Request made;
  made.method = std::move(method);
  made.url = std::move(url);
  made.headers = std::move(headers);
  return made;
}

std::string header(const http::Request& request, std::string_view name) {
  const auto found = std::find_if(request.headers.begin(), request.headers.end(),
                                  [&](const auto& header) { return header.first == name; });
  return found == request.headers.end() ? "" : found->second;
}

std::string authorization(http::Request request, std::string_view payload = kEmptySha256) {
  sign(request, payload, documented(), {.region = "us-east-1"}, kMay2013);
  return header(request, "authorization");
}

std::string test_suite_authorization(http::Request request,
                                     std::string_view payload = kEmptySha256) {
  sign(request, payload, of_test_suite(), {.region = "us-east-1", .service = "service"},
       kAugust2015);
  return header(request, "authorization");
}

TEST(Signer, SignsAGetOfARangeAsDocumented) {
  EXPECT_EQ(authorization(request("GET", "https://examplebucket.s3.amazonaws.com/test.txt",
                                  {{"Range", "bytes=0-9"}})),
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
            "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
            "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

TEST(Signer, SignsAPutAsDocumented) {
  const std::string path = uri_encode("/test$file.text", true);
  const std::string sha256 = codec::sha256_hex(as_bytes("Welcome to Amazon S3."));

  EXPECT_EQ(authorization(request("PUT", "https://examplebucket.s3.amazonaws.com" + path,
                                  {{"Date", "Fri, 24 May 2013 00:00:00 GMT"},
                                   {"x-amz-storage-class", "REDUCED_REDUNDANCY"}}),
                          sha256),
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
            "SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class, "
            "Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

TEST(Signer, SignsAParameterWithoutValueAsDocumented) {
  const std::string expected =
      "Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543";

  EXPECT_THAT(authorization(request("GET", "https://examplebucket.s3.amazonaws.com/?lifecycle")),
              EndsWith(expected));
  EXPECT_THAT(authorization(request("GET", "https://examplebucket.s3.amazonaws.com/?lifecycle=")),
              EndsWith(expected));
  EXPECT_THAT(authorization(request("GET", "https://examplebucket.s3.amazonaws.com?lifecycle")),
              EndsWith(expected));
}

TEST(Signer, SignsAListingAsDocumentedWhateverTheOrderOfParameters) {
  const std::string expected =
      "Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7";

  EXPECT_THAT(
      authorization(request("GET", "https://examplebucket.s3.amazonaws.com/?max-keys=2&prefix=J")),
      EndsWith(expected));
  EXPECT_THAT(
      authorization(request("GET", "https://examplebucket.s3.amazonaws.com/?prefix=J&max-keys=2")),
      EndsWith(expected));
}

TEST(Signer, AgreesWithTheTestSuiteOfAws) {
  const std::string url = "https://example.amazonaws.com/";
  // get-vanilla
  EXPECT_EQ(test_suite_authorization(request("GET", url)),
            "AWS4-HMAC-SHA256 "
            "Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
            "SignedHeaders=host;x-amz-date, "
            "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
  // get-vanilla-query-order-key-case
  EXPECT_THAT(test_suite_authorization(request("GET", url + "?Param2=value2&Param1=value1")),
              EndsWith("b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"));
  // post-vanilla
  EXPECT_THAT(test_suite_authorization(request("POST", url)),
              EndsWith("5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"));
}

TEST(Signer, SortsHeadersByNameWhereOneBeginsWithAnother) {
  http::Request put = request("PUT", "https://b.example/k",
                              {{"x-amz-server-side-encryption-customer-key-MD5", "m"},
                               {"x-amz-server-side-encryption-customer-key", "k"},
                               {"x-amz-meta-a-b", "2"},
                               {"X-Amz-Meta-A", "1"}});

  EXPECT_THAT(authorization(put),
              HasSubstr("x-amz-meta-a;x-amz-meta-a-b;x-amz-server-side-encryption-customer-key;"
                        "x-amz-server-side-encryption-customer-key-md5,"));
}

TEST(Signer, TakesNoNoticeOfTheOrderTheCaseAndTheBlanksOfHeaders) {
  const std::string url = "https://b.example/k";

  EXPECT_EQ(authorization(request("GET", url, {{"Range", "bytes=0-9"}, {"x-a", "b  c"}})),
            authorization(request("GET", url, {{"X-A", " b c "}, {"range", "\tbytes=0-9 "}})));
}

TEST(Signer, JoinsHeadersOfOneNameInTheirOrder) {
  const std::string url = "https://example.amazonaws.com/";

  // get-header-key-duplicate of the test suite of AWS.
  EXPECT_THAT(test_suite_authorization(request(
                  "GET", url,
                  {{"My-Header1", "value2"}, {"My-Header1", "value2"}, {"My-Header1", "value1"}})),
              EndsWith("c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"));
  EXPECT_EQ(authorization(request("GET", url, {{"x-a", "b "}, {"x-b", "c"}, {"X-A", " a"}})),
            authorization(request("GET", url, {{"x-a", "b,a"}, {"x-b", "c"}})));
}

TEST(Signer, SortsAQueryByNameBeforeValue) {
  const std::string url = "https://b.example/k?";

  // As whole pieces "a-b=" would go before "a=".
  EXPECT_EQ(authorization(request("GET", url + "a=2&a-b=1&a=10&a")),
            authorization(request("GET", url + "a=&a=10&a=2&a-b=1")));
  EXPECT_NE(authorization(request("GET", url + "a=1&b=2")),
            authorization(request("GET", url + "a=2&b=1")));
}

TEST(Signer, LeavesThePathAsItStands) {
  const std::string url = "https://b.example/";

  EXPECT_NE(authorization(request("GET", url + "a//b")),
            authorization(request("GET", url + "a/b")));
  EXPECT_NE(authorization(request("GET", url + "a/../b")),
            authorization(request("GET", url + "b")));
  EXPECT_NE(authorization(request("GET", url + "a%20b")),
            authorization(request("GET", url + "a%2520b")));
}

TEST(Signer, NamesThePortOfTheHostUnlessItIsTheSchemesOwn) {
  const auto host = [](const std::string& url) {
    http::Request get = request("GET", url);
    sign(get, kEmptySha256, documented(), {.region = "r"}, kMay2013);
    return header(get, "host");
  };

  EXPECT_EQ(host("https://b.example/k"), "b.example");
  EXPECT_EQ(host("https://b.example:443/k"), "b.example");
  EXPECT_EQ(host("https://b.example:80/k"), "b.example:80");
  EXPECT_EQ(host("http://b.example:80/k"), "b.example");
  EXPECT_EQ(host("http://b.example:9000"), "b.example:9000");
  EXPECT_EQ(host("http://[::1]:9000?x"), "[::1]:9000");
}

TEST(Signer, ReplacesAnEarlierSignature) {
  Credentials temporary = documented();
  temporary.session_token = Secret("a/token+of==words");
  http::Request get = request("GET", "https://b.example/k", {{"Range", "bytes=0-9"}});
  sign(get, kEmptySha256, temporary, {.region = "r"}, kMay2013);
  EXPECT_EQ(header(get, "x-amz-security-token"), "a/token+of==words");
  EXPECT_THAT(header(get, "authorization"), HasSubstr(";x-amz-security-token,"));

  sign(get, kUnsignedPayload, documented(), {.region = "r"}, kAugust2015);

  http::Request once = request("GET", "https://b.example/k", {{"Range", "bytes=0-9"}});
  sign(once, kUnsignedPayload, documented(), {.region = "r"}, kAugust2015);
  EXPECT_EQ(get.headers, once.headers);
}

TEST(Signer, RefusesWhatIsNoUrlWithoutRepeatingIt) {
  http::Request get = request("GET", "b.example/k?X-Amz-Signature=abc");

  try {
    sign(get, kEmptySha256, documented(), {.region = "r"}, kMay2013);
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::config);
    EXPECT_THAT(error.what(), testing::Not(HasSubstr("abc")));
  }
}

TEST(UriEncode, EncodesAllButTheUnreserved) {
  EXPECT_EQ(uri_encode("AZaz09-._~", false), "AZaz09-._~");
  EXPECT_EQ(uri_encode(" !\"#$%&'()*+,:;<=>?@[\\]^`{|}", false),
            "%20%21%22%23%24%25%26%27%28%29%2A%2B%2C%3A%3B%3C%3D%3E%3F%40%5B%5C%5D%5E%60%7B%7C%7D");
  EXPECT_EQ(uri_encode("\xC3\xA4\x01\xFF", false), "%C3%A4%01%FF");
}

TEST(UriEncode, KeepsSlashesWhereTheyDivideAPath) {
  EXPECT_EQ(uri_encode("a/b c", true), "a/b%20c");
  EXPECT_EQ(uri_encode("a/b c", false), "a%2Fb%20c");
}

}  // namespace
}  // namespace keyrewind::s3
