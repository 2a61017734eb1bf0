#include "support/fault_proxy.h"

#include "support/agent_run.h"
#include "support/http_server.h"
#include "support/s3_client.h"
#include "support/s3_servers.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace keyrewind::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

/// What a raw client saw of the answer, and how it ended.
struct Seen {
  std::string text;
  bool reset = false;
};

/// Sends `text` as it stands and reads up to the end of the connection. Says that nothing more will
/// come, unless it is to stay.
Seen talk(const FaultProxy& proxy, const std::string& text, bool stay = false) {
  const std::string endpoint = proxy.endpoint();
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port =
      htons(static_cast<std::uint16_t>(std::stoi(endpoint.substr(endpoint.rfind(':') + 1))));
  Seen seen;
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    ::send(socket, text.data(), text.size(), MSG_NOSIGNAL);
    if (!stay) {
      ::shutdown(socket, SHUT_WR);
    }
    std::array<char, 65536> piece{};
    ssize_t got = 0;
    while ((got = ::recv(socket, piece.data(), piece.size(), 0)) > 0) {
      seen.text.append(piece.data(), static_cast<std::size_t>(got));
    }
    seen.reset = got < 0 && errno == ECONNRESET;
  }
  ::close(socket);
  return seen;
}

const std::string kPut = "PUT /bucket/key HTTP/1.1\r\nHost: store\r\nContent-Length: 8\r\n\r\n";
const std::string kGet = "GET /bucket/key HTTP/1.1\r\nHost: store\r\n\r\n";

/// A proxy in front of a server that answers every request with ten bytes.
class FaultProxyTest : public testing::Test {
 protected:
  HttpServer server_{[](const HttpRequest&) {
    return HttpAnswer{.body = "0123456789", .headers = {{"ETag", "\"right\""}}};
  }};
  FaultProxy proxy_{server_.url()};
};

TEST_F(FaultProxyTest, PassesRequestsAndAnswersOnAsTheyAre) {
  const Seen seen = talk(proxy_,
                         "PUT /bucket/a%20key?x=y HTTP/1.1\r\nHost: store\r\nX-Odd:  a b\r\n"
                         "Content-Length: 8\r\n\r\n12345678");

  EXPECT_THAT(seen.text, HasSubstr("\r\n\r\n0123456789"));
  const HttpRequest request = server_.last_request();
  EXPECT_EQ(request.target, "/bucket/a%20key?x=y");
  EXPECT_THAT(request.headers, ElementsAre(Pair("host", "store"), Pair("x-odd", "a b"),
                                           Pair("content-length", "8")));
  EXPECT_EQ(request.body, "12345678");
}

TEST_F(FaultProxyTest, AnswersManyRequestsOfOneConnection) {
  const Seen seen = talk(proxy_, kGet + kPut + "12345678" + kGet);

  EXPECT_EQ(server_.requests().size(), 3U);
  EXPECT_EQ(proxy_.requests("GetObject"), 2U);
  EXPECT_EQ(proxy_.requests("PutObject"), 1U);
  EXPECT_FALSE(seen.reset);
}

TEST(FaultProxyAnswers, MayBeChunked) {
  HttpServer server({{.body = std::string(2500, 'x'), .chunked = true}});
  FaultProxy proxy(server.url());

  const Seen seen = talk(proxy, kGet);

  EXPECT_THAT(seen.text, testing::EndsWith("\r\n0\r\n\r\n"));
}

