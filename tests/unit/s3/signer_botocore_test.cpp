#include "codec/sha256.h"
#include "s3/signer.h"
#include "support/paths.h"
#include "support/process.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace keyrewind::s3 {
namespace {

/// Requests of all shapes, each from the numbers of one seed.
class Requests {
 public:
  explicit Requests(unsigned seed) : random_(seed) {}

  std::size_t number(std::size_t below) { return random_() % below; }

  std::string pick(const std::vector<std::string>& from) { return from[number(from.size())]; }

  /// Any bytes, most of them such as names have.
  std::string text(std::size_t longest) {
    constexpr std::string_view kUsual = "abcXYZ019-._~/ +%&=?#:;,@!$'()*[]{}|\\\"<>^`";
    std::string made;
    for (std::size_t left = number(longest + 1); left > 0; --left) {
      made.push_back(number(8) == 0 ? static_cast<char>(number(256))
                                    : kUsual[number(kUsual.size())]);
    }
    return made;
  }

  http::Request request() {
    http::Request made;
    made.method = pick({"GET", "PUT", "POST", "DELETE", "HEAD"});
    made.url = pick({"http", "https"}) + "://" +
               pick({"b.s3.eu-central-1.amazonaws.com", "127.0.0.1", "localhost"}) +
               pick({"", ":80", ":443", ":9000"}) + "/" + uri_encode(text(40), true);
    for (std::size_t i = 0, all = number(5); i < all; ++i) {
      const std::string name =
          pick({"a", "a-b", "a0", "A", "prefix", "uploads", uri_encode(text(4), false)});
      made.url += (i == 0 ? "?" : "&") + name + "=" + uri_encode(text(12), false);
    }
    for (std::size_t i = 0, all = number(6); i < all; ++i) {
      made.headers.emplace_back(
          pick({"x-amz-meta-a", "X-Amz-Meta-A-B", "x-amz-meta-a0", "Range", "content-type",
                "x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id"}),
          pick({"plain", " at both ends ", "two  and   three", "a,b", "=;:/", "", "  "}));
    }
    return made;
  }

  Credentials credentials() {
    Credentials made;
    made.access_key_id = pick({"AKIAIOSFODNN7EXAMPLE", "test:tester"});
    made.secret_access_key = Secret(pick({"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "testing"}));
    made.session_token = Secret(pick({"", "", "IQoJb3JpZ2luX2Vj//+=="}));
    return made;
  }

 private:
  std::mt19937 random_;
};

std::string value_of(const http::Request& request, const std::string& name) {
  const auto found = std::find_if(request.headers.begin(), request.headers.end(),
                                  [&](const auto& header) { return header.first == name; });
  return found == request.headers.end() ? "" : found->second;
}

/// What botocore is told: all but what it finds out by itself.
nlohmann::json as_case(const http::Request& request, const std::string& sha256,
                       const Credentials& credentials, const SigningScope& scope) {
  nlohmann::json headers = nlohmann::json::array();
  for (const auto& [name, value] : request.headers) {
    if (name != "authorization" && name != "host") {
      headers.push_back({name, value});
    }
  }
  return {{"method", request.method},
          {"url", request.url},
          {"headers", headers},
          {"body_sha256", sha256},
          {"time", value_of(request, "x-amz-date")},
          {"region", scope.region},
          {"service", scope.service},
          {"access_key_id", credentials.access_key_id},
          {"secret_access_key", credentials.secret_access_key.reveal()}};
}

TEST(Signer, AgreesWithBotocoreOnRequestsOfAllShapes) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Requests requests(seed);
  std::vector<std::string> cases;
  std::vector<std::string> ours;
  for (int i = 0; i < 500; ++i) {
    http::Request request = requests.request();
    const Credentials credentials = requests.credentials();
    const SigningScope scope{.region = requests.pick({"us-east-1", "eu-central-1", "default"}),
                             .service = requests.pick({"s3", "s3", "sts"})};
    const std::string sha256 = requests.number(4) == 0
                                   ? std::string(kUnsignedPayload)
                                   : codec::sha256_hex(as_bytes(std::to_string(i)));
    const Timestamp now(std::chrono::seconds(1'700'000'000 + requests.number(100'000'000)));
    sign(request, sha256, credentials, scope, now);
    cases.push_back(as_case(request, sha256, credentials, scope).dump());
    ours.push_back(value_of(request, "authorization"));
  }

  std::string input;
  for (const std::string& line : cases) {
    input += line + "\n";
  }
  const test::RunResult result =
      test::run({.command = {"python3",
                             (test::source_dir() / "tests/support/sign_with_botocore.py").string()},
                 .input = input});
  if (result.status == 3) {
    const char* required = std::getenv("KEYREWIND_REQUIRE_SERVERS");
    if (required != nullptr && std::string_view(required) == "1") {
      FAIL() << "python3-botocore is not on this machine, and KEYREWIND_REQUIRE_SERVERS=1 wants it";
    }
    GTEST_SKIP() << "python3-botocore is not on this machine";
  }
  ASSERT_EQ(result.status, 0) << result.err;
  std::istringstream lines(result.out);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    std::string theirs;
    ASSERT_TRUE(std::getline(lines, theirs));
    ASSERT_EQ(ours[i], theirs) << cases[i];
  }
}

}  // namespace
}  // namespace keyrewind::s3