TEST_F(FaultProxyTest, RefusesWithoutAskingTheServer) {
  proxy_.inject({.status = 503, .code = "SlowDown", .retry_after = 7});

  const Seen seen = talk(proxy_, kPut + "12345678");

  EXPECT_THAT(seen.text, testing::StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(seen.text, HasSubstr("Retry-After: 7\r\n"));
  EXPECT_THAT(seen.text, HasSubstr("<Code>SlowDown</Code>"));
  EXPECT_THAT(server_.requests(), IsEmpty());
}

TEST_F(FaultProxyTest, RefusesAfterTheServerHasDoneIt) {
  proxy_.inject({.kind = S3Fault::Kind::refused_late});

  const Seen seen = talk(proxy_, kPut + "12345678");

  EXPECT_THAT(seen.text, HasSubstr("<Code>InternalError</Code>"));
  EXPECT_EQ(server_.requests().size(), 1U);
}

TEST_F(FaultProxyTest, ResetsBeforeInAndAfterTheBody) {
  using enum S3Fault::Kind;
  proxy_.inject({.kind = reset_before_body}, {.times = 1});
  proxy_.inject({.kind = reset_in_body}, {.times = 1});
  proxy_.inject({.kind = reset_after_body}, {.times = 1});

  EXPECT_TRUE(talk(proxy_, kPut).reset);
  EXPECT_TRUE(talk(proxy_, kPut + "1234").reset);
  EXPECT_TRUE(talk(proxy_, kPut + "12345678").reset);

  EXPECT_THAT(server_.requests(), IsEmpty());
}

TEST_F(FaultProxyTest, ResetsBeforeAndInTheAnswer) {
  using enum S3Fault::Kind;
  proxy_.inject({.kind = reset_before_answer}, {.times = 1});
  proxy_.inject({.kind = reset_in_answer}, {.times = 1});

  EXPECT_TRUE(talk(proxy_, kGet).reset);
  const Seen half = talk(proxy_, kGet);

  EXPECT_TRUE(half.reset);
  EXPECT_EQ(server_.requests().size(), 2U);
}

TEST_F(FaultProxyTest, EndsAnAnswerTooEarly) {
  proxy_.inject({.kind = S3Fault::Kind::truncated_answer});

  const Seen seen = talk(proxy_, kGet);

  EXPECT_THAT(seen.text, testing::EndsWith("\r\n\r\n01234"));
  EXPECT_FALSE(seen.reset);
}

TEST_F(FaultProxyTest, ReportsAnErrorInASuccess) {
  proxy_.inject({.kind = S3Fault::Kind::error_in_success});

  const Seen seen = talk(proxy_,
                         "POST /bucket/key?uploadId=1 HTTP/1.1\r\nHost: store\r\n"
                         "Content-Length: 0\r\n\r\n");

  EXPECT_THAT(seen.text, testing::StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(seen.text, HasSubstr("<Code>InternalError</Code>"));
}

TEST_F(FaultProxyTest, ChangesETagsAndBytes) {
  using enum S3Fault::Kind;
  proxy_.inject({.kind = wrong_etag});
  proxy_.inject({.kind = wrong_byte});

  EXPECT_THAT(talk(proxy_, kPut + "12345678").text,
              HasSubstr("ETag: \"00000000000000000000000000000000\""));
  EXPECT_THAT(talk(proxy_, kGet).text, testing::EndsWith("\r\n\r\n0123446789"));
}

TEST_F(FaultProxyTest, HangsUntilItsEnd) {
  auto proxy = std::make_unique<FaultProxy>(server_.url());
  proxy->inject({.kind = S3Fault::Kind::hang});
  auto seen = std::async(std::launch::async,
                         [&hanging = *proxy] { return talk(hanging, kPut + "12345678", true); });
  wait_until("the request", [&] { return proxy->faults() == 1; });
  EXPECT_EQ(seen.wait_for(std::chrono::milliseconds(100)), std::future_status::timeout);

  proxy.reset();

  EXPECT_EQ(seen.get().text, "");
}

TEST_F(FaultProxyTest, StrikesWhereTheRuleSays) {
  proxy_.inject({}, {.operation = "GetObject", .skip = 1, .every = 2, .times = 2});
  const std::string other = "GET /bucket?list-type=2 HTTP/1.1\r\nHost: store\r\n\r\n";

  std::vector<bool> struck;
  for (int i = 0; i < 7; ++i) {
    EXPECT_THAT(talk(proxy_, other).text, testing::StartsWith("HTTP/1.1 200 "));
    struck.push_back(talk(proxy_, kGet).text.starts_with("HTTP/1.1 500 "));
  }

  EXPECT_THAT(struck, ElementsAre(false, true, false, true, false, false, false));
  EXPECT_EQ(proxy_.faults(), 2U);
  EXPECT_THAT(proxy_.faults_by_name(), ElementsAre(Pair("500 InternalError", 2)));
}

TEST_F(FaultProxyTest, DrawsTheSameFaultsFromTheSameSeed) {
  const auto story = [this] {
    FaultProxy proxy(server_.url(), 42);
    proxy.inject_any({{.status = 500}, {.status = 503, .code = "SlowDown"}}, {.probability = 0.5});
    for (int i = 0; i < 30; ++i) {
      talk(proxy, kGet);
    }
    EXPECT_THAT(proxy.faults(), testing::AllOf(testing::Gt(5U), testing::Lt(25U)));
    return proxy.story();
  };

  EXPECT_EQ(story(), story());
}

TEST_F(FaultProxyTest, ResetsWhoeverAsksAServerThatIsDown) {
  const std::string gone = HttpServer().url();
  FaultProxy proxy(gone);

  EXPECT_EQ(talk(proxy, kGet).text, "");
}

TEST(FaultProxyOperations, AreNamedAsS3NamesThem) {
  HttpServer server([](const HttpRequest&) { return HttpAnswer{}; });
  FaultProxy proxy(server.url());
  const S3Client client(proxy.endpoint(), {.access_key = "key", .secret_key = "secret"});
  const std::vector<std::tuple<std::string, std::string, S3Client::Query, std::string>> cases{
      {"PUT", "/b/k", {}, "PutObject"},
      {"PUT", "/b/k", {{"partNumber", "1"}, {"uploadId", "x"}}, "UploadPart"},
      {"POST", "/b/k", {{"uploads", ""}}, "CreateMultipartUpload"},
      {"POST", "/b/k", {{"uploadId", "x"}}, "CompleteMultipartUpload"},
      {"DELETE", "/b/k", {{"uploadId", "x"}}, "AbortMultipartUpload"},
      {"DELETE", "/b/k", {}, "DeleteObject"},
      {"POST", "/b", {{"delete", ""}}, "DeleteObjects"},
      {"GET", "/b/k", {}, "GetObject"},
      {"HEAD", "/b/k", {}, "HeadObject"},
      {"GET", "/b/k", {{"uploadId", "x"}}, "ListParts"},
      {"GET", "/b", {{"list-type", "2"}, {"prefix", "uploads"}}, "ListObjectsV2"},
      {"GET", "/b/", {{"uploads", ""}}, "ListMultipartUploads"},
      {"HEAD", "/b", {}, "HeadBucket"},
  };

  for (const auto& [method, path, query, name] : cases) {
    client.send(method, path, query);

    EXPECT_EQ(proxy.requests(name), 1U) << name << "\n" << proxy.story();
  }
}

TEST(FaultProxyOnRgw, KeepsSignaturesValid) {
  require_rgw();
  if (IsSkipped() || HasFatalFailure()) {
    return;
  }
  const S3Bucket bucket = S3Server::rgw().new_bucket();
  FaultProxy proxy(S3Server::rgw().endpoint());
  const S3Client through(proxy.endpoint(), bucket.client().keys());

  through.put(bucket.name(), "a key", std::string(3 << 20, 'x'));

  EXPECT_EQ(through.get(bucket.name(), "a key"), std::string(3 << 20, 'x'));
  EXPECT_EQ(through.send("HEAD", "/" + bucket.name() + "/a key").status, 200);
  EXPECT_THAT(through.list(bucket.name()), ElementsAre("a key"));
}

TEST(FaultProxyOnRgw, HasAClockOfItsOwn) {
  require_rgw();
  if (IsSkipped() || HasFatalFailure()) {
    return;
  }
  FaultProxy proxy(S3Server::rgw().endpoint());
  const S3Client through(proxy.endpoint(), S3Server::rgw().client().keys());
  EXPECT_EQ(through.send("GET", "/").status, 200);

  proxy.set_clock_ahead(std::chrono::minutes(5));

  const S3Answer answer = through.send("GET", "/");
  EXPECT_EQ(answer.error_code(), "RequestTimeTooSkewed");
  EXPECT_TRUE(answer.headers.contains("date"));
}

}  // namespace
}  // namespace keyrewind::test
